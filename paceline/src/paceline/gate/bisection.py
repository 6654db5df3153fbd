"""Finds the commit that made a benchmark slower, with the gate as the judge, on this machine.

Each commit is judged against the good one by a trial of its own, in a clone in a temporary folder: times of different
days are never compared, and the user's checkout is not touched. See docs/explanation/how-the-gate-judges.md.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.config import project
from paceline.errors import PacelineError
from paceline.gate.sides.checkout import (
    checkout_commit,
)
from paceline.gate.sides.workspace import (
    Workspace,
)
from paceline.system import child
from paceline.system.git import (
    GitFailedError,
    git,
    is_shallow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MORE = 3  # times the budget, for a trial that ended unsure
MOST_OF_IT = 0.7  # of the whole slowdown: what one commit must have, or others have a part in it


@dataclass(frozen=True)
class Search:
    """What a trial is run with."""

    benchmark: str  #: pytest's node id
    folder: str  #: the folder to run pytest in, below the root of the repository
    tolerance: float
    alpha: float
    budget: float  #: seconds


@dataclass(frozen=True)
class Probe:
    """A commit against another. `verdict` is the gate's, or "failed" with the reason if nothing could be judged."""

    commit: str
    against: str
    verdict: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def is_slower(self) -> bool | None:
        """Whether it is; None if that could not be told."""
        return {"slower": True, "same": False, "faster": False}.get(self.verdict)


@dataclass(frozen=True)
class Culprit:
    """The result. `suspects` is one commit, or all between the last good and the first slow that could not be judged.

    `step` is the first slow commit against the last that is not; `whole` the bad one against the good.
    """

    suspects: tuple[str, ...]
    step: Probe
    whole: Probe

    @property
    def is_all(self) -> bool:
        """Whether this step makes up for most of the whole slowdown."""
        step, whole = self.step.ratio, self.whole.ratio
        return step is not None and whole is not None and math.log(step) >= MOST_OF_IT * math.log(whole)


def node_id(benchmark: str, here: Path) -> str:
    """Return pytest's name, for use in `here`, of a benchmark that may be given by its name in the history.

    Raises PacelineError if it has none.
    """
    name, bracket, parameters = benchmark.partition("[")
    if "::" in name:
        return benchmark
    found = _module(project.find_root(here), name.split("."))
    if found is not None:
        path, inside = found
        return "::".join([Path(os.path.relpath(path, here)).as_posix(), *inside]) + bracket + parameters
    raise PacelineError(
        f"{benchmark!r} is no pytest test of this checkout: give its node id, such as test_speed.py::test_it;"
        " asv's own benchmarks are bisected by `asv find`"
    )


def _module(folder: Path, parts: Sequence[str]) -> tuple[Path, Sequence[str]] | None:
    """Find the file below a folder that a dotted name begins with, and what follows; folders may have dots, too."""
    for count in range(1, len(parts)):
        path, rest = folder / ".".join(parts[:count]), parts[count:]
        found = _module(path, rest) if path.is_dir() else None
        if found is not None:
            return found
        file = path.with_name(f"{path.name}.py")
        if file.is_file():
            return file, rest
    return None


def commits_between(repository: Path, good: str, bad: str) -> list[str]:
    """Return the commits after `good` up to and including `bad`, oldest first, along first parents."""
    try:
        git(repository, "merge-base", "--is-ancestor", good, bad)
    except GitFailedError:
        hint = "git fetch --unshallow, as this clone is shallow" if is_shallow(repository) else "swap or correct them"
        raise PacelineError(f"GOOD {good[:12]} is no ancestor of BAD {bad[:12]}: {hint}") from None
    commits = git(repository, "rev-list", "--first-parent", "--reverse", f"{good}..{bad}").split()
    if not commits:
        raise PacelineError(f"GOOD and BAD are the same commit {good[:12]}: name two")
    return commits


def find(
    repository: Path, commits: Sequence[str], good: str, settings: Search, say: Callable[[Probe, int], None]
) -> Culprit:
    """Find the first slow of `commits`, of which the last is bad, by trials against `good`.

    `say` hears of each trial, and of how many commits are left. Raises PacelineError if the last is not slower.
    """
    judge = _Judge(repository, settings, say)
    whole = judge(commits[-1], good, len(commits))
    if not whole.is_slower or whole.ratio is None:
        raise PacelineError(_not_slower(whole))
    # A commit counts as slow from half the whole slowdown on, so that small ones before it mislead nobody.
    tolerance = max(settings.tolerance, math.sqrt(whole.ratio) - 1)
    judge = _Judge(repository, replace(settings, tolerance=tolerance), say)
    last_good, first_slow, skipped = -1, len(commits) - 1, set[int]()
    while open_ := [each for each in range(last_good + 1, first_slow) if each not in skipped]:
        middle = min(open_, key=lambda each: abs(each - (last_good + first_slow) / 2))
        said = judge(commits[middle], good, first_slow - last_good - 1).is_slower
        if said is None:
            skipped.add(middle)
        elif said:
            first_slow = middle
        else:
            last_good = middle
    before = commits[last_good] if last_good >= 0 else good
    slow = commits[first_slow]
    judge = _Judge(repository, settings, say)
    step = whole if (slow, before) == (whole.commit, good) else judge(slow, before, first_slow - last_good)
    return Culprit(tuple(commits[last_good + 1 : first_slow + 1]), step, whole)


def _not_slower(whole: Probe) -> str:
    between = f"{whole.commit[:12]} against {whole.against[:12]}"
    if whole.is_slower is False:
        percent = f"{100 * ((whole.ratio or 1) - 1):+.1f} %"
        return f"BAD is not slower than GOOD on this machine: {between} is {whole.verdict} ({percent}): try another"
    if whole.verdict == "unsure":
        return f"BAD may be slower than GOOD or not: {between} is unsure: try a larger --budget, or a calm machine"
    return f"BAD cannot be judged: {between} is {whole.verdict} ({whole.reason}): name commits at which it runs"


@dataclass(frozen=True)
class _Judge:
    repository: Path
    settings: Search
    say: Callable[[Probe, int], None]

    def __call__(self, commit: str, against: str, left: int) -> Probe:
        """Judge a commit; once more, with a larger budget, if that ends unsure."""
        judged = _trial(self.repository, commit, against, self.settings, self.settings.budget)
        if judged.verdict == "unsure":
            self.say(judged, left)
            judged = _trial(self.repository, commit, against, self.settings, MORE * self.settings.budget)
        self.say(judged, left)
        return judged


def _trial(repository: Path, commit: str, against: str, settings: Search, budget: float) -> Probe:
    with Workspace.create() as workspace:
        tree, document = workspace.folder / "a", workspace.folder / "findings.json"
        checkout_commit(repository, commit, tree)
        folder = tree / settings.folder
        if not folder.is_dir():
            return Probe(commit, against, "failed", reason=f"it has no folder {settings.folder}")
        command = [sys.executable, "-m", "pytest", settings.benchmark, "--benchmark-only", "-p", "no:cacheprovider"]
        command += [f"--benchmark-against={against}", f"--benchmark-against-json={document}"]
        command += [f"--benchmark-tolerance={settings.tolerance}", f"--benchmark-alpha={settings.alpha}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        done = child.run([*command, f"--benchmark-budget={budget}"], folder, environment)
        if not document.exists():
            return Probe(commit, against, "failed", reason=_reason(done.stdout + done.stderr, folder))
        findings = json.loads(document.read_text(encoding="utf-8"))["benchmarks"]
    return _read(commit, against, findings)


def _read(commit: str, against: str, findings: Sequence[dict[str, Any]]) -> Probe:
    if len(findings) != 1:
        return Probe(commit, against, "failed", reason=f"the name stands for {len(findings)} benchmarks, not for one")
    one = findings[0]
    return Probe(commit, against, one["verdict"], one["ratio"], one["low"], one["high"], one["reason"] or "")


def _reason(output: str, folder: Path) -> str:
    """Return why pytest failed; a test is named as in the user's checkout, not as in our copy of it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "E "))]
    return (errors or lines or ["pytest said nothing"])[-1].removeprefix("ERROR: ").replace(f"{folder}{os.sep}", "")
