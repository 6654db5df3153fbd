"""Builds the site: reads what is sound, has asv's pages and ours written aside, and puts them in place when whole."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.config import asv_conf, project
from paceline.errors import PacelineError, shown
from paceline.history.asv import store
from paceline.pages import frame, swap
from paceline.pages.asv_pages import described
from paceline.system.git import (
    GitFailedError,
    git,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from paceline.history.model import History
    from paceline.report.changes import Quarantined

HASH = 40  # digits
REMOTE = re.compile(r"[\w+.-]+://|[^/]+@[^/]+:")  # an address of git, and no folder


@dataclass(frozen=True)
class Built:
    """A site: where it is, and what could not be used or shown."""

    output: Path
    quarantined: tuple[Quarantined, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Project:
    """What a site is built from; `cache` is a folder that may be deleted."""

    conf: Any
    root: Path
    results: Path
    cache: Path
    progress: Callable[[str], None]


def build(
    here: Path, results: Path | None, output: Path | None, progress: Callable[[str], None], *, refit: bool = False
) -> Built:
    """Build the site of the project at `here`; `progress` is told what is being done.

    `refit` detects asv's steps anew in every series. Raises PacelineError, and leaves the old site as it was.
    """
    conf, root = _configuration(here)
    folder = results if results is not None else project.results_folder(root)
    target = output if output is not None else root / conf.html_dir
    cache = project.root_of(folder) / project.CACHE
    about = _Project(conf, root, folder, cache, progress)
    found = store.sound(folder, cache, progress)
    if not found.results:
        raise PacelineError(
            f"{folder} holds no result that can be used ({len(found.quarantined)} quarantined): record some with"
            " pytest --benchmark-only --benchmark-record, or name another folder with --results"
        )
    with swap.replacing(Path(os.path.realpath(target))) as aside, _told_in_a_line(), _heard() as warnings:
        bad, notices = _write(about, found, aside, refit=refit)
        _for_disk(aside)
    return Built(target, (*found.quarantined, *bad), tuple(dict.fromkeys((*warnings, *notices))))


class _Ear(logging.Handler):
    """Keeps what is logged, a line each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(" ".join(record.getMessage().split()))


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what asv warns of, which goes to the root logger, and keep its dots off a terminal."""
    from asv.console import log

    ear = _Ear()
    root = logging.getLogger()
    root.addHandler(ear)
    log._last_dot = math.inf  # noqa: SLF001 - the one way to have none
    try:
        yield ear.heard
    finally:
        root.removeHandler(ear)


@contextlib.contextmanager
def _told_in_a_line() -> Iterator[None]:
    """Turn what asv raises for a user's mistake into an error of ours."""
    from asv.repo import NoSuchNameError
    from asv.util import ProcessError, UserError

    try:
        yield
    except NoSuchNameError as error:
        raise PacelineError(
            f"asv.conf.json: regressions_first_commits names {str(error)!r}, and the repository has no such commit:"
            " correct the name, or fetch it"
        ) from None
    except (ProcessError, UserError) as error:
        raise PacelineError(f"asv: {' '.join(str(error).split())}") from None


def _configuration(here: Path) -> tuple[Any, Path]:
    """Return asv's configuration, or one made up where there is none, and the folder that it belongs to."""
    from asv.config import Config

    given = asv_conf.read(here)
    root = here
    if not given:
        try:
            root = Path(git(here, "rev-parse", "--show-toplevel").rstrip("\n"))
        except GitFailedError:
            raise PacelineError(_no_repository(here)) from None
        given = asv_conf.read(root)
    named = {"html_dir": project.HTML} | ({} if given else {"project": root.name})
    with _told_in_a_line():
        conf = Config.from_json(named | {"repo": "."} | given)
    _check(conf)
    conf.branches = [name for name in conf.branches if isinstance(name, str)] or [None]
    if (root / conf.repo).exists():
        conf.repo = str((root / conf.repo).resolve())
    return conf, root


def _check(conf: Any) -> None:
    """Raise PacelineError for what asv's publishers would stumble over when most of the work is done."""
    for name in ("project_url", "show_commit_url"):
        if not isinstance(found := getattr(conf, name), str):
            raise PacelineError(f"asv.conf.json: {name} is {shown(found)}, not a text: correct it")
    if type(conf.hash_length) is not int or not 0 < conf.hash_length <= HASH:
        raise PacelineError(f"asv.conf.json: hash_length is {shown(conf.hash_length)}, not 1 to {HASH}: correct it")
    kinds: Mapping[str, tuple[Callable[[Any], bool], str]] = {
        "regressions_thresholds": (_is_number, "a number"),
        "regressions_first_commits": (lambda value: value is None or isinstance(value, str), "a commit or null"),
    }
    for name, (is_sound, kind) in kinds.items():
        if not isinstance(rules := getattr(conf, name), dict):
            raise PacelineError(f"asv.conf.json: {name} is {rules!r}, not an object: correct it")
        for pattern, value in rules.items():
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise PacelineError(
                    f"asv.conf.json: {name}: {pattern!r} is no regular expression ({error}): correct it"
                ) from None
            if not is_sound(value):
                raise PacelineError(f"asv.conf.json: {name}: {pattern!r} has {value!r}, not {kind}: correct it")


def _is_number(value: Any) -> bool:
    """Whether asv can take a value as a number."""
    try:
        return not math.isnan(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _no_repository(folder: object) -> str:
    return (
        f"{folder} is not a git repository, by whose commits a history is ordered: run paceline pages in the project"
    )


def _write(
    about: _Project, found: store.Sound, aside: Path, *, refit: bool
) -> tuple[Sequence[Quarantined], Sequence[str]]:
    """Write all pages; returns what could not be used for them, and what is to be said."""
    import asv

    from paceline.pages.asv_pages import asv_site, asv_www, rows

    conf = about.conf
    asv_www.write(Path(asv.__file__).parent / "www", aside, conf.project)
    # A file of ours may be of a tree with uncommitted changes, which no commit has.
    clean = [result for _, result in found.results if not result.about.dirty]
    if not clean:
        raise PacelineError(
            f"{about.results} holds runs of uncommitted changes alone, which belong to no commit: commit the changes,"
            " and record again"
        )
    kept = rows.of(clean)
    commits = frozenset(head["commit"] for head in kept.heads)
    conf.repo = str(_repository(about, commits))
    repo = asv_site.Repository(conf.repo, conf.repo, commits)
    site = asv_site.Site(conf, repo, described.benchmarks(found.benchmarks, kept), found.machines, kept)
    asv_site.publish(site, aside, about.cache, about.progress, refit=refit)
    history = store.history(found, repository=repo.folder, branch=conf.branches[0])
    bad, notices = _ours(about, history, found, aside)
    return bad, (*site.notices, *notices)


def _repository(about: _Project, commits: frozenset[str]) -> Path:
    """Return the repository on this disk that has the commits: what asv would clone, the project itself often is.

    Nothing is fetched: a build needs no network. Raises PacelineError if there is none.
    """
    from paceline.pages.asv_pages import asv_site

    repo = about.conf.repo
    if not REMOTE.match(repo):
        if not asv_site.Repository.is_local_repo(repo):
            raise PacelineError(_no_repository(repo))
        return Path(repo)
    listed = "".join(f"{each}\n" for each in commits)
    for folder in (about.root, about.root / about.conf.project):  # where asv keeps its clone
        with contextlib.suppress(GitFailedError):
            top = folder
            if not asv_site.Repository.is_local_repo(folder):
                top = Path(git(about.root, "-C", str(folder), "rev-parse", "--show-toplevel").rstrip("\n"))
            if "commit" in git(top, "cat-file", "--batch-check=%(objecttype)", given=listed).splitlines():
                return top
    raise PacelineError(
        f"asv.conf.json names {repo}, and no git checkout at {about.root} has the commits of the results: clone it,"
        ' and name the clone in asv.conf.json, as in "repo": "../clone" (nothing is fetched here)'
    )


def _ours(
    about: _Project, history: History, found: store.Sound, aside: Path
) -> tuple[Sequence[Quarantined], Sequence[str]]:
    from paceline.history.detect import accepted, judgement
    from paceline.pages import compare, slowdowns
    from paceline.pages.asv_pages import asv_site
    from paceline.report import check_report
    from paceline.report.changes import Report

    about.progress("looking for slowdowns")
    file = accepted.file_of(project.root_of(about.results))
    entries = accepted.read(file)
    try:
        report = judgement.check(history, entries)
    except PacelineError as nothing:  # in a unit of which less is better
        report = Report((), (str(nothing),))
    checked = check_report.document(report, ())["findings"]
    gates, bad = slowdowns.gates(about.results.parent / "aa")
    _page(about, aside, "compare", compare.data(history, found.benchmarks))
    address = asv_site.web(about.conf.show_commit_url)
    _page(about, aside, "slowdowns", slowdowns.data(history, checked, gates, address))
    return bad, (*history.notices, *accepted.notices(file), *report.notices)


def _page(about: _Project, aside: Path, name: str, data: Mapping[str, Any]) -> None:
    """Write a page of ours, its data in a script: a page that was opened from disk may load no other kind."""
    _script(aside / f"{name}-data.js", json.dumps(data))
    scripts = ("vendor/chart.umd.min.js", "page.js", f"{name}-page.js", f"{name}-data.js")
    page = frame.page(about.conf.project, f"{name}.html", name.title(), scripts)
    (aside / f"{name}.html").write_text(page, encoding="utf-8")


def _for_disk(site: Path) -> None:
    """Lay a script beside each file of data of asv's pages."""
    for path in [*site.glob("*.json"), *(site / "graphs").rglob("*.json")]:
        _script(path.with_name(f"{path.name}.js"), path.read_text(encoding="utf-8"))


def _script(path: Path, data: str) -> None:
    path.write_text(f"pacelineData({data});\n", encoding="utf-8")
