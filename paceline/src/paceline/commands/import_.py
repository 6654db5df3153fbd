"""`paceline import`: parses its arguments, and prints a line for each file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, received, say, warn
from paceline.errors import PacelineError
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "import",
        help="add pytest-benchmark's JSON files to the history",
        description="Adds each file of --benchmark-json, --benchmark-save or --benchmark-autosave to the history as"
        " one run. Importing a file again adds nothing. Files that cannot be used are listed with the reason, and"
        " the others are imported.",
        epilog="Exit status: 0 at least one file is in the history, 4 none is, or wrong use.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file, or a folder such as .benchmarks")
    parser.add_argument(
        "--results",
        metavar="DIR|URL",
        help=RESULTS_HELP,
    )
    parser.add_argument(
        "--machine",
        metavar="NAME",
        help="machine of these runs, as `paceline machine` prints it (default: from each file)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import, print a line for each file, and return 0. Raises PacelineError if nothing could be imported."""
    extras.require("paceline import", "history")
    from paceline.history.intake import importer, remote

    root = Path.cwd()
    results = received(root, arguments.results)
    added = present = bad = 0
    for outcome in importer.import_all(arguments.files, results.folder, repository=root, machine=arguments.machine):
        if outcome.written is None:
            bad += 1
            warn(f"not imported: {outcome.source}: {outcome.reason}")
        elif outcome.is_new:
            added += 1
            say(f"{outcome.source} -> {outcome.written}")
        else:
            present += 1
            say(f"{outcome.source} was already imported as {outcome.written}")
    if not added and not present:
        raise PacelineError(f"imported 0 of {bad} files. Fix the errors above, and import again.")
    warn(*(f"note: {line}" for line in remote.send(results)))
    say(f"{added} imported, {present} already imported, {bad} not imported")
    return 0
