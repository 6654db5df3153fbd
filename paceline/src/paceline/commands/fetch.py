"""`paceline fetch`: parses its arguments, and prints what was fetched into the history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, progress, received, say, warn
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "fetch",
        help="fetch the shared history, for `paceline check` and `paceline pages`",
        description="Adds the results in a git branch to the local history. Local results are never deleted or"
        " overwritten, and nothing is checked out.",
        epilog="Exit status: 0 fetched, 4 nothing to fetch from, or wrong use.",
    )
    parser.add_argument("--remote", default="origin", help="git remote to fetch from (default: origin)")
    parser.add_argument(
        "--branch", default="benchmark-results", help="branch with the results (default: benchmark-results)"
    )
    parser.add_argument("--results", metavar="DIR|URL", help=RESULTS_HELP)


def run(arguments: argparse.Namespace) -> int:
    """Fetch, print how many files were added, and return 0."""
    extras.require("paceline fetch", "history")
    from paceline.errors import PacelineError
    from paceline.history.intake import fetching, remote
    from paceline.system.git import GitFailedError, git

    try:
        repository = Path(git(Path(), "rev-parse", "--show-toplevel").rstrip("\n"))
    except GitFailedError:
        raise PacelineError(
            f"{Path.cwd()} is not in a git repository, so no branch can be fetched. Run from a clone of the project."
        ) from None
    results = received(Path(), arguments.results)
    done = fetching.fetch(repository, results.folder, arguments.remote, arguments.branch, progress)
    progress("")
    warn(*(f"note: {line}" for line in (*done.refused, *done.kept, *remote.send(results))))
    merged = f", {done.merged} extended" if done.merged else ""
    say(f"{results.url or results.folder}: {done.added} files added{merged}, {done.present} already there")
    return 0
