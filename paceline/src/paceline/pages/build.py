"""Builds the site from usable results, in a temporary folder that replaces the old site when it is complete."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.config import asv_conf, project
from paceline.errors import PacelineError
from paceline.history.asv import order, store
from paceline.history.detect import accepted, judgement, machine_types
from paceline.pages import compare, curves, frame, overview, packed, publishing, slowdowns, swap
from paceline.pages.commits import Commits
from paceline.pages.family import Families
from paceline.report.changes import Report
from paceline.system.git import GitFailedError, git

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from paceline.history.model import History
    from paceline.report.changes import Accepted, Quarantined
    from paceline.report.places import Place

REMOTE = re.compile(r"[\w+.-]+://|[^/]+@[^/]+:")  # an address of git, not a folder
ASSETS = Path(__file__).parent
DATA = "data"


@dataclass(frozen=True)
class Built:
    """A built site: its folder, the files that could not be used, and notices."""

    output: Path
    quarantined: tuple[Quarantined, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Input:
    """What a site is built from; `repository` has the commits of the results, if there is one."""

    name: str
    results: Path
    found: store.Sound
    repository: Path | None
    branch: str | None
    commit_url: str


def build(
    root: Path, results: Path, output: Path, progress: Callable[[str], None], *, with_asv: bool = False
) -> Built:
    """Build the site of the project at `root`; `progress` gets a text for each step.

    `with_asv` adds asv's own site. Raises PacelineError, and then keeps the old site.
    """
    given = _input(root, results, progress)
    with swap.replacing(Path(os.path.realpath(output))) as aside:
        history = store.history(given.found, repository=given.repository, branch=given.branch)
        _insist_on_values(history, results)
        _assets(given, aside, with_asv=with_asv)
        bad, notices = _write(given, machine_types.split(history), aside, progress)
        if with_asv:
            progress("asv publish")
            publishing.publish(root, given.repository, given.found, history.runs, aside / "asv")
    return Built(output, (*given.found.quarantined, *bad), notices)


def _input(root: Path, results: Path, progress: Callable[[str], None]) -> Input:
    conf = asv_conf.read(root)
    found = store.sound(results, progress=progress)
    if not found.results:
        raise PacelineError(
            f"no usable results in {results} ({len(found.quarantined)} quarantined). Record some with `pytest"
            " --benchmark-only --benchmark-record`, or name another folder with --results."
        )
    commits = {result.about.commit for _, result in found.results}
    return Input(
        name=conf.get("project") or root.resolve().name,
        results=results,
        found=found,
        repository=_repository(root, conf, commits),
        branch=next(iter(project.branches(root)), None),
        commit_url=project.commit_url(root),
    )


def _repository(root: Path, conf: Mapping[str, Any], commits: Collection[str]) -> Path | None:
    """Return the local repository that has one of the commits: asv's clone, or often the project itself.

    Nothing is fetched, as a build needs no network.
    """
    repo = conf.get("repo") or "."
    folders = [root, root / str(conf.get("project", ""))] if REMOTE.match(repo) else [root / repo]
    listed = "".join(f"{commit}\n" for commit in commits)
    for folder in folders:
        with contextlib.suppress(PacelineError):
            if "commit" in git(folder, "cat-file", "--batch-check=%(objecttype)", given=listed).splitlines():
                return _top(folder)
    return None


def _top(folder: Path) -> Path:
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    except GitFailedError:  # a bare repository, which has no tree
        return folder


def _insist_on_values(history: History, results: Path) -> None:
    if history.runs and all(run.dirty for run in history.runs):
        raise PacelineError(
            f"all runs in {results} were recorded with uncommitted changes. Commit the changes, and record again."
        )
    if not history.series:
        raise PacelineError(f"no value in {results} can be shown: {'; '.join(history.notices) or 'all are missing'}.")


def _write(
    given: Input, history: History, aside: Path, progress: Callable[[str], None]
) -> tuple[Sequence[Quarantined], tuple[str, ...]]:
    """Write the data of all pages; return the files that could not be used, and notices."""
    progress("looking for changes")
    file = accepted.file_of(project.root_of(given.results))
    report = _checked(history, accepted.read(file), project.columns_folder(given.results))
    gates, bad = slowdowns.gates(project.aa_folder(given.results))
    told = (*_about_repository(given), *history.notices, *accepted.notices(file), *report.notices)
    report = replace(report, notices=tuple(dict.fromkeys(told)))
    progress("writing the pages")
    _Data(given, history, report, gates, aside / DATA).write()
    return bad, report.notices


def _checked(history: History, entries: Sequence[Accepted], columns: Path) -> Report:
    try:
        return judgement.check(history, entries, folder=columns)
    except PacelineError as nothing:  # no series in a unit of which less is better
        return Report((), (str(nothing),))


def _about_repository(given: Input) -> Sequence[str]:
    if given.repository is not None:
        return ()
    notice = (
        "no repository on this disk has the commits of the results, so they are ordered by date, without subjects and"
        ' releases. Clone it, and name the clone in asv.conf.json, as in "repo": "../clone".'
    )
    return (notice,)


def _assets(given: Input, aside: Path, *, with_asv: bool) -> None:
    """Write what is the same in every build: pages, scripts and styles."""
    shutil.copytree(ASSETS / "www", aside, dirs_exist_ok=True)
    shutil.copytree(ASSETS / "vendor", aside / "vendor", dirs_exist_ok=True)
    for name in frame.PAGES:
        text = frame.page(given.name, name, with_asv=with_asv)
        (aside / f"{name}.html").write_text(text, encoding="utf-8", errors="replace")
    (aside / swap.MARK).write_text(json.dumps({"timestamp": int(1000 * time.time())}), encoding="utf-8")


@dataclass(frozen=True)
class _Data:
    """The data of all pages."""

    given: Input
    history: History
    report: Report
    gates: Mapping[str, Any]
    folder: Path

    @cached_property
    def commits(self) -> Commits:
        return Commits.of(self.history, self.given.repository, self.given.branch)

    @cached_property
    def families(self) -> Families:
        return Families.of(self.history, self.given.found.benchmarks)

    @cached_property
    def drawn(self) -> slowdowns.Drawn:
        return slowdowns.Drawn(self.history, self.families, self.commits.positions)

    def write(self) -> None:
        """Write a script for each of them."""
        described = self.given.found.benchmarks
        changes = [self.drawn.shown(each) for each in self.report.changes]
        by_family = defaultdict(list)
        for each in changes:
            by_family[each["family"]].append(each)
        first = next((each["family"] for each in changes if each["family"] is not None), 0)
        suite = {"commitUrl": self.given.commit_url, "families": list(self.families.curves), "first": first}
        self._write("suite", suite)
        self._write("runs", self.commits.table(self.history.runs))
        self._write("details", self.commits.details(self.history.runs))
        self._write("compare", compare.data(self.history, described))
        self._write("slowdowns", {"changes": changes, "gates": self.gates})
        for number, (name, members) in enumerate(self.families.curves.items()):
            self._write(f"b{number}", curves.document(members, described.get(name, {}), by_family[number]))
        self._overview()

    def _write(self, name: str, document: Any) -> None:
        packed.write(self.folder, name, document)

    def _overview(self) -> None:
        cells, lines = overview.cells(self.drawn, self.report.changes)
        places = overview.places(self.drawn, self.commits, self.report.changes, self._about)
        rest = {"chunk": overview.CHUNK, "gates": [self.gates["red"], self.gates["of"]], "notes": self.report.notices}
        counts = overview.counts(self.history, self.commits)
        self._write("overview", {**places, "suite": counts, "cells": cells, **rest})
        for start in range(0, len(lines), overview.CHUNK):
            self._write(f"atlas{start // overview.CHUNK}", lines[start : start + overview.CHUNK])

    def _about(self, places: Sequence[Place]) -> list[Place]:
        """Return places with the subject and the number of commits of each, as far as they are known."""
        asked = [(each.before, each.commits[-1], each.at) for each in places]
        known = zip(places, order.described(self.given.repository, asked), strict=True)
        return [replace(place, subject=subject, count=count) for place, (subject, count) in known]
