"""`paceline pages`: parses its arguments, builds the site, and serves it if asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, progress, received, say, warn
from paceline.system import extras

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands

PORT = 8080


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "pages",
        help="build the website of the history, and serve it",
        description="Builds a folder of static files: Overview, a page for each benchmark, Slowdowns (changes that"
        " `paceline check` finds) and Compare (implementations next to each other). The site needs no network and"
        " opens from disk. The old site is replaced only when the new one is complete. Broken result files are"
        " listed and left out.",
        epilog="Exit status: 0 built, 4 nothing to build from, or wrong use.",
    )
    parser.add_argument(
        "--results",
        metavar="DIR|URL",
        help=RESULTS_HELP,
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the site (default: `html_dir` in asv.conf.json, else .asv/html)",
    )
    parser.add_argument(
        "--serve",
        nargs="?",
        type=int,
        const=PORT,
        metavar="PORT",
        help=f"then serve the site at 127.0.0.1, to this machine only (default port: {PORT}; 0: any free port)",
    )
    parser.add_argument(
        "--asv",
        action="store_true",
        help="add asv's own site of the same results below asv/, made by `asv publish`, and link it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build, list the files that were left out, serve if asked to, and return 0."""
    extras.require("paceline pages", "history")
    if arguments.asv:
        extras.require("paceline pages --asv", "pages")
    from paceline.config import project
    from paceline.pages import build, server

    if arguments.serve is not None:
        server.check(arguments.serve)
    root = project.find_root(Path.cwd())
    results = received(Path() if arguments.results else root, arguments.results).folder
    output = arguments.output or project.html_folder(root)
    built = build.build(root, results, output, progress, with_asv=arguments.asv)
    progress("")
    warn(*(f"quarantined: {each.path}: {each.reason}" for each in built.quarantined))
    warn(*(f"note: {notice}" for notice in built.notices))
    say(f"site: {built.output / 'index.html'}")
    if arguments.serve is not None:
        server.serve(built.output, arguments.serve, say)
    return 0
