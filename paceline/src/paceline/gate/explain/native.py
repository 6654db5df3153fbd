"""Asks py-spy which functions in C run below Python's, where it is installed and permitted.

It looks from outside and stops the process for each sample. So it knows neither what is timed nor by which clock, and
what it finds is only shown with a function that the test names. It runs in a burst of its own and changes no figure.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RATE = 200  # samples in a second: at 1000 py-spy falls behind, and slows the process down by a tenth
PATIENCE = 20.0  # seconds to start and to end
STARTED = "Sampling process"
MOST_OF_IT = 0.5  # of a function's samples
IN_PYTHON = re.compile(r"(?P<function>.+) \([^()]*:\d+\)")
INTERPRETER = re.compile(r"\((lib)?python[\d.]|\(libc\.|^0x")


class NotWatchedError(Exception):
    """py-spy could not watch a process."""


def tool() -> str | None:
    """Return the path of py-spy, of this environment or else of the shell's."""
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return shutil.which("py-spy", path=os.pathsep.join(path))


@contextlib.contextmanager
def watching(spy: str, process: int, file: Path) -> Iterator[None]:
    """Write the stacks of a process to a file, from now until this is closed. Raises NotWatchedError."""
    command = [spy, "record", "--native", "--pid", str(process), "--rate", str(RATE), "--format", "raw"]
    with subprocess.Popen(
        [*command, "--output", str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        try:
            with _limited(child):
                _await(child)
            yield
        finally:
            child.send_signal(signal.SIGINT)
            with _limited(child):
                child.communicate()


@contextlib.contextmanager
def _limited(child: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the process if the block takes too long."""
    limit = threading.Timer(PATIENCE, child.kill)
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


def _await(child: subprocess.Popen[str]) -> None:
    said = "it printed nothing"
    for line in child.stdout or ():
        if STARTED in line:
            return
        said = line.strip() or said
    raise NotWatchedError(said)


def below(stacks: str) -> Mapping[str, Counter[str]]:
    """Return, for each function in Python, the samples of functions in C that it called, and of itself as ""."""
    found: dict[str, Counter[str]] = {}
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        last = max((place for place, each in enumerate(frames) if IN_PYTHON.fullmatch(each)), default=None)
        match = None if last is None else IN_PYTHON.fullmatch(frames[last])
        if last is not None and match is not None and count.isdigit():
            called = next((each for each in frames[last + 1 :] if not INTERPRETER.search(each)), "")
            found.setdefault(match["function"], Counter())[called.partition(" (")[0]] += int(count)
    return found


def most_of(samples: Counter[str]) -> str:
    """Return the function in C with most of these samples; nothing if it has less than half of them."""
    (name, count), *_ = samples.most_common(1) or [("", 0)]
    return name if count >= MOST_OF_IT * samples.total() else ""
