"""`paceline doctor`: prints what makes this machine noisy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import say

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    commands.add_parser(
        "doctor",
        help="list what makes this machine noisy, and what would help",
        description="Checks this machine for noise that slows a gate down: CPUs, clock speed, power, virtualisation,"
        " load, threads, and how steady equal work is. Prints a line for each. A line with `!` has a remedy, which"
        " follows after `->`. Changes nothing.",
        epilog="Exit status: 0 with any result, 4 wrong use.",
    )


def run(_arguments: argparse.Namespace) -> int:
    """Print a line for each remark, and return 0."""
    from paceline.system import noise

    say(*noise.lines(noise.examine(Path("/"), os.environ)))
    return 0
