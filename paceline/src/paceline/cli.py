"""The command line: finds the command, and turns an error into one line and an exit status."""

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
    fetch,
    gate,
    import_,
    machine,
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
    "check": check,
    "bisect": bisect,
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
    """Says what is wrong in one line, with the status of everything that could not be run."""

    def error(self, message: str) -> NoReturn:
        """Exit."""
        warn(f"ERROR: {' '.join(message.split())}: see {self.prog} --help")
        self.exit(WRONG_USE)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        say(f"paceline {version('paceline')}")
        parser.exit()


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(prog="paceline", description="Benchmarks that people can trust.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands: Commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for command in COMMANDS.values():
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, which is 4 with one line of why if it could not be run."""
    _occupy_standard_streams()
    line = parser()
    given, unknown = line.parse_known_args(arguments)
    if getattr(given, "takes_more", False):
        given.more = unknown
    elif unknown:
        line.prog = f"paceline {given.command}"  # whose help tells what it knows
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
        return _failed(f"{error}: set PYTHONIOENCODING=utf-8, or rename what has such a name")
    except Exception as error:  # noqa: BLE001  # Python would end with 1, which means that something became slower
        return _failed(f"unexpected {_named(error)}. Please report it with {_kept()}", DEFECT)


def _occupy_standard_streams() -> None:
    """Let no file or socket get the number of a standard stream that was closed: a new process would lose it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(number)


def _failed(line: str, status: int = WRONG_USE) -> int:
    progress("")
    warn(f"ERROR: {' '.join(line.split())}")
    return status


def _named(error: Exception) -> str:
    """Return what an error is called and says; whatever it is, it cannot fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001
        return type(error).__name__


def _kept() -> str:
    """Write the traceback into a file, and name that; where none can be written, return the traceback itself."""
    text = traceback.format_exc()
    try:
        descriptor, name = tempfile.mkstemp(prefix="paceline-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return text
    return name


def _where(error: OSError) -> str:
    if error.filename is None:  # Python names no folder where the current one is missing
        return "the current folder: " if isinstance(error, FileNotFoundError) else ""
    return f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: "


if __name__ == "__main__":
    sys.exit(main())
