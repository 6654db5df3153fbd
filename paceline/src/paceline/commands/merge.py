"""`paceline merge`: one table and one exit status from the shards of a gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RED, say
from paceline.errors import PacelineError, why
from paceline.system import files
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands
    from paceline.report.outcome import Outcome


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "merge",
        help="join the JSON files of a gate's shards into one table and one exit status",
        description="Joins the files that gates with --benchmark-shard=K/N wrote by --benchmark-against-json. All N"
        " shards must be there, once each, of the same commits, settings and benchmarks. Exit status: 0 nothing is"
        " red, 1 something is red, 4 the files cannot be joined.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON files of all shards")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the joined findings to this file, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Join, print the table, write what is asked for, and return the exit status."""
    from paceline.report.closing import Closing
    from paceline.report.joined import joined

    outcome = joined({str(path): _read(path) for path in arguments.files})
    closing = Closing(outcome, arguments.json)
    say(*closing.lines())
    closing.write()
    return RED if outcome.is_red else 0


def _read(path: Path) -> Outcome:
    from paceline.report import json_file

    try:
        return json_file.read(files.read(path), str(path))
    except OSError as error:
        raise PacelineError(f"cannot read {path}: {why(error)}. Run that shard again.") from None
    except MalformedError as error:
        raise PacelineError(f"cannot read {error}. Run that shard again.") from None
