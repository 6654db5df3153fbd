"""The command line: runs a command, and turns an error into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from paceline.commands import (
    bisect,
    calibrate,
    check,
    doctor,
    explain,
    fetch,
    gate,
    import_,
    machine,
    merge,
    pages,
    progress,
    say,
    warn,
)
from paceline.errors import PacelineError, why
from paceline.system.signals import like_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.commands import Command, Commands

#: In the order of `paceline --help`.
COMMANDS: dict[str, Command] = {
    "gate": gate,
    "merge": merge,
    "check": check,
    "bisect": bisect,
    "explain": explain,
    "pages": pages,
    "fetch": fetch,
    "import": import_,
    "machine": machine,
    "calibrate": calibrate,
    "doctor": doctor,
}

DEFECT = 3
WRONG_USE = 4
INTERRUPTED = 130
STANDARD_ERROR = 2  # the number of its descriptor


class Parser(argparse.ArgumentParser):
    """Reports wrong use in one line, with the exit status of every command that could not run."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit."""
        warn(f"ERROR: {' '.join(message.split()).removesuffix('.')}. Run `{self.prog} --help` for usage.")
        self.exit(WRONG_USE)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        say(f"paceline {version('paceline')}")
        parser.exit()


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="paceline",
        description="Judges a change's speed against its base, and finds slowdowns in a history of benchmarks.",
        epilog="Run `paceline COMMAND --help` for the options and exit status of a command.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands: Commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for command in COMMANDS.values():
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 4, after a one-line error, if it could not run."""
    _occupy_standard_streams()
    line = parser()
    given, unknown = line.parse_known_args(arguments)
    if getattr(given, "takes_more", False):
        given.more = unknown
    elif unknown:
        line.prog = f"paceline {given.command}"  # its help lists the options
        line.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        with like_ctrl_c():
            return COMMANDS[given.command].run(given)
    except PacelineError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        progress("")
        return INTERRUPTED
    except OSError as error:
        return _failed(f"{_where(error)}{why(error)}")
    except UnicodeError as error:
        return _failed(f"{error}. Set PYTHONIOENCODING=utf-8, or rename the file with this name.")
    except Exception as error:  # noqa: BLE001  # Python would end with 1, which means that something became slower
        return _failed(f"unexpected {_named(error)}. Please report it with {_kept()}", DEFECT)


def _occupy_standard_streams() -> None:
    """Open the null device for each closed standard stream: a child process would lose a file with its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(number)


def _failed(line: str, status: int = WRONG_USE) -> int:
    progress("")
    warn(f"ERROR: {' '.join(line.split())}")
    return status


def _named(error: Exception) -> str:
    """Return an error's type and message; never fails, even if the error cannot print itself."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001
        return type(error).__name__


def _kept() -> str:
    """Write the traceback to a file and return its name; if that fails, return the traceback itself."""
    text = traceback.format_exc()
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


if __name__ == "__main__":
    sys.exit(main())
