"""`paceline check`: parses its arguments, and prints or accepts the changes found in the history."""

from __future__ import annotations

import argparse
import json
import os
from argparse import ArgumentTypeError
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.commands import RED, RESULTS_HELP, failure, progress, received, say, warn
from paceline.errors import PacelineError, why
from paceline.report.places import new_places
from paceline.system import extras, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.commands import Commands
    from paceline.history.detect.tracks import Wanted
    from paceline.history.model import History
    from paceline.report.changes import Change, Report
    from paceline.report.places import Place
    from paceline.report.projects_report import ProjectCheck

SHORT = 8  # digits of a commit, as they are printed
#: Options that --projects refuses.
OF_ONE_HISTORY = ("results", "branch", "benchmark", "machine", "accept", "reason", "accepted")


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="find slowdowns in the history: benchmark, machine and commit",
        description="Finds lasting changes in the history, on each machine and over all machines together. A rank"
        " test limits false alarms over all benchmarks. Changes accepted in .paceline/accepted.toml are listed, but"
        " raise no alarm.",
        epilog="Exit status: 0 no new slowdown, 1 a new slowdown, 3 paceline itself failed, 4 nothing to check, or"
        " wrong use. With --projects, the highest of all projects.",
    )
    parser.add_argument("--results", metavar="DIR|URL", help=RESULTS_HELP)
    _add_projects(parser)
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


def _add_projects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--projects",
        type=Path,
        metavar="ROOT",
        help="check all histories below this folder, each with its project's settings and accepted changes. A history"
        " is a folder of results, with a machine.json for each machine. DASK_SCHEDULER_ADDRESS moves the work to a"
        " Dask cluster",
    )
    parser.add_argument(
        "--jobs",
        type=_at_least_one,
        metavar="N",
        help="histories that --projects checks at once (default: one for each usable CPU; not on a cluster)",
    )


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


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
    from paceline.history.detect import accepted, judgement
    from paceline.report import check_report

    if arguments.projects:
        return _check_projects(arguments)
    if arguments.reason and not arguments.accept:
        raise PacelineError("--reason was given without --accept. Add --accept ID, or leave out --reason.")
    results = received(Path(), arguments.results).folder
    file = arguments.accepted or accepted.file_of(project.root_of(results))
    if arguments.accepted and not arguments.accept and not file.exists():
        raise PacelineError(f"--accepted {file}: no such file. Correct the name, or --accept changes into it.")
    history, report = _checked(arguments, results, file, progress)
    progress("")
    about = partial(_about, results)
    if arguments.accept:
        _accept(arguments, report, file)
        if arguments.json:
            report = judgement.check(history, accepted.read(file), _selection(arguments))
            _write_json(arguments.json, check_report.document(report, history.quarantined, about))
        return 0
    _output(
        arguments,
        check_report.lines(report, history.quarantined, about=about, everything=arguments.all),
        partial(check_report.document, report, history.quarantined, about),
        check_report.github(report, about),
    )
    return _status(report)


def _checked(
    arguments: argparse.Namespace, results: Path, file: Path, show: Callable[[str], None] = lambda _: None
) -> tuple[History, Report]:
    """Return a history and its changes; `file` has the accepted ones."""
    from paceline.config import project
    from paceline.history.asv import store
    from paceline.history.detect import accepted, judgement

    entries = accepted.read(file)
    history = store.load(results, repository=_repository(results), branch=arguments.branch, progress=show)
    report = judgement.check(history, entries, _selection(arguments), show, project.columns_folder(results))
    return history, replace(report, notices=(*accepted.notices(file), *report.notices))


def _selection(arguments: argparse.Namespace) -> Wanted:
    from paceline.history.detect.tracks import Wanted

    return Wanted(arguments.benchmark, arguments.machine, arguments.since)


def _status(report: Report) -> int:
    return RED if any(each.is_alarm for each in report.changes) else 0


def _check_projects(arguments: argparse.Namespace) -> int:
    """Check all histories below a folder, print what was found, and return the highest status."""
    from paceline.history import search
    from paceline.report import projects_report
    from paceline.system import host, pool

    given = [name for name in OF_ONE_HISTORY if getattr(arguments, name)]
    if given:
        raise PacelineError(f"--projects takes no --{given[0]}. Leave it out, or check one history with --results.")
    histories = search.histories_below(arguments.projects, progress)

    def show(count: int) -> None:
        progress(f"checked {count} of {len(histories)} projects")

    show(0)
    jobs = arguments.jobs or host.machine()["usable_cpus"]
    found = pool.run(partial(_project, arguments, Path.cwd()), histories, jobs, show)
    progress("")
    projects = [
        _lost(history, each) if isinstance(each, Exception) else each
        for history, each in zip(histories, found, strict=True)
    ]
    warn(*(f"ERROR: {each.results}: {each.error}" for each in projects if each.error))
    document = partial(projects_report.document, projects)
    _output(arguments, projects_report.lines(projects), document, projects_report.github(projects))
    return max(each.status for each in projects)


def _project(arguments: argparse.Namespace, here: Path, history: Path) -> ProjectCheck:
    """Check one history of many, in a process that may have another current folder than `here`."""
    from paceline.config import project
    from paceline.history.detect import accepted
    from paceline.report import check_report
    from paceline.report.projects_report import ProjectCheck

    results = here / history
    try:
        found, report = _checked(arguments, results, accepted.file_of(project.root_of(results)))
        about = partial(_about, results)
        return ProjectCheck(
            str(history),
            _status(report),
            tuple(check_report.block(str(history), report, found.quarantined, about=about, everything=arguments.all)),
            check_report.document(report, found.quarantined, about),
        )
    except Exception as error:  # noqa: BLE001  # the other projects are checked all the same
        return _not_checked(history, error)


def _lost(history: Path, error: Exception) -> ProjectCheck:
    return _not_checked(history, PacelineError(f"its process failed: {error} Check it alone with --results."))


def _not_checked(history: Path, error: Exception) -> ProjectCheck:
    from paceline.report.projects_report import ProjectCheck

    line, status = failure(error)
    return ProjectCheck(str(history), status, error=line)


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


def _write_json(target: str, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=1)
    if target == "-":
        say(*text.splitlines())
        return
    try:
        files.write(Path(target), text + "\n")
    except OSError as error:
        raise PacelineError(f"cannot write --json {target}: {why(error)}. Choose another file.") from None


def _output(
    arguments: argparse.Namespace,
    lines: Iterable[str],
    document: Callable[[], Mapping[str, Any]],
    annotations: Iterable[str],
) -> None:
    """Print or write what the options ask for."""
    if arguments.json != "-":
        say(*lines)
    if arguments.json:
        _write_json(arguments.json, document())
    if arguments.annotations and arguments.json != "-":
        say(*annotations)


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
