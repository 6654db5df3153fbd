"""Builds the site: reads what is sound, has asv's pages and ours written aside, and puts them in place when whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.gate.checkout import GitFailedError, git
from paceline.history import project, store
from paceline.pages import described, frame, swap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paceline.history.model import History, Quarantined

HTML = ".asv/html"  # asv's own default is `html`, at the top of the project
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Built:
    """A site: where it is, and what could not be used or shown."""

    output: Path
    quarantined: tuple[Quarantined, ...]
    notices: tuple[str, ...]


def build(
    here: Path, results: Path | None, output: Path | None, say: Callable[[str], None], *, refit: bool = False
) -> Built:
    """Build the site of the project at `here`; `say` is told what is being done.

    `refit` detects asv's steps anew in every series. Raises PacelineError, and leaves the old site as it was.
    """
    conf, root = _configuration(here)
    folder = results if results is not None else project.results_folder(root)
    target = output if output is not None else root / conf.html_dir
    say(f"reading {folder}")
    cache = project.root_of(folder) / project.CACHE
    found = store.sound(folder, cache)
    if not found.results:
        raise PacelineError(
            f"{folder} holds no result that can be used ({len(found.quarantined)} quarantined): record some with"
            " pytest --benchmark-only --benchmark-record, or name another folder with --results"
        )
    with swap.replacing(target.absolute()) as aside:
        bad, notices = _write(conf, root, folder, found, cache, aside, say, refit=refit)
        _for_disk(aside)
    return Built(target, (*found.quarantined, *bad), tuple(dict.fromkeys(notices)))


def _configuration(here: Path) -> tuple[Any, Path]:
    """Return asv's configuration, or one made up where there is none, and the folder that it belongs to."""
    from asv.config import Config

    given = project.configuration(here)
    root = here
    if not given:
        try:
            root = Path(git(here, "rev-parse", "--show-toplevel").rstrip("\n"))
        except GitFailedError:
            raise PacelineError(_no_repository(here)) from None
        given = project.configuration(root)
    named = {"html_dir": HTML} | ({} if given else {"project": root.name})
    conf = Config.from_json(named | {"repo": "."} | given)
    conf.branches = [name for name in conf.branches if isinstance(name, str)] or [None]
    if (root / conf.repo).exists():
        conf.repo = str((root / conf.repo).resolve())
    return conf, root


def _no_repository(folder: object) -> str:
    return f"{folder} is not a git repository, by whose commits a history is ordered: run paceline pages in the project"


def _write(
    conf: Any,
    root: Path,
    folder: Path,
    found: store.Sound,
    cache: Path,
    aside: Path,
    say: Callable[[str], None],
    *,
    refit: bool,
) -> tuple[Sequence[Quarantined], Sequence[str]]:
    import asv

    from paceline.pages import asv_site, asv_www, rows

    asv_www.write(Path(asv.__file__).parent / "www", aside, conf.project)
    kept = rows.read([path for path, _ in found.results], cache)
    commits = frozenset(head["commit"] for head in kept.heads)
    if not asv_site.Repository.url_match(conf.repo):
        raise PacelineError(_no_repository(conf.repo))
    repo = asv_site.Repository(conf.repo, str(root / conf.project), commits)
    repo.pull()
    site = asv_site.Site(conf, repo, described.benchmarks(found.benchmarks, kept), found.machines, kept)
    asv_site.publish(site, aside, cache, say, refit=refit)
    history = store.load(folder, repository=Path(repo._path), branch=conf.branches[0], cache=cache)  # noqa: SLF001
    bad, notices = _ours(conf, history, folder, found, aside, say)
    return bad, (*site.notices, *notices)


def _ours(
    conf: Any, history: History, folder: Path, found: store.Sound, aside: Path, say: Callable[[str], None]
) -> tuple[Sequence[Quarantined], Sequence[str]]:
    """Write our pages; returns what could not be used for them, and what is to be said."""
    from paceline.history import check, known
    from paceline.pages import asv_site, compare, slowdowns
    from paceline.report import findings

    say("looking for slowdowns")
    report = check.check(history, known.read(project.root_of(folder) / known.PATH))
    checked = findings.document(report, ())["findings"]
    gates, bad = slowdowns.gates(folder.parent / "aa")
    data = {
        "compare": compare.data(history, found.benchmarks),
        "slowdowns": slowdowns.data(history, checked, gates, asv_site.web(conf.show_commit_url)),
    }
    for name, title in (("compare", "Compare"), ("slowdowns", "Slowdowns")):
        (aside / f"{name}-data.js").write_text(f"pacelineData({json.dumps(data[name])});\n", encoding="utf-8")
        scripts = ("vendor/chart.umd.min.js", "page.js", f"{name}-page.js", f"{name}-data.js")
        page = frame.page(conf.project, f"{name}.html", title, scripts)
        (aside / f"{name}.html").write_text(page, encoding="utf-8")
    return bad, (*history.notices, *report.notices)


def _for_disk(site: Path) -> None:
    """Lay a script beside each file of data: a page that was opened from disk may load no other kind."""
    for folder, _, names in os.walk(site):
        for name in names:
            if name.endswith(".json") and "vendor" not in folder:
                path = Path(folder, name)
                text = path.read_text(encoding="utf-8")
                path.with_name(f"{name}.js").write_text(f"pacelineData({text});\n", encoding="utf-8")
