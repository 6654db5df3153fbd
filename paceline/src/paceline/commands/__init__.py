"""One module per command, each with `add(commands)` and `run(arguments) -> status`; `paceline.cli` lists them.

Commands parse and print. The work is done elsewhere, in modules that are imported only when the command runs. All
output goes through `say` and `warn`, which escape it, as much of it comes from files that others wrote.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Protocol, TypeAlias

from paceline.errors import PacelineError
from paceline.report.terminal import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import TextIO

    #: What `add_subparsers` returns; argparse has no public name for it.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

RED = 1  # exit status of a gate in which a benchmark is red
#: Help of --results, the same for every command.
RESULTS_HELP = (
    "folder of the history (default: `results` in [tool.paceline], else `results_dir` in asv.conf.json, else"
    " .asv/results)"
)


class Command(Protocol):
    """The functions of a command's module."""

    def add(self, commands: Commands, /) -> None:
        """Add the command to the command line."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Run the command and return the exit status."""
        ...


def say(*lines: str) -> None:
    """Print lines. Raises PacelineError if they cannot be written; a closed pipe is not an error."""
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
        # Discard the rest of the buffer, or the interpreter would fail on it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise PacelineError(
                f"cannot write to standard output: {error.strerror}. Redirect it elsewhere."
            ) from None


def progress(text: str) -> None:
    """Show on a terminal what is being done, in place of the text before; an empty text clears the line."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def argument(read: Callable[[str], float]) -> Callable[[str], float]:
    """Return a reader of an argument for argparse, from one that raises ValueError."""

    def number(text: str) -> float:
        try:
            return read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return number


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark that a command judges."""
    parser.add_argument(
        "benchmark", metavar="BENCHMARK", help="pytest's node id, or the name that `paceline check` prints"
    )


def add_number(
    parser: argparse.ArgumentParser, name: str, read: Callable[[str], float], default: str, about: str
) -> None:
    """Add an option that takes a number; `default` is written as a user writes it."""
    metavar = "FRACTION" if default.endswith("%") else "SECONDS"
    about = f"{about} (default: {default})".replace("%", "%%")
    parser.add_argument(name, type=argument(read), default=read(default), metavar=metavar, help=about)
