"""Commands that jobs on GitHub run, next to those of `paceline`: `python3 -I .github/scripts COMMAND`.

They need the standard library and this checkout, nothing installed: some of these jobs may write.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "paceline" / "src"))

from hub import audit, comment, gate, install, issues, merge, release, store
from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Command(Protocol):
    """A module with a command."""

    def add(self, commands: Any, /) -> None:
        """Add the command to the command line."""

    def run(self, arguments: argparse.Namespace, environment: Mapping[str, str], /) -> int:
        """Run the command and return its exit status."""
        ...


COMMANDS: dict[str, Command] = {
    "audit": audit,
    "comment": comment,
    "gate": gate,
    "install": install,
    "issues": issues,
    "merge": merge,
    "release": release,
    "store": store,
}
WRONG_USE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 4, with the reason in one line, if it cannot run."""
    parser = argparse.ArgumentParser(prog=".github/scripts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    given = parser.parse_args(arguments)
    try:
        return COMMANDS[given.command].run(given, os.environ)
    except PacelineError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return WRONG_USE


if __name__ == "__main__":
    sys.exit(main())
