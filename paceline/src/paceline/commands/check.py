"""`paceline check`."""

from __future__ import annotations

import argparse
import json
import os
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import RESULTS_HELP, progress, say, warn
from paceline.errors import PacelineError, why
from paceline.system import extras, files

if TYPE_CHECKING:
    from paceline.commands import Commands
    from paceline.history.model import History
    from paceline.report.changes import Change, Report


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="find what became slower, where, and since which commit",
        description="Scans the history for changes that stay: within each hardware class and over all of them, by"
        " ranks, with the false alarms of all benchmarks under control. Exit status: 0 nothing new became slower, 1"
        " something did, 3 paceline itself failed, 4 there is nothing to check or the command line is wrong. What is"
        " accepted in .paceline/accepted.toml is shown, and makes no alarm.",
    )
    parser.add_argument("--results", type=Path, metavar="DIR", help=RESULTS_HELP)
    parser.add_argument("--branch", help="branch whose commits make the history (default: asv's, or the default one)")
    parser.add_argument(
        "--benchmark", metavar="REGEX", help="only benchmarks whose name this finds, as asv names them"
    )
    parser.add_argument("--machine", metavar="NAME", help="only this hardware class")
    parser.add_argument("--since", metavar="COMMIT|DATE", help="only changes from this commit or day on")
    parser.add_argument(
        "--json", nargs="?", const="-", type=_file, metavar="FILE", help="write JSON to FILE, or to standard output"
    )
    parser.add_argument(
        "--annotations",
        action="store_true",
        default=os.environ.get("GITHUB_ACTIONS") == "true",
        help="print GitHub's annotations as well (default where GITHUB_ACTIONS=true)",
    )
    parser.add_argument(
        "--accept",
        action="append",
        metavar="ID",
        help="accept a change by the id that `paceline check` prints, or `all` new slowdowns; can be repeated",
    )
    parser.add_argument("--reason", default="", help="why it is accepted")
    parser.add_argument(
        "--accepted", type=Path, metavar="FILE", help="file of accepted changes (default: .paceline/accepted.toml)"
    )
    parser.add_argument("--known", dest="accepted", type=Path, help=argparse.SUPPRESS)  # its former name


def _file(text: str) -> str:
    if not text:
        raise ArgumentTypeError("'' names no file")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and return 1 if something new became slower."""
    extras.require("paceline check", "history")
    from paceline.config import project
    from paceline.history.asv import store
    from paceline.history.detect import accepted, judgement
    from paceline.history.detect.tracks import Wanted

    if arguments.reason and not arguments.accept:
        raise PacelineError("--reason is for --accept ID, which is missing")
    results = project.results_folder(Path(), arguments.results)
    file = arguments.accepted or accepted.file_of(project.root_of(results))
    if arguments.accepted and not arguments.accept and not file.exists():
        raise PacelineError(f"--accepted {file}: no such file. Correct the name, or --accept changes into it.")
    entries = accepted.read(file)
    history = store.load(results, repository=_repository(results), branch=arguments.branch, progress=progress)
    selection = Wanted(arguments.benchmark, arguments.machine, arguments.since)
    report = judgement.check(history, entries, selection, progress)
    report = replace(report, notices=(*accepted.notices(file), *report.notices))
    progress("")
    if arguments.accept:
        _accept(arguments, report, file)
        if arguments.json:
            _write_json(arguments.json, judgement.check(history, accepted.read(file), selection), history)
        return 0
    _print(arguments, report, history)
    return 1 if any(each.is_alarm for each in report.changes) else 0


def _accept(arguments: argparse.Namespace, report: Report, file: Path) -> None:
    from paceline.history.detect import accepted
    from paceline.report import check_report

    tell = warn if arguments.json == "-" else say
    chosen = _chosen(report, arguments.accept)
    accepted.accept(file, chosen, arguments.reason)
    if not chosen:
        tell("nothing new became slower, so there is nothing to accept")
    for each in chosen:
        tell(f"accepted in {file}: {each.kind} {check_report.name_of(each)}")


def _write_json(target: str, report: Report, history: History) -> None:
    from paceline.report import check_report

    document = json.dumps(check_report.document(report, history.quarantined), indent=1)
    if target == "-":
        say(*document.splitlines())
        return
    try:
        files.write(Path(target), document + "\n")
    except OSError as error:
        raise PacelineError(f"--json {target} cannot be written: {why(error)}") from None


def _print(arguments: argparse.Namespace, report: Report, history: History) -> None:
    from paceline.report import check_report

    if arguments.json != "-":
        say(*check_report.lines(report, history.quarantined))
    if arguments.json:
        _write_json(arguments.json, report, history)
    if arguments.annotations and arguments.json != "-":
        say(*check_report.github(report))


def _chosen(report: Report, ids: list[str]) -> list[Change]:
    """Return the findings with these ids. Raises PacelineError if there is none, or it is accepted already."""
    if "all" in ids:
        return [each for each in report.changes if each.is_alarm]
    found = {each.id: each for each in report.changes}
    for name in ids:
        if name not in found:
            raise PacelineError(
                f"--accept {name!r}: no change with this id among the selected benchmarks. Run `paceline check` to"
                " list the ids."
            )
        if found[name].accepted:
            raise PacelineError(
                f"--accept {name!r}: it is accepted already. Remove its entry first, to write another."
            )
    return [found[name] for name in dict.fromkeys(ids)]


def _repository(results: Path) -> Path | None:
    """Return the repository that the results belong to, if they are in one."""
    from paceline.config import project

    root = project.root_of(results)
    return root if any((folder / ".git").exists() for folder in (root, *root.parents)) else None
