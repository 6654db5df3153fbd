"""One side's process as the gate sees it: every wait has a time limit, and a crash is not taken for a failure."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from paceline.gate.visit import End
from paceline.gate.worker.channel import ADDRESS, GATE_ENDED, Callee, ChannelLostError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from paceline.gate.sides.launcher import Launch
    from paceline.gate.worker.messages import Message

LISTENS = 0.2  # seconds between checks that the process is alive
MOST_PRINTED = 1 << 22  # bytes of output: a longer log is emptied
LAST_WORDS = 1 << 16  # bytes at the end of the log in which an error is looked for
_ERROR = re.compile(r"Error|\berror:")


class SideProcess:
    """One side's process, with its channel and its log."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self._callee = Callee()
        self._log = log
        log.unlink(missing_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launch.command,
                cwd=launch.folder,
                env={**launch.environment, ADDRESS: self._callee.address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_inheriting(self._callee.inherited.fileno()),
            )
        self._callee.hand_over()
        self._task: Message | None = launch.task
        self._end: End | None = None

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Send a command; a lost worker is noticed by the next receive."""
        with contextlib.suppress(ChannelLostError):
            self._callee.send(message)

    def greet(self, patience: float) -> None:
        """Send the task as soon as the worker says hello; the next receive reports a failure."""
        until = time.monotonic() + patience
        while self._task is not None and self._end is None and (left := until - time.monotonic()) > 0:
            self._hear(left, ())

    def receive(self, patience: float, events: Collection[str]) -> Message | End:
        """Return one of these events; an End if the process crashed, hung or sent something else."""
        until = time.monotonic() + patience
        while self._end is None and (left := until - time.monotonic()) > 0:
            message = self._hear(left, events)
            if message is not None:
                return message
        return self._end or End("hung", f"no answer for {patience:g} s (--benchmark-timeout)")

    def _hear(self, patience: float, events: Collection[str]) -> Message | None:
        """Listen for a moment: return one of these events, answer a hello, or note the End."""
        ended = self._process.poll() is not None
        try:
            message = self._callee.receive(min(patience, LISTENS if not ended else 0.001))
        except ChannelLostError as error:
            self._end = self._crash(str(error))
            return None
        self._shorten_log()
        if message is None:
            self._end = self._crash() if ended else None
        elif message["event"] in events:
            return message
        elif message["event"] == "hello" and self._task is not None:
            self.send(self._task)
            self._task = None
        else:
            self._end = End("crashed", f"sent the gate an unexpected {message['event']!r}")
        return None

    def _shorten_log(self) -> None:
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > MOST_PRINTED:
                os.truncate(self._log, 0)

    def _crash(self, why: str = "") -> End:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        status = self._process.returncode
        if status is None or status == GATE_ENDED:
            return End("crashed", why or "closed the gate's channel")
        if status < 0:
            with contextlib.suppress(ValueError):
                return End("crashed", f"killed by {signal.Signals(-status).name}")
        return End("crashed", f"the interpreter ended with status {status}")

    def last_words(self) -> str:
        """Return the last line of the output that shows an error, or else the last line of all."""
        with self._log.open("rb") as file:
            file.seek(-min(LAST_WORDS, file.seek(0, os.SEEK_END)), os.SEEK_END)
            text = file.read(LAST_WORDS).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip(" =_-\n")]
        errors = [line for line in lines if line.startswith(("E ", "ERROR", "INTERNALERROR>")) or _ERROR.search(line)]
        return ((errors or lines or ["it printed nothing"])[-1].removeprefix("E ").strip())[:300]

    def kill(self) -> None:
        """Close the channel, and end the process with all that it started."""
        self._callee.close()
        if os.name == "nt":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _inheriting(number: int) -> dict[str, Any]:
    """Return the arguments by which a new process gets an open socket."""
    if sys.platform == "win32":
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [number]})}
    return {"pass_fds": (number,)}
