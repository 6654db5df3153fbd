"""Builds the site from usable results, in a temporary folder that replaces the old site when it is complete."""

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
from paceline.system.git import GitFailedError, git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from paceline.history.model import History
    from paceline.report.changes import Quarantined

HASH = 40  # digits
REMOTE = re.compile(r"[\w+.-]+://|[^/]+@[^/]+:")  # an address of git, not a folder


@dataclass(frozen=True)
class Built:
    """A built site: its folder, the files that could not be used, and notices."""

    output: Path
    quarantined: tuple[Quarantined, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Project:
    """The input of a site; `cache` is a folder that may be deleted."""

    conf: Any
    root: Path
    results: Path
    cache: Path
    progress: Callable[[str], None]


def build(
    here: Path, results: Path | None, output: Path | None, progress: Callable[[str], None], *, refit: bool = False
) -> Built:
    """Build the site of the project at `here`; `progress` gets a text for each step.

    `refit` detects asv's steps again in every series. Raises PacelineError, and then keeps the old site.
    """
    conf, root = _configuration(here)
    folder = results if results is not None else project.results_folder(root)
    target = output if output is not None else root / conf.html_dir
    cache = project.root_of(folder) / project.CACHE
    about = _Project(conf, root, folder, cache, progress)
    found = store.sound(folder, cache, progress)
    if not found.results:
        raise PacelineError(
            f"no usable results in {folder} ({len(found.quarantined)} quarantined). Record some with `pytest"
            " --benchmark-only --benchmark-record`, or name another folder with --results."
        )
    with swap.replacing(Path(os.path.realpath(target))) as aside, _as_own_errors(), _logged() as warnings:
        bad, notices = _write(about, found, aside, refit=refit)
        _for_disk(aside)
    return Built(target, (*found.quarantined, *bad), tuple(dict.fromkeys((*warnings, *notices))))


class _Collector(logging.Handler):
    """Collects log messages, each as one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """Yield a list that collects asv's warnings, which go to the root logger, and print none of its dots."""
    from asv.console import log

    collector = _Collector()
    root = logging.getLogger()
    root.addHandler(collector)
    log._last_dot = math.inf  # noqa: SLF001 - the only way to switch them off
    try:
        yield collector.lines
    finally:
        root.removeHandler(collector)


@contextlib.contextmanager
def _as_own_errors() -> Iterator[None]:
    """Turn asv's errors for a user's mistake into PacelineError."""
    from asv.repo import NoSuchNameError
    from asv.util import ProcessError, UserError

    try:
        yield
    except NoSuchNameError as error:
        raise PacelineError(
            f"asv.conf.json: regressions_first_commits: no commit {str(error)!r} in the repository. Fix the name, or"
            " fetch the commit."
        ) from None
    except (ProcessError, UserError) as error:
        raise PacelineError(f"asv: {' '.join(str(error).split())}") from None


def _configuration(here: Path) -> tuple[Any, Path]:
    """Return asv's configuration, or a default one if there is none, and the folder that it belongs to."""
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
    with _as_own_errors():
        conf = Config.from_json(named | {"repo": "."} | given)
    _check(conf)
    conf.branches = [name for name in conf.branches if isinstance(name, str)] or [None]
    if (root / conf.repo).exists():
        conf.repo = str((root / conf.repo).resolve())
    return conf, root


def _check(conf: Any) -> None:
    """Raise PacelineError for settings on which asv would fail only after most of the work."""
    for name in ("project_url", "show_commit_url"):
        if not isinstance(found := getattr(conf, name), str):
            raise PacelineError(f"asv.conf.json: {name}: expected a string, got {shown(found)}. Fix the file.")
    if type(conf.hash_length) is not int or not 0 < conf.hash_length <= HASH:
        raise PacelineError(
            f"asv.conf.json: hash_length: expected 1 to {HASH}, got {shown(conf.hash_length)}. Fix the file."
        )
    kinds: Mapping[str, tuple[Callable[[Any], bool], str]] = {
        "regressions_thresholds": (_is_number, "a number"),
        "regressions_first_commits": (lambda value: value is None or isinstance(value, str), "a commit or null"),
    }
    for name, (is_sound, kind) in kinds.items():
        if not isinstance(rules := getattr(conf, name), dict):
            raise PacelineError(f"asv.conf.json: {name}: expected an object, got {rules!r}. Fix the file.")
        for pattern, value in rules.items():
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise PacelineError(
                    f"asv.conf.json: {name}: expected a regular expression, got {pattern!r}: {error}. Fix the file."
                ) from None
            if not is_sound(value):
                raise PacelineError(
                    f"asv.conf.json: {name}: {pattern!r}: expected {kind}, got {value!r}. Fix the file."
                )


def _is_number(value: Any) -> bool:
    """Whether asv can read a value as a number."""
    try:
        return not math.isnan(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _no_repository(folder: object) -> str:
    return (
        f"{folder} is not a git repository, so the runs cannot be ordered by commit. Run `paceline pages` in the"
        " project."
    )


def _write(
    about: _Project, found: store.Sound, aside: Path, *, refit: bool
) -> tuple[Sequence[Quarantined], Sequence[str]]:
    """Write all pages; return the files that could not be used, and notices."""
    import asv

    from paceline.pages.asv_pages import asv_site, asv_www, rows

    conf = about.conf
    asv_www.write(Path(asv.__file__).parent / "www", aside, conf.project)
    # Our own files may be of a tree with uncommitted changes, which belong to no commit.
    clean = [result for _, result in found.results if not result.about.dirty]
    if not clean:
        raise PacelineError(
            f"all runs in {about.results} were recorded with uncommitted changes. Commit the changes, and record"
            " again."
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
    """Return the local repository that has the commits: asv's clone, or often the project itself.

    Nothing is fetched, as a build needs no network. Raises PacelineError if there is no such repository.
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
        f"asv.conf.json: repo: {repo} is not on this disk, and no git checkout at {about.root} has the commits of the"
        ' results. Clone it, and name the clone in asv.conf.json, as in "repo": "../clone".'
    )


def _ours(
    about: _Project, history: History, found: store.Sound, aside: Path
) -> tuple[Sequence[Quarantined], Sequence[str]]:
    from paceline.history.detect import accepted, judgement, machine_types
    from paceline.pages import compare, slowdowns
    from paceline.pages.asv_pages import asv_site
    from paceline.report import check_report
    from paceline.report.changes import Report

    about.progress("looking for slowdowns")
    file = accepted.file_of(project.root_of(about.results))
    entries = accepted.read(file)
    try:
        report = judgement.check(history, entries)
    except PacelineError as nothing:  # no series in a unit of which less is better
        report = Report((), (str(nothing),))
    checked = check_report.document(report, ())["findings"]
    gates, bad = slowdowns.gates(about.results.parent / "aa")
    _page(about, aside, "compare", compare.data(history, found.benchmarks))
    address = asv_site.web(about.conf.show_commit_url)
    _page(about, aside, "slowdowns", slowdowns.data(machine_types.split(history), checked, gates, address))
    return bad, (*history.notices, *accepted.notices(file), *report.notices)


def _page(about: _Project, aside: Path, name: str, data: Mapping[str, Any]) -> None:
    """Write one of our own pages with its data in a script, as a page opened from disk can load nothing else."""
    _script(aside / f"{name}-data.js", json.dumps(data))
    scripts = ("vendor/chart.umd.min.js", "page.js", f"{name}-page.js", f"{name}-data.js")
    page = frame.page(about.conf.project, f"{name}.html", name.title(), scripts)
    (aside / f"{name}.html").write_text(page, encoding="utf-8")


def _for_disk(site: Path) -> None:
    """Write a script next to each data file of asv's pages, for pages opened from disk."""
    for path in [*site.glob("*.json"), *(site / "graphs").rglob("*.json")]:
        _script(path.with_name(f"{path.name}.js"), path.read_text(encoding="utf-8"))


def _script(path: Path, data: str) -> None:
    path.write_text(f"pacelineData({data});\n", encoding="utf-8")
