"""The command line: finds the command, and turns an error into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from paceline.commands import bisect, calibrate, check, doctor, fetch, import_, machine, pages
from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.commands import Command

#: In the order of `paceline --help`.
COMMANDS: dict[str, Command] = {
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


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="paceline", description="Benchmarks that people can trust.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, which is 4 with one line of why if it could not be run."""
    given = parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    try:
        status = COMMANDS[given.command].run(given)
        sys.stdout.flush()
    except PacelineError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough: `paceline ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
