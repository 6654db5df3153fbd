"""Has asv publish its own site of the same results, unchanged.

asv stops at a broken file, and at a commit that the branch lost. So it gets a folder of links to the usable files.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.config import asv_conf, project
from paceline.errors import PacelineError
from paceline.history.asv import order
from paceline.history.intake.writer import newest_entries
from paceline.system import child

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from paceline.history.asv import store
    from paceline.history.model import Run


def publish(root: Path, repository: Path | None, found: store.Sound, runs: Collection[Run], output: Path) -> None:
    """Write asv's site of these runs. Raises PacelineError with asv's last line if it fails."""
    if repository is None:
        raise PacelineError("--asv: asv needs a repository with the commits of the results. Clone it, or omit --asv.")
    with tempfile.TemporaryDirectory(prefix="paceline-asv-") as folder:
        results = Path(folder, "results")
        _write(results, found, runs)
        places = {"repo": str(repository), "results_dir": str(results), "html_dir": str(output)}
        branches = _branches(root, repository, {run.commit for run in runs})
        named = {"version": 1, "project": root.resolve().name, "show_commit_url": "#"}
        conf = Path(folder, "asv.conf.json")
        conf.write_text(
            json.dumps({**named, **asv_conf.read(root), **places, "branches": branches}), encoding="utf-8"
        )
        command = [sys.executable, "-m", "asv", "publish", "--no-pull", "--config", str(conf)]
        done = child.run(command, root, os.environ)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise PacelineError(f"asv publish failed: {last}")


def _write(results: Path, found: store.Sound, runs: Collection[Run]) -> None:
    for name, machine in found.machines.items():
        folder = results / name
        folder.mkdir(parents=True)
        (folder / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    for run in runs:
        if not run.dirty:
            _place(run.path.absolute(), results / run.path.parent.name / run.path.name)
    (results / "benchmarks.json").write_text(json.dumps({"version": 2, **_described(found)}), encoding="utf-8")


def _described(found: store.Sound) -> Mapping[str, Mapping[str, Any]]:
    """Return asv's description of each benchmark: of runs that paceline recorded, in the newest one's version.

    The mirror of a URL has no list of these, or an old one.
    """
    listed = found.benchmarks
    ours = newest_entries(each for _, each in found.results if each.about.engine != "asv")
    newest = {name: {**listed.get(name, entry), "version": entry["version"]} for name, entry in ours.items()}
    return {**newest_entries(each for _, each in found.results), **listed, **newest}


def _place(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows lets only administrators make links
        shutil.copyfile(source, target)


def _branches(root: Path, repository: Path, commits: Collection[str]) -> list[str]:
    """Return the branches by the names that this repository has for them; asv takes `master` for the default one."""
    first, *others = project.branches(root) or [None]
    return [order.line(repository, first, commits)[0], *filter(None, others)]
