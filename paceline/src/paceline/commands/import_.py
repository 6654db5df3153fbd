"""`paceline import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, say, warn
from paceline.errors import PacelineError
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "import",
        help="bring pytest-benchmark's JSON files into the history",
        description="Adds each file of --benchmark-json, --benchmark-save or --benchmark-autosave to the history as"
        " one run. Importing a file again adds nothing. A file that cannot be used is named with the reason, and the"
        " rest is imported; the exit status is 4 if nothing could be.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file, or a folder such as .benchmarks")
    parser.add_argument(
        "--results",
        metavar="DIR",
        help=RESULTS_HELP,
    )
    parser.add_argument(
        "--machine",
        metavar="NAME",
        help="hardware class of these runs, as `paceline machine` prints it (default: by what each file tells)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import, and print a line for each file. Raises PacelineError if nothing could be imported."""
    extras.require("paceline import", "history")
    from paceline.config import project
    from paceline.history.intake import importer

    root = Path.cwd()
    results = project.results_folder(root, arguments.results)
    added = known = bad = 0
    for outcome in importer.import_all(arguments.files, results, repository=root, machine=arguments.machine):
        if outcome.written is None:
            bad += 1
            warn(f"{outcome.source}: {outcome.reason}: not imported")
        elif outcome.is_new:
            added += 1
            say(f"{outcome.source} -> {outcome.written}")
        else:
            known += 1
            say(f"{outcome.source} was imported before, as {outcome.written}")
    if not added and not known:
        raise PacelineError(f"none of {bad} file(s) could be imported, for the reasons above")
    say(f"{added} imported, {known} known before, {bad} not imported")
    return 0
