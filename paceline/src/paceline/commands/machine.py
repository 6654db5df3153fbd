"""`paceline machine`: prints this machine's name in the history, and why it has that name."""

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
        help="print this machine's name in the history, and why it has that name",
        description="Prints the name under which runs on this machine are recorded, and the reason for each part of"
        " it. Machines with equal hardware have equal names. Then prints the facts that are recorded with each run"
        " because they may explain a change. A limit on the threads of numeric libraries (OMP_NUM_THREADS=1) is"
        " part of the name: 1t.",
        epilog="Exit status: 0 printed, 4 wrong use.",
    )
    parser.add_argument("--json", action="store_true", help="print asv's machine.json fields, facts and packages")


def run(arguments: argparse.Namespace) -> int:
    """Print the name, its parts and the facts, and return 0."""
    extras.require("paceline machine", "history")
    from paceline.history.machine.naming import this_machine
    from paceline.history.machine.surroundings import facts, packages

    machine = this_machine()
    found = facts(machine)
    if arguments.json:
        document = {**machine.as_asv(), "facts": found, "packages": packages()}
        say(*json.dumps(document, indent=1).splitlines())
        return 0
    say(machine.name)
    width = max(len(name) for name in (*found, *(part.text for part in machine.parts)))
    say("", "parts of the name", *(f"  {part.text.ljust(width)}  {part.reason}" for part in machine.parts))
    say("", "recorded with each run", *(f"  {name.ljust(width)}  {text}" for name, text in found.items()))
    say(f"  {'packages'.ljust(width)}  {len(packages())}, with their versions")
    return 0
