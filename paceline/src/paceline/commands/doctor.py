"""`paceline doctor`."""

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
    commands.add_parser("doctor", help="say what makes this machine noisy, and what would help")


def run(_arguments: argparse.Namespace) -> int:
    """Print a line for each remark."""
    from paceline.system import noise

    say(*noise.lines(noise.examine(Path("/"), os.environ)))
    return 0
