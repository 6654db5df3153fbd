"""`paceline fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, progress, say, warn
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "fetch",
        help="bring the shared history here, so that check and pages work on it",
        description="Adds the results that a git branch shares to the local ones. Nothing that is here is deleted or"
        " overwritten, and no file of the working tree touched. Exit status: 0; 4 if there is nothing to fetch from.",
    )
    parser.add_argument("--remote", default="origin", help="whose branch (default: origin)")
    parser.add_argument("--branch", default="benchmark-results", help="which (default: benchmark-results)")
    parser.add_argument("--results", type=Path, metavar="DIR", help=RESULTS_HELP)


def run(arguments: argparse.Namespace) -> int:
    """Fetch, and say what came."""
    extras.require("paceline fetch", "history")
    from paceline.config import project
    from paceline.errors import PacelineError
    from paceline.history.intake import fetching
    from paceline.system.git import (
        GitFailedError,
        git,
    )

    try:
        repository = Path(git(Path(), "rev-parse", "--show-toplevel").rstrip("\n"))
    except GitFailedError:
        raise PacelineError(
            f"{Path.cwd()} is in no git repository, so no branch can be fetched: use a clone"
        ) from None
    results = project.results_folder(Path(), arguments.results)
    done = fetching.fetch(repository, results, arguments.remote, arguments.branch, progress)
    progress("")
    warn(*(f"note: {line}" for line in (*done.refused, *done.kept)))
    merged = f", {done.merged} extended" if done.merged else ""
    say(f"{results}: {done.added} files added{merged}, {done.present} there already")
    return 0
