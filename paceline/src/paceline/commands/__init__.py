"""One module a command, each with `add(commands)` and `run(arguments) -> status`; `paceline.cli` lists them.

They parse and print; what they do lives elsewhere, and is imported only when the command runs. What they print goes
through `say` and `warn`: much of it is strangers' words, and none of it decides what a command does or returns.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol, TypeAlias

from paceline.errors import PacelineError
from paceline.report.terminal import printable

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    #: What `add_subparsers` returns; argparse has no public name for it.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

RED = 1  # the exit status of a gate in which something is red
#: Of the option --results, wherever a command has it.
RESULTS_HELP = (
    "the history's folder (default: `results` of [tool.paceline], else asv's `results_dir`, else .asv/results)"
)


class Command(Protocol):
    """What a module of a command gives."""

    def add(self, commands: Commands, /) -> None:
        """Add the command to the command line."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Do it, and return the exit status."""
        ...


def say(*lines: str) -> None:
    """Print lines. Raises PacelineError if they cannot be written; that nobody reads them is no failure."""
    _print(lines, sys.stdout)


def warn(*lines: str) -> None:
    """Print lines to standard error, if they can be written."""
    _print(lines, sys.stderr)


def _print(lines: tuple[str, ...], stream: TextIO | None) -> None:
    if stream is None:  # closed before the command began
        return
    try:
        stream.write("".join(f"{printable(each)}\n" for each in lines))
        stream.flush()
    except OSError as error:
        # What is left in the buffer goes nowhere, or the interpreter would fail on it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise PacelineError(f"standard output cannot be written: {error.strerror}") from None


def progress(text: str) -> None:
    """Say on a terminal what is being done; nothing wipes it."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
