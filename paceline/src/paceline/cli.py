"""The command line: finds the command, and turns an error into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
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
from paceline.errors import PacelineError
from paceline.signals import like_ctrl_c

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
        return _failed(f"{_where(error)}{error.strerror or error}")
    except UnicodeError as error:
        return _failed(f"{error}: set PYTHONIOENCODING=utf-8, or rename what has such a name")


def _occupy_standard_streams() -> None:
    """Let no file or socket get the number of a standard stream that was closed: a new process would lose it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(number)


def _failed(why: str) -> int:
    progress("")
    warn(f"ERROR: {' '.join(why.splitlines())}")
    return WRONG_USE


def _where(error: OSError) -> str:
    if error.filename is None:
        return ""
    return f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: "


if __name__ == "__main__":
    sys.exit(main())
