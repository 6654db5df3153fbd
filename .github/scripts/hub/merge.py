"""`merge`: joins the shards of a gate, which earlier jobs left as artifacts, into one table and one exit status."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from paceline.commands import merge
from paceline.errors import PacelineError

from hub import job

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "shards"  # of the runner's temporary folder: one folder for each artifact


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("merge", help="join the shards of a gate into one table and one exit status")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Join the shards. Returns 1 if a benchmark is red."""
    folder = job.temporary(environment)
    files = sorted((folder / FOLDER).glob("*/gate.json"))
    if not files:
        raise PacelineError(f"no findings in {folder / FOLDER}: no shard was judged. Their logs say why.")
    return merge.run(argparse.Namespace(files=files, json=folder / "gate.json"))
