"""`paceline pages`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, progress, say, warn
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands

PORT = 8080


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "pages",
        help="build the site of the history, and serve it",
        description="Builds a folder of static files: asv's pages, and with them Compare (implementations side by"
        " side) and Slowdowns (what `paceline check` found). It needs no network, opens from disk, and replaces the"
        " old site only when it is whole. Result files that are broken are named and left out.",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help=RESULTS_HELP,
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where the site goes (default: html_dir of asv.conf.json, or .asv/html)",
    )
    parser.add_argument(
        "--serve",
        nargs="?",
        type=int,
        const=PORT,
        metavar="PORT",
        help=f"then serve it to this machine alone, at 127.0.0.1 (default port: {PORT}; 0 for any that is free)",
    )
    parser.add_argument(
        "--refit",
        action="store_true",
        help="detect asv's steps anew in every series, instead of going on where the last build ended",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build, name what was left out, and serve if asked to."""
    extras.require("paceline pages", "pages")
    from paceline.config import project
    from paceline.pages import build, server

    if arguments.serve is not None:
        server.check(arguments.serve)
    root = project.find_root(Path.cwd())
    results = arguments.results or project.results_folder(root)
    output = arguments.output or project.html_folder(root)
    built = build.build(root, results, output, progress, refit=arguments.refit)
    progress("")
    warn(*(f"quarantined: {each.path}: {each.reason}" for each in built.quarantined))
    warn(*(f"note: {notice}" for notice in built.notices))
    say(f"site: {built.output / 'index.html'}")
    if arguments.serve is not None:
        server.serve(built.output, arguments.serve, say)
    return 0
