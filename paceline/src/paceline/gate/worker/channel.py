"""JSON lines between the gate and a worker, over two connected sockets, one of which the worker inherits.

They have no address, so no other process can take a worker's place. Standard streams belong to the test. A test may
close every descriptor: the worker then ends, and never writes to a file that has taken over its number.
Standard library only: workers load this.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from paceline.gate.worker.messages import is_message
from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from paceline.gate.worker.messages import Message

ADDRESS = "PACELINE_WORKER"  # variable of the environment that holds the number of a worker's socket
LONGEST = 1 << 26  # bytes of a line: a collection of 100,000 benchmarks
CHUNK = 1 << 16
SENDS_WITHIN = 10.0  # seconds for a command: a worker that takes none has stopped
GATE_ENDED = 70  # exit status of a worker that has lost its channel


class ChannelLostError(Exception):
    """The other side is gone, or says what it must not; the text says which."""


class _Lines:
    """Sends and receives one JSON object per line."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._pending = bytearray()

    def send(self, message: Message) -> None:
        self.connection.sendall(Real.encode(message).encode() + b"\n")

    def receive(self, until: float | None = None) -> Any:
        """Wait for a message. Raises TimeoutError at `until`, ChannelLostError at the end, ValueError for rubbish."""
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if searched > LONGEST:
                raise ChannelLostError(f"sent the gate more than {LONGEST >> 20} MiB at once")
            if until is not None:
                self.connection.settimeout(max(0.001, until - Real.monotonic()))
            received = self.connection.recv(CHUNK)
            if not received:
                raise ChannelLostError("closed the gate's channel")
            self._pending += received
            if until is not None and Real.monotonic() > until and b"\n" not in received:
                raise TimeoutError
        line = self._pending[:end]
        del self._pending[: end + 1]
        return Real.decode(line.decode())


class Caller:
    """The worker's end."""

    def __init__(self, address: str) -> None:
        self._lines = _Lines(Real.Socket(fileno=int(address)))
        self._lines.connection.settimeout(None)  # whatever the default is by now
        if os.name != "nt":
            os.set_inheritable(int(address), False)
        self._owner = Real.getpid()
        self._identity = self._identify()
        self._lines.send({"event": "hello"})

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = Real.fstat(self._lines.connection.fileno())
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _insist_on_own(self) -> None:
        """End a process that was forked from the worker by a test, and has come back into it."""
        if Real.getpid() != self._owner:
            Real.exit(GATE_ENDED)
        if self._identify() != self._identity:
            self._lines.connection.detach()  # the number may be someone else's file by now
            raise ChannelLostError("closed the gate's channel")

    def send(self, message: Message) -> None:
        """Send a message. Raises ChannelLostError or OSError if that cannot be."""
        self._insist_on_own()
        self._lines.send(message)

    def receive(self) -> Message:
        """Wait for the gate's next command. Raises ChannelLostError or OSError when the gate has ended."""
        self._insist_on_own()
        message: Message = self._lines.receive()
        return message


class Callee:
    """The gate's end: waits for whatever one worker says. `inherited` is for that worker, as its `address`."""

    def __init__(self) -> None:
        own, self.inherited = socket.socketpair()
        self.inherited.set_inheritable(os.name == "nt")  # elsewhere the new process alone gets it
        self.address = str(self.inherited.fileno())
        self._lines = _Lines(own)

    def hand_over(self) -> None:
        """Leave the worker's socket to the worker, now that it has started: else its end would not be noticed."""
        self.inherited.close()

    def send(self, message: Message) -> None:
        """Send a command. Raises ChannelLostError if the worker is gone, or takes nothing."""
        self._lines.connection.settimeout(SENDS_WITHIN)
        try:
            self._lines.send(message)
        except OSError as error:
            raise ChannelLostError("closed the gate's channel") from error

    def receive(self, patience: float) -> Message | None:
        """Wait at most `patience` seconds; None if nothing came. Raises ChannelLostError."""
        try:
            message: Message = self._lines.receive(Real.monotonic() + patience)
        except TimeoutError:
            return None
        except OSError as error:
            raise ChannelLostError("closed the gate's channel") from error
        except (ValueError, RecursionError):
            raise ChannelLostError("sent the gate what is not a message") from None
        if not is_message(message):
            raise ChannelLostError("sent the gate what is not a message")
        return message

    def close(self) -> None:
        """Hang up: a worker that still listens ends itself."""
        self._lines.connection.close()
        self.inherited.close()
