"""One module per command, each with `add(commands)` and `run(arguments) -> status`; `paceline.cli` lists them.

Commands parse and print. The work is done elsewhere, in modules that are imported only when the command runs. All
output goes through `say` and `warn`, which escape it, as much of it comes from files that others wrote.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Protocol, TypeAlias

from paceline.errors import PacelineError, why
from paceline.report.terminal import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

    from paceline.config.project import Results

    #: What `add_subparsers` returns; argparse has no public name for it.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

#: Exit statuses.
RED = 1  # a benchmark is red, or there is a new slowdown
DEFECT = 3
WRONG_USE = 4
#: Help of --results, the same for every command.
RESULTS_HELP = (
    "folder or URL of the history, such as s3://bucket/project (default: `results` in [tool.paceline], else"
    " `results_dir` in asv.conf.json, else .asv/results)"
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


def received(here: Path, given: str | None) -> Results:
    """Return where the results are. The mirror of a URL gets what is new there, with a note for each problem."""
    from paceline.config import project

    results = project.results(here, given)
    if results.url:
        from paceline.history.intake import remote

        notes = remote.receive(results, progress)
        progress("")
        warn(*(f"note: {line}" for line in notes))
    return results


def failure(error: Exception) -> tuple[str, int]:
    """Return the line and the exit status of a command that an error ended."""
    if isinstance(error, PacelineError):
        line, status = str(error), WRONG_USE
    elif isinstance(error, OSError):
        line, status = f"{_where(error)}{why(error)}", WRONG_USE
    elif isinstance(error, UnicodeError):
        line, status = f"{error}. Set PYTHONIOENCODING=utf-8, or rename the file with this name.", WRONG_USE
    else:
        line, status = f"unexpected {_named(error)}. Please report it with {_kept(error)}", DEFECT
    return " ".join(line.split()), status


def _named(error: Exception) -> str:
    """Return an error's type and message; never fails, even if the error cannot print itself."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001
        return type(error).__name__


def _kept(error: Exception) -> str:
    """Write the traceback to a file and return its name; if that fails, return the traceback itself."""
    text = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="paceline-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return text
    return name


def _where(error: OSError) -> str:
    if error.filename is None:  # Python names no path if the current folder is missing
        return "the current folder: " if isinstance(error, FileNotFoundError) else ""
    return f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: "


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
