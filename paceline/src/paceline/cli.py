"""The command line: runs a command, and turns an error into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from paceline.commands import (
    WRONG_USE,
    bisect,
    calibrate,
    check,
    doctor,
    explain,
    failure,
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
    except KeyboardInterrupt:
        progress("")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # Python would end with 1, which means that something became slower
        progress("")
        said, status = failure(error)
        warn(f"ERROR: {said}")
        return status


def _occupy_standard_streams() -> None:
    """Open the null device for each closed standard stream: a child process would lose a file with its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(number)


if __name__ == "__main__":
    sys.exit(main())
