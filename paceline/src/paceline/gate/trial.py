"""The trial as a whole: trees, collection, rounds, findings.

Rounds go only to benchmarks that are still undecided, so a suite of many costs little more than its suspects.
"""

from __future__ import annotations

import errno
import os
import platform
import random
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.gate import checkout, schedule, statistics
from paceline.gate.checkout import Workspace
from paceline.gate.launcher import Launcher
from paceline.gate.pair import End, Launch, Pair
from paceline.gate.schedule import SIDES
from paceline.gate.trees import Trees
from paceline.gate.verdict import Benchmark, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.gate.selection import Selection
    from paceline.gate.settings import Settings


@dataclass
class Trial:
    """Runs a gate; what it knows can be read at any time, also after an interruption."""

    settings: Settings
    selection: Selection
    say: Callable[[str], None]
    base: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    _apart: list[Finding] = field(default_factory=list)
    _benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    coins: random.Random = field(default_factory=random.SystemRandom)

    def run(self) -> None:
        """Judge every benchmark. Raises PacelineError; leaves no process and no file, however it ends."""
        started = time.monotonic()
        try:
            with Workspace.create() as workspace:
                _Run(self, workspace).run(started + self.settings.budget)
        except OSError as error:
            # Copying a tree gathers its errors into one that has no number.
            if error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
                raise PacelineError(checkout.disk_full(Path(error.filename or "."))) from error
            raise
        finally:
            self.seconds = time.monotonic() - started
        self._insist_on_something_measured()

    def findings(self) -> list[Finding]:
        """Return what is known, in the order in which pytest collected the benchmarks; removed ones last."""
        known = {finding.name: finding for finding in self._apart}
        known |= {name: benchmark.finding() for name, benchmark in self._benchmarks.items()}
        order = [name for name in self.selection.benchmarks if name in known]
        return [known[name] for name in order] + [known[name] for name in known if name not in order]

    def enter(self, names: Iterable[str], notes: Mapping[str, str]) -> None:
        """Put these benchmarks on trial; alpha is shared by all of them, decided early or late."""
        names = list(names)
        plan = statistics.plan(self.settings.alpha / max(1, len(names)))
        self._benchmarks = {name: Benchmark(name, plan, self.settings.tolerance, notes.get(name)) for name in names}

    def set_apart(self, name: str, verdict: Verdict, reason: str) -> None:
        """Note a benchmark that only one side has."""
        self._apart.append(Finding(name, verdict.value, reason=reason))

    def undecided(self) -> dict[str, Benchmark]:
        """Return the benchmarks that still need rounds."""
        return {name: each for name, each in self._benchmarks.items() if each.verdict is None}

    def _insist_on_something_measured(self) -> None:
        found = self.findings()
        useless = {Verdict.UNAVAILABLE.value}
        if found and all(finding.verdict in useless for finding in found):
            raise PacelineError(
                f"nothing was measured, so nothing was judged: {found[0].name}: {found[0].reason}"
                f" ({len(found)} unavailable)"
            )


class _Run:
    """One execution of a trial in its workspace."""

    def __init__(self, trial: Trial, workspace: Workspace) -> None:
        self._trial = trial
        self._settings = trial.settings
        self._selection = trial.selection
        self._workspace = workspace
        self._trees = Trees(trial.settings, trial.selection, workspace, trial.say, trial.notices)
        self._launcher = Launcher(trial.selection, self._trees, workspace.folder)
        self._cpus = schedule.cpus()

    def run(self, until: float) -> None:
        self._launcher.copy_plugin()
        self._trees.make()
        self._trial.base, self._trial.head = (self._trees.sides[side].about for side in SIDES)
        own = self._collect_base()
        different = self._trees.overlay()
        self._enter(own, different)
        self._rounds(until)

    # Collection

    def _collect_base(self) -> set[str] | None:
        """Names of base's benchmarks by base's own tests; None if they cannot be collected at all."""
        tree = self._trees.tree("base")
        paths = [self._launcher.translate(path.split("::")[0], tree) for path in self._selection.paths]
        folder = tree / self._trees.relative(self._selection.started_in)
        there = [path for path in paths if (folder / path).exists()]
        if paths and not there:
            return set()
        launch = self._launcher.launch("base", [*self._launcher.ini("base"), *there], None, None)
        launch = replace(launch, environment={**launch.environment, "PYTHONDONTWRITEBYTECODE": "1"})
        with Pair(self._workspace.folder, self._settings.timeout, self._trial.coins) as pair:
            pair.start({"base": launch}, "base")
            found = pair.collected()["base"]
        if isinstance(found, End):
            self._trial.notices.append(
                f"base could not be collected with its own tests ({found.reason}): new and removed"
                " benchmarks cannot be told apart from others"
            )
            return None
        errors = [name for name, text in found["errors"].items() if not text.startswith("skipped")]
        lost = {name for name in self._selection.benchmarks if any(name.startswith(error) for error in errors)}
        return {name for name in found["benchmarks"] if self._is_asked_for(name)} | lost

    def _is_asked_for(self, name: str) -> bool:
        wanted = [path for path in self._selection.paths if "::" in path]
        if not wanted or len(wanted) < len(self._selection.paths):
            return True
        tails = [path.partition("::")[2] for path in wanted]
        own = name.partition("::")[2]
        return any(own == tail or own.startswith((f"{tail}[", f"{tail}::")) for tail in tails)

    def _enter(self, own: set[str] | None, different: set[str]) -> None:
        place = self._trees.relative(self._selection.root)
        entered, notes = [], {}
        for name in self._selection.benchmarks:
            if own is not None and name not in own:
                self._trial.set_apart(name, Verdict.NEW, "base has no such benchmark")
                continue
            entered.append(name)
            if (place / name.partition("::")[0]).as_posix() in different:
                notes[name] = "its file differs from base's: both sides ran head's"
        for name in sorted((own or set()) - set(self._selection.benchmarks)):
            self._trial.set_apart(name, Verdict.REMOVED, "head has no such benchmark")
        self._trial.enter(entered, notes)

    # Rounds

    def _rounds(self, until: float) -> None:
        trial = self._trial
        count = 0
        while (undecided := trial.undecided()) and time.monotonic() < until:
            count += 1
            self._round(undecided, until)
            left = len(trial.undecided())
            trial.say(f"round {count}: {len(undecided)} timed, {left} undecided")
        for benchmark in trial.undecided().values():
            benchmark.close(f"the budget of {self._settings.budget:g} s is spent (--benchmark-budget)")

    def _round(self, undecided: Mapping[str, Benchmark], until: float) -> None:
        draw = schedule.draw(self._trial.coins, list(undecided))
        self._trees.slots.arrange(draw.base_at)
        left = list(draw.order)
        while left and time.monotonic() < until:
            with Pair(self._workspace.folder, self._settings.timeout, self._trial.coins) as pair:
                launches = {side: self._side_launch(side, left, draw) for side in SIDES}
                pair.start(launches, draw.first)
                left = self._visit_all(pair, undecided, left, until)

    def _side_launch(self, side: str, items: Sequence[str], draw: schedule.Draw) -> Launch:
        root = self._trees.project(side)
        files = dict.fromkeys(str(root / name.partition("::")[0]) for name in items)
        return self._launcher.launch(side, [*self._launcher.ini(side), *files], items, draw)

    def _visit_all(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str], until: float) -> list[str]:
        """Time these benchmarks in order. Returns those that a fresh pair must take over."""
        left = self._present(pair, undecided, left)
        while left and time.monotonic() < until:
            name = left.pop(0)
            benchmark = undecided[name]
            pinned = [self._trial.coins.choice(self._cpus)] if self._cpus else []
            visit = pair.visit(name, benchmark.recipe, pinned)
            for side, end in visit.ends.items():
                self._insist_on_own_code(side, name, end)
            benchmark.add(visit)
            if pair.lost or any(end.outcome == "failed" for end in visit.ends.values()):
                return left  # what spoilt this test may have spoilt its process
        return []

    def _present(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str]) -> list[str]:
        """Drop what a side could not collect; if it could not start at all, that is everything."""
        found = pair.collected()
        missing: dict[str, dict[str, End]] = {name: {} for name in left}
        for side, message in found.items():
            there = set() if isinstance(message, End) else set(message["items"])
            for name in left:
                if isinstance(message, End):
                    missing[name][side] = message
                elif name not in there:
                    missing[name][side] = End("missing", _why_missing(name, message["errors"]))
        for name, ends in missing.items():
            if ends:
                undecided[name].fail(ends)
        return [name for name in left if not missing[name]]

    def _insist_on_own_code(self, side: str, name: str, end: End) -> None:
        if not end.foreign:
            return
        module, file = end.foreign[0]
        more = f" and {len(end.foreign) - 1} more" if len(end.foreign) > 1 else ""
        raise PacelineError(
            f"{side} did not run its own code in {name}: module {module!r} came from {file}{more}: install"
            " both sides (--benchmark-against-install), or remove the editable installation or PYTHONPATH"
            " entry that comes first"
        )


def _why_missing(name: str, errors: Mapping[str, str]) -> str:
    for place, text in errors.items():
        if not place or name.startswith(place):
            return text
    return "not collected there: its parameters differ, or an option deselected it"


def machine() -> dict[str, Any]:
    """Return what the numbers depend on, as far as the standard library knows."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(schedule.cpus()) or os.cpu_count(),
        "pinning": bool(schedule.cpus()),
    }
