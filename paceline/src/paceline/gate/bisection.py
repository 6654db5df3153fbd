"""Finds the commit that made a benchmark slower, by gates on this machine.

Times of different days cannot be compared. So every commit is judged against GOOD by a gate of its own, in a clone in
a temporary folder. The user's checkout is not touched.
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
from paceline.gate.sides.checkout import checkout_commit
from paceline.gate.sides.workspace import Workspace
from paceline.system import child
from paceline.system.git import GitFailedError, git, is_shallow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MORE = 3  # times the budget, for the second gate of a commit that was unsure in the first
MOST_OF_IT = 0.7  # share of the whole slowdown (as logarithms); below it, other commits contribute too


@dataclass(frozen=True)
class Search:
    """What a bisection searches, and the settings of its gates."""

    benchmark: str  #: pytest's node id
    folder: str  #: the folder to run pytest in, below the root of the repository
    tolerance: float
    alpha: float
    budget: float  #: seconds


@dataclass(frozen=True)
class Probe:
    """One commit judged against another. `verdict`: the gate's, or "failed" with a `reason` if it judged nothing."""

    commit: str
    against: str
    verdict: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def is_slower(self) -> bool | None:
        """Whether the commit is slower; None if the gate could not decide."""
        return {"slower": True, "same": False, "faster": False, "untouched": False}.get(self.verdict)


@dataclass(frozen=True)
class Culprit:
    """The result of a bisection.

    `suspects`: the first slow commit, after those before it that could not be judged. `step`: the first slow commit
    against the last that is not slow. `whole`: BAD against GOOD.
    """

    suspects: tuple[str, ...]
    step: Probe
    whole: Probe

    @property
    def is_all(self) -> bool:
        """Whether this step accounts for most of the whole slowdown."""
        step, whole = self.step.ratio, self.whole.ratio
        return step is not None and whole is not None and math.log(step) >= MOST_OF_IT * math.log(whole)


def node_id(benchmark: str, here: Path) -> str:
    """Return a benchmark's node id for pytest in the folder `here`; `benchmark` may be its name in the history.

    Raises PacelineError if no file of this checkout fits the name.
    """
    name, bracket, parameters = benchmark.partition("[")
    if "::" in name:
        return benchmark
    found = _module(project.find_root(here), name.split("."))
    if found is not None:
        path, inside = found
        return "::".join([Path(os.path.relpath(path, here)).as_posix(), *inside]) + bracket + parameters
    raise PacelineError(
        f"no test file for {benchmark!r} in this checkout. Give pytest's node id, such as test_speed.py::test_it, or"
        " use `asv find` for asv's own benchmarks."
    )


def _module(folder: Path, parts: Sequence[str]) -> tuple[Path, Sequence[str]] | None:
    """Return the file that a dotted name begins with, and the rest of the name. Names of folders may have dots."""
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
        hint = "Swap them, or name other commits."
        if is_shallow(repository):
            hint = "This clone is shallow: run `git fetch --unshallow`."
        raise PacelineError(f"GOOD {good[:12]} is not an ancestor of BAD {bad[:12]}. {hint}") from None
    commits = git(repository, "rev-list", "--first-parent", "--reverse", f"{good}..{bad}").split()
    if not commits:
        raise PacelineError(f"GOOD and BAD are the same commit: {good[:12]}. Name two commits.")
    return commits


def find(
    repository: Path, commits: Sequence[str], good: str, settings: Search, say: Callable[[Probe, int], None]
) -> Culprit:
    """Return the first slow commit of `commits`, by gates against `good`; the last of them is BAD.

    `say` gets each probe, and how many commits are left. Raises PacelineError if BAD is not slower.
    """
    judge = _Judge(repository, settings, say)
    whole = judge(commits[-1], good, len(commits))
    if not whole.is_slower or whole.ratio is None:
        raise PacelineError(_not_slower(whole))
    # A commit is slow if it has half of the whole slowdown: smaller slowdowns before it would mislead the search.
    tolerance = max(settings.tolerance, math.sqrt(whole.ratio) - 1)
    judge = _Judge(repository, replace(settings, tolerance=tolerance), say)
    last_good, first_slow, skipped = -1, len(commits) - 1, set[int]()
    while open_ := [each for each in range(last_good + 1, first_slow) if each not in skipped]:
        middle = min(open_, key=lambda each: abs(each - (last_good + first_slow) / 2))
        is_slower = judge(commits[middle], good, first_slow - last_good - 1).is_slower
        if is_slower is None:
            skipped.add(middle)
        elif is_slower:
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
        verdict = f"{between} is {whole.verdict} ({percent})"
        return f"BAD is not slower than GOOD on this machine: {verdict}. Name other commits, or use another machine."
    if whole.verdict == "unsure":
        return f"BAD may or may not be slower than GOOD: {between} is unsure. Raise --budget, or use a quiet machine."
    verdict = f"{between} is {whole.verdict} ({whole.reason})"
    return f"BAD cannot be judged: {verdict}. Name commits at which the benchmark runs."


@dataclass(frozen=True)
class _Judge:
    repository: Path
    settings: Search
    say: Callable[[Probe, int], None]

    def __call__(self, commit: str, against: str, left: int) -> Probe:
        """Judge a commit; if that ends unsure, judge it again with a larger budget."""
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
            return Probe(commit, against, "failed", reason=f"no folder {settings.folder} at this commit")
        command = [sys.executable, "-m", "pytest", settings.benchmark, "--benchmark-only", "-p", "no:cacheprovider"]
        command += [f"--benchmark-against={against}", f"--benchmark-against-json={document}"]
        command += [f"--benchmark-tolerance={settings.tolerance}", f"--benchmark-alpha={settings.alpha}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        done = child.run([*command, f"--benchmark-budget={budget}", "--benchmark-explain=0"], folder, environment)
        if not document.exists():
            return Probe(commit, against, "failed", reason=_reason(done.stdout + done.stderr, folder))
        findings = json.loads(document.read_text(encoding="utf-8"))["benchmarks"]
    return _read(commit, against, findings)


def _read(commit: str, against: str, findings: Sequence[dict[str, Any]]) -> Probe:
    if len(findings) != 1:
        return Probe(commit, against, "failed", reason=f"expected one benchmark of this name, got {len(findings)}")
    one = findings[0]
    return Probe(commit, against, one["verdict"], one["ratio"], one["low"], one["high"], one["reason"] or "")


def _reason(output: str, folder: Path) -> str:
    """Return why pytest failed, with paths as in the user's checkout."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "E "))]
    return (
        (errors or lines or ["pytest printed nothing"])[-1].removeprefix("ERROR: ").replace(f"{folder}{os.sep}", "")
    )
