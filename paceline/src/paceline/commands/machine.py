"""`paceline machine`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paceline.commands import say
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "machine",
        help="name this machine's hardware class, and say why",
        description="Prints the name under which runs of this machine are recorded, the reason for each part of it,"
        " and the facts that are recorded beside it because they may explain a shift. A run that limits the threads"
        " of numeric libraries (OMP_NUM_THREADS=1) has that in its name as well: 1t.",
    )
    parser.add_argument("--json", action="store_true", help="print asv's fields of a machine.json, and the facts")


def run(arguments: argparse.Namespace) -> int:
    """Print the name, its parts, and the facts."""
    extras.require("paceline machine", "history")
    from paceline.history.machine.naming import this_machine
    from paceline.history.machine.surroundings import facts, packages

    machine = this_machine()
    known = facts(machine)
    if arguments.json:
        document = {**machine.as_asv(), "facts": known, "packages": packages()}
        say(*json.dumps(document, indent=1).splitlines())
        return 0
    say(machine.name)
    width = max(len(name) for name in (*known, *(part.text for part in machine.parts)))
    say("", "because of", *(f"  {part.text.ljust(width)}  {part.reason}" for part in machine.parts))
    say("", "recorded beside it", *(f"  {name.ljust(width)}  {text}" for name, text in known.items()))
    say(f"  {'packages'.ljust(width)}  {len(packages())}, with their versions")
    return 0
