"""Finds the commit that made a benchmark slower, by gates on this machine.

Times of different days cannot be compared. So every commit is judged against GOOD by a gate of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.system.git import GitFailedError, git, is_shallow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paceline.gate.revisions import Target
    from paceline.report.verdicts import Finding

MORE = 3  # times the budget, for the second gate of a commit that was unsure in the first
MOST_OF_IT = 0.7  # share of the whole slowdown (as logarithms); below it, other commits contribute too


@dataclass(frozen=True)
class Search:
    """What a bisection searches, and the settings of its gates. `explain`: seconds, for the last of them."""

    target: Target
    tolerance: float
    alpha: float
    budget: float  #: seconds
    explain: float


@dataclass(frozen=True)
class Probe:
    """One commit judged against another."""

    commit: str
    against: str
    finding: Finding

    @property
    def is_slower(self) -> bool | None:
        """Whether the commit is slower; None if the gate could not decide."""
        return {"slower": True, "same": False, "faster": False, "untouched": False}.get(self.finding.verdict)


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
        step, whole = self.step.finding.ratio, self.whole.finding.ratio
        return step is not None and whole is not None and math.log(step) >= MOST_OF_IT * math.log(whole)


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


def find(commits: Sequence[str], good: str, settings: Search, say: Callable[[Probe, int], None]) -> Culprit:
    """Return the first slow commit of `commits`, by gates against `good`; the last of them is BAD.

    `say` gets each probe, and how many commits are left. Raises PacelineError if BAD is not slower.
    """
    unexplained = replace(settings, explain=0)
    judge = _Judge(settings if len(commits) == 1 else unexplained, say)
    whole = step = judge(commits[-1], good, len(commits))
    ratio = whole.finding.ratio
    if not whole.is_slower or ratio is None:
        raise PacelineError(_not_slower(whole))
    # A commit is slow if it has half of the whole slowdown: smaller slowdowns before it would mislead the search.
    judge = _Judge(replace(unexplained, tolerance=max(settings.tolerance, math.sqrt(ratio) - 1)), say)
    last_good, first_slow, skipped = -1, len(commits) - 1, set[int]()
    while open_ := [each for each in range(last_good + 1, first_slow) if each not in skipped]:
        middle = min(open_, key=lambda each: abs(each - (last_good + first_slow) / 2))
        probe = judge(commits[middle], good, first_slow - last_good - 1)
        if probe.is_slower is None:
            skipped.add(middle)
        elif probe.is_slower:
            first_slow, step = middle, probe
        else:
            last_good = middle
    before = commits[last_good] if last_good >= 0 else good
    if before != good or (settings.explain and len(commits) > 1):
        step = _Judge(settings, say)(commits[first_slow], before, first_slow - last_good)
    return Culprit(tuple(commits[last_good + 1 : first_slow + 1]), step, whole)


def _not_slower(whole: Probe) -> str:
    between, found = f"{whole.commit[:12]} against {whole.against[:12]}", whole.finding
    if whole.is_slower is False:
        percent = f"{100 * ((found.ratio or 1) - 1):+.1f} %"
        verdict = f"{between} is {found.verdict} ({percent})"
        return f"BAD is not slower than GOOD on this machine: {verdict}. Name other commits, or use another machine."
    if found.verdict == "unsure":
        return f"BAD may or may not be slower than GOOD: {between} is unsure. Raise --budget, or use a quiet machine."
    verdict = f"{between} is {found.verdict} ({found.reason})"
    return f"BAD cannot be judged: {verdict}. Name commits at which the benchmark runs."


@dataclass(frozen=True)
class _Judge:
    settings: Search
    say: Callable[[Probe, int], None]

    def __call__(self, commit: str, against: str, left: int) -> Probe:
        """Judge a commit; if that ends unsure, judge it again with a larger budget."""
        judged = self._judged(commit, against, self.settings.budget)
        if judged.finding.verdict == "unsure":
            self.say(judged, left)
            judged = self._judged(commit, against, MORE * self.settings.budget)
        self.say(judged, left)
        return judged

    def _judged(self, commit: str, against: str, budget: float) -> Probe:
        settings = self.settings
        options = [f"--benchmark-tolerance={settings.tolerance}", f"--benchmark-alpha={settings.alpha}"]
        options += [f"--benchmark-budget={budget}", f"--benchmark-explain={settings.explain}"]
        target = settings.target
        return Probe(commit, against, target.finding(target.judge(commit, against, options)))
