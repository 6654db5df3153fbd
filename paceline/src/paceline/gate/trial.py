"""The trial as a whole: trees, collection, rounds, findings.

It owns what is known of a gate; how it is timed is in `rounds`.
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
from paceline.gate.finding import Finding, Verdict
from paceline.gate.launcher import Launcher
from paceline.gate.pair import End, Pair
from paceline.gate.rounds import Rounds
from paceline.gate.schedule import SIDES
from paceline.gate.trees import Trees
from paceline.gate.verdict import Benchmark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from paceline.gate.selection import Selection
    from paceline.gate.settings import Settings
    from paceline.gate.values import Value


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
    values: list[Value] = field(default_factory=list)
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
        order += [name for name in known if name not in order]
        return [self._with_acceptance(known[name]) for name in order]

    def _with_acceptance(self, finding: Finding) -> Finding:
        if self.settings.accept is None or finding.verdict != Verdict.SLOWER.value:
            return finding
        return replace(finding, reason="; ".join(filter(None, (f"accepted: {self.settings.accept}", finding.reason))))

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

    def run(self, until: float) -> None:
        self._launcher.copy_plugin()
        self._trees.make()
        self._trial.base, self._trial.head = (self._trees.sides[side].about for side in SIDES)
        own = self._collect_base()
        different = self._trees.overlay()
        self._enter(own, different)
        rounds = Rounds(self._trial, self._trees, self._launcher, self._workspace.folder)
        rounds.measure(self._selection.values, until)
        rounds.run(until)

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
