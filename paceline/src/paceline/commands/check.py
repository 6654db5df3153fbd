"""`paceline check`: parses its arguments, and prints or accepts the changes found in the history."""

from __future__ import annotations

import argparse
import json
import os
from argparse import ArgumentTypeError
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, progress, received, say, warn
from paceline.errors import PacelineError, why
from paceline.report.places import new_places
from paceline.system import extras, files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.commands import Commands
    from paceline.history.model import History
    from paceline.report.changes import Change, Report
    from paceline.report.check_report import About
    from paceline.report.places import Place

SHORT = 8  # digits of a commit, as they are printed


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="find slowdowns in the history: benchmark, machine and commit",
        description="Finds lasting changes in the history, on each machine and over all machines together. A rank"
        " test limits false alarms over all benchmarks. Changes accepted in .paceline/accepted.toml are listed, but"
        " raise no alarm.",
        epilog="Exit status: 0 no new slowdown, 1 a new slowdown, 3 paceline itself failed, 4 nothing to check, or"
        " wrong use.",
    )
    parser.add_argument("--results", metavar="DIR|URL", help=RESULTS_HELP)
    parser.add_argument(
        "--branch",
        help="branch whose commits order the runs (default: the first in asv.conf.json, else the default branch)",
    )
    parser.add_argument("--benchmark", metavar="REGEX", help="only benchmarks whose name in the history matches")
    parser.add_argument("--machine", metavar="NAME", help="only this machine of the history")
    parser.add_argument("--since", metavar="COMMIT|DATE", help="only changes since this commit or date")
    _add_output(parser)
    parser.add_argument(
        "--accept",
        action="append",
        metavar="ID|COMMIT",
        help="accept a change by the id that `paceline check` prints, all slowdowns at a COMMIT that it names, or"
        " `all`; can be repeated",
    )
    parser.add_argument("--reason", default="", help="why the change is accepted; needs --accept")
    parser.add_argument(
        "--accepted", type=Path, metavar="FILE", help="file of accepted changes (default: .paceline/accepted.toml)"
    )
    parser.add_argument("--known", dest="accepted", type=Path, help=argparse.SUPPRESS)  # its former name


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="list every change, with its machines and commits")
    parser.add_argument(
        "--json", nargs="?", const="-", type=_file, metavar="FILE", help="write JSON to FILE, or to standard output"
    )
    parser.add_argument(
        "--annotations",
        action="store_true",
        default=os.environ.get("GITHUB_ACTIONS") == "true",
        help="also print GitHub annotations (default if GITHUB_ACTIONS=true)",
    )


def _file(text: str) -> str:
    if not text:
        raise ArgumentTypeError("expected a file name, got ''")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Check, print the changes, and return 1 if there is a new slowdown."""
    extras.require("paceline check", "history")
    from paceline.config import project
    from paceline.history.asv import store
    from paceline.history.detect import accepted, judgement
    from paceline.history.detect.tracks import Wanted

    if arguments.reason and not arguments.accept:
        raise PacelineError("--reason was given without --accept. Add --accept ID, or leave out --reason.")
    results = received(Path(), arguments.results).folder
    file = arguments.accepted or accepted.file_of(project.root_of(results))
    if arguments.accepted and not arguments.accept and not file.exists():
        raise PacelineError(f"--accepted {file}: no such file. Correct the name, or --accept changes into it.")
    entries = accepted.read(file)
    history = store.load(results, repository=_repository(results), branch=arguments.branch, progress=progress)
    selection = Wanted(arguments.benchmark, arguments.machine, arguments.since)
    report = judgement.check(history, entries, selection, progress)
    report = replace(report, notices=(*accepted.notices(file), *report.notices))
    progress("")
    about = partial(_about, results)
    if arguments.accept:
        _accept(arguments, report, file)
        if arguments.json:
            _write_json(arguments.json, judgement.check(history, accepted.read(file), selection), history, about)
        return 0
    _print(arguments, report, history, about)
    return 1 if any(each.is_alarm for each in report.changes) else 0


def _accept(arguments: argparse.Namespace, report: Report, file: Path) -> None:
    from paceline.history.detect import accepted
    from paceline.report import check_report

    tell = warn if arguments.json == "-" else say
    chosen = _chosen(report, arguments.accept)
    accepted.accept(file, chosen, arguments.reason)
    if not chosen:
        tell("no new slowdowns, so there is nothing to accept")
    for each in chosen:
        tell(f"accepted in {file}: {each.kind} {check_report.name_of(each)}")


def _write_json(target: str, report: Report, history: History, about: About) -> None:
    from paceline.report import check_report

    document = json.dumps(check_report.document(report, history.quarantined, about), indent=1)
    if target == "-":
        say(*document.splitlines())
        return
    try:
        files.write(Path(target), document + "\n")
    except OSError as error:
        raise PacelineError(f"cannot write --json {target}: {why(error)}. Choose another file.") from None


def _print(arguments: argparse.Namespace, report: Report, history: History, about: About) -> None:
    from paceline.report import check_report

    if arguments.json != "-":
        say(*check_report.lines(report, history.quarantined, about=about, everything=arguments.all))
    if arguments.json:
        _write_json(arguments.json, report, history, about)
    if arguments.annotations and arguments.json != "-":
        say(*check_report.github(report, about))


def _chosen(report: Report, ids: list[str]) -> list[Change]:
    """Return the changes with these ids. Raises PacelineError for an unknown or already accepted id."""
    if "all" in ids:
        return [each for each in report.changes if each.is_alarm]
    found = {each.id: [each] for each in report.changes}
    for place in new_places(report.changes):
        if place.is_alarm:
            found.setdefault(place.at[:SHORT], [each for each in place.changes if each.is_alarm])
    for name in ids:
        if name not in found:
            raise PacelineError(
                f"--accept {name!r}: no change with this id among the selected benchmarks. Run `paceline check` to"
                " list the ids."
            )
        if found[name][0].accepted:
            raise PacelineError(
                f"--accept {name!r}: this change is already accepted. Remove its entry to accept it again."
            )
    return list({each.id: each for name in ids for each in found[name]}.values())


def _about(results: Path, places: Sequence[Place]) -> list[Place]:
    """Return places with the subject, the number of commits and the link of each, as far as they are known."""
    from paceline.config import project
    from paceline.history.asv import order

    link = project.commit_url(project.root_of(results))
    repository = _repository(results)
    known = order.described(repository, [(each.before, each.commits[-1], each.at) for each in places])
    return [
        replace(place, subject=subject, count=count, link=link and link + place.at)
        for place, (subject, count) in zip(places, known, strict=True)
    ]


def _repository(results: Path) -> Path | None:
    """Return the repository that the results belong to, if they are in one."""
    from paceline.config import project

    root = project.root_of(results)
    return root if any((folder / ".git").exists() for folder in (root, *root.parents)) else None
