"""The trial as a whole: trees, collection, rounds, findings.

It owns what is known of a gate; how it is timed is in `rounds`.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError, why
from paceline.gate import checkout, screening, sequential
from paceline.gate.budget import Budget
from paceline.gate.checkout import Workspace
from paceline.gate.finding import Finding, Verdict
from paceline.gate.hints import no_benchmark
from paceline.gate.launcher import Launcher
from paceline.gate.pair import PASSED, STARTS_WITHIN, End, Pair
from paceline.gate.proof import Proof
from paceline.gate.provision import Provision
from paceline.gate.rounds import Pairs, Rounds, why_missing
from paceline.gate.schedule import SIDES
from paceline.gate.selection import read_selection
from paceline.gate.settings import fraction, of_head_alone
from paceline.gate.trees import Trees
from paceline.gate.verdict import Benchmark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.gate.messages import Message
    from paceline.gate.pair import Launch
    from paceline.gate.request import Request
    from paceline.gate.selection import Location, Selection
    from paceline.gate.settings import Settings
    from paceline.gate.values import Value

MUCH = 0.25  # of the budget, spent before the first round
PATIENCE = 4.0  # times what collecting head took is what starting a process may take


@dataclass
class Trial:
    """Runs a gate; what it knows can be read at any time, also after an interruption."""

    request: Request
    say: Callable[[str], None]
    base: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    locations: Mapping[str, Location] = field(default_factory=dict)  #: of head's benchmarks, in pytest's order
    starts_within: float = STARTS_WITHIN  #: seconds; collecting head shows what it takes
    _apart: list[Finding] = field(default_factory=list)
    _benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    coins: random.Random = field(default_factory=random.SystemRandom)

    @property
    def settings(self) -> Settings:
        """Return what the gate was asked for."""
        return self.request.settings

    def run(self) -> None:
        """Judge every benchmark. Raises PacelineError; leaves no process and no file, however it ends."""
        started = time.monotonic()
        try:
            with Workspace.create(self.say) as workspace:
                _Run(self, workspace).run(started + self.settings.budget)
        except OSError as error:
            line = checkout.refusal(error, Path(tempfile.gettempdir()))
            if line is None:
                line = f"{error.filename}: {why(error)}" if error.filename else why(error)
            raise PacelineError(line) from error
        finally:
            self.seconds = time.monotonic() - started
        self._insist_on_something_measured()

    def pair(self, folder: Path) -> Pair:
        """Return a pair of processes whose sockets and logs lie in `folder`."""
        return Pair(folder, self.settings.timeout, self.coins, self.starts_within)

    def findings(self) -> list[Finding]:
        """Return what is known, in the order in which pytest collected the benchmarks; removed ones last."""
        known = {finding.name: finding for finding in self._apart}
        known |= {name: benchmark.finding() for name, benchmark in self._benchmarks.items()}
        order = [name for name in self.locations if name in known]
        order += [name for name in known if name not in self.locations]
        return [known[name].judged(self.settings.unsure, self.settings.accept) for name in order]

    def enter(self, names: Iterable[str], notes: Mapping[str, str]) -> None:
        """Put these benchmarks on trial; alpha is shared by all of them, decided early or late."""
        names = list(names)
        plan = sequential.plan(screening.kept(self.settings.alpha, len(names)))
        tolerances = self.settings.tolerances
        self._benchmarks = {
            name: Benchmark(
                name,
                plan,
                tolerances.of(name, self.locations[name].mark, fraction),
                notes.get(name),
                critical=tolerances.is_critical(name),
            )
            for name in names
        }
        self.notices.extend(tolerances.notices(names))

    def set_apart(self, name: str, verdict: Verdict, reason: str, *, unproven: bool = False) -> None:
        """Note a benchmark that only one side has."""
        self._apart.append(Finding(name, verdict.value, reason=reason, unproven=unproven))

    def undecided(self) -> dict[str, Benchmark]:
        """Return the benchmarks that still need rounds."""
        return {name: each for name, each in self._benchmarks.items() if each.verdict is None}

    def _insist_on_something_measured(self) -> None:
        found = self.findings()
        useless = {Verdict.UNAVAILABLE.value, Verdict.UNSURE.value}
        if found and all(finding.verdict in useless and not finding.rounds for finding in found):
            raise PacelineError(
                f"nothing was measured, so nothing was judged: {found[0].name}: {found[0].reason}"
                f" ({len(found)} {found[0].verdict})"
            )


class _Run:
    """One execution of a trial in its workspace."""

    def __init__(self, trial: Trial, workspace: Workspace) -> None:
        self._trial = trial
        self._workspace = workspace
        self._trees = Trees(trial.request, workspace, trial.say, trial.notices)
        self._launcher = Launcher(trial.request, self._trees, workspace.folder)

    def run(self, until: float) -> None:
        self._trees.make(until)
        self._launcher.copy_plugin()
        self._trees.seal()
        self._trial.notices += of_head_alone(*(self._trees.settings_folder(side) for side in SIDES))
        for interpreter in dict.fromkeys(side.interpreter for side in self._trees.sides.values()):
            if interpreter.outdated:
                notice = (
                    f"pytest {interpreter.outdated} of {interpreter.executable} is too old: the gate used its own"
                )
                self._trial.notices.append(notice)
        self._provision = Provision(self._trial.request, self._trees, self._trial.say, self._trial.notices)
        self._provision.use_ready_made()
        self._trial.base, self._trial.head = (self._trees.sides[side].about for side in SIDES)
        selection = self._select()
        self._trial.locations = {**selection.benchmarks, **selection.values}
        self._trial.notices += selection.notes
        self._launcher.asv = selection.asv
        if selection.set_aside:
            self._trial.notices.append(f"not applied in a gate: {', '.join(selection.set_aside)}")
        own = self._collect_base(selection)
        self._trees.insist_on_seal()
        different = self._trees.overlay(selection)
        self._provision.bring_tests()
        self._trees.seal()
        self._enter(selection, own, different, until)
        pairs = Pairs(self._trial, selection, self._trees, self._launcher)
        proof = Proof(self._trial.settings, self._provision, self._trial.say)
        self._tell_preparation(until)
        budget = Budget(until)
        budget.costs.add_files(selection.seconds)
        rounds = Rounds(self._trial, pairs, budget, proof)
        rounds.measure(list(selection.values))
        rounds.run()
        self._trees.insist_on_seal()

    def _tell_preparation(self, until: float) -> None:
        """Say what installing and collecting has taken, where that is much of the budget."""
        budget = self._trial.settings.budget
        taken = budget - (until - time.monotonic())
        if taken > MUCH * budget:
            self._trial.say(f"preparing took {taken:.0f} s of the budget of {budget:g} s (--benchmark-budget)")

    # Collection

    def _select(self) -> Selection:
        """Collect head, again if that has shown that it must be installed. Raises PacelineError."""
        started = time.monotonic()
        self._trial.starts_within = max(STARTS_WITHIN, self._trial.settings.budget)
        found = self._collect("head", self._launcher.survey("head"))
        self._trial.starts_within = max(STARTS_WITHIN, PATIENCE * (time.monotonic() - started))
        self._trees.insist_on_seal()
        if self._provision.install(None if isinstance(found, End) else found):
            self._trees.seal()
            found = self._collect("head", self._launcher.survey("head"))
        if isinstance(found, End):
            reason = str(found.reason).replace(f"{self._trees.tree('head')}{os.sep}", "")  # as in the checkout
            raise PacelineError(f"head could not be collected: {reason}")
        tree, arguments = self._trees.tree("head"), self._trial.request.arguments
        selection = read_selection(found, tree, arguments, self._launcher.translated("head"))
        failed = {name: text for name, text in selection.errors.items() if not text.startswith("skipped")}
        if failed:
            name, text = next(iter(failed.items()))
            more = f" ({len(failed) - 1} more)" if len(failed) > 1 else ""
            raise PacelineError(f"head: {name} could not be collected: {text}{more}: fix it, or select other tests")
        if not selection.benchmarks and not selection.values:
            raise PacelineError(no_benchmark(selection, self._trees.tree("head")))
        return selection

    def _collect(self, side: str, launch: Launch) -> Message | End:
        with self._trial.pair(self._workspace.folder) as pair:
            pair.start({side: launch}, side)
            return pair.collected()[side]

    def _collect_base(self, selection: Selection) -> set[str] | None:
        """Names of base's benchmarks by base's own tests; None if they cannot be collected at all."""
        tree = self._trees.tree("base")
        paths = [self._launcher.translate(path.split("::")[0], tree) for path in selection.paths]
        folder = tree / self._trees.relative(self._trial.request.started_in)
        there = [path for path in paths if (folder / path).exists()]
        if paths and not there:
            return set()
        found = self._collect("base", self._launcher.collect("base", selection, there))
        if isinstance(found, End):
            self._trial.notices.append(
                f"base could not be collected with its own tests ({found.reason}): new and removed"
                " benchmarks cannot be told apart from others"
            )
            return None
        errors = [name for name, text in found["errors"].items() if not text.startswith("skipped")]
        lost = {name for name in selection.benchmarks if any(name.startswith(error) for error in errors)}
        return {each["id"] for each in found["benchmarks"] if _is_asked_for(each["id"], selection.paths)} | lost

    def _enter(self, selection: Selection, own: set[str] | None, different: set[str], until: float) -> None:
        notes = {}
        for name, location in selection.benchmarks.items():
            if location.path.as_posix() in different:
                notes[name] = "its file differs from base's: both sides ran head's"
        new = [] if own is None else [name for name in selection.benchmarks if name not in own]
        judged = self._judge_new(selection, new, until)
        for name in sorted((own or set()) - set(selection.benchmarks)):
            self._note_removed(name, selection)
        apart = set(new) - judged
        self._trial.enter([name for name in selection.benchmarks if name not in apart], notes)

    def _note_removed(self, name: str, selection: Selection) -> None:
        """Tell a benchmark that head no longer has from one whose module it skips."""
        why = why_missing(name, selection.errors, default="")
        verdict = Verdict.UNAVAILABLE if why else Verdict.REMOVED
        self._trial.set_apart(
            name, verdict, f"head {why}" if why else "head has no such benchmark", unproven=bool(why)
        )

    def _judge_new(self, selection: Selection, new: Sequence[str], until: float) -> set[str]:
        """Return the new benchmarks to judge: all that base can run by head's test files, if that is asked for."""
        ends = self._rehearse(selection, new, until) if new else {}
        can_run = {name for name, end in ends.items() if end is not None and end.outcome in PASSED}
        judged = can_run if self._trial.settings.new == "judge" else set()
        for name in (each for each in new if each not in judged):
            reason, end = "base has no such benchmark", ends.get(name)
            if name in can_run:
                reason += ", but can run it (--benchmark-new=judge)"
            elif end is not None:
                reason += f" and cannot run it: {end.outcome}" + (f": {end.reason}" if end.reason else "")
            self._trial.set_apart(name, Verdict.NEW, reason)
        return judged

    def _rehearse(self, selection: Selection, new: Sequence[str], until: float) -> dict[str, End | None]:
        """Run new benchmarks once on base. None for those that time did not allow."""
        ends: dict[str, End | None] = dict.fromkeys(new)
        left = list(new)
        while left and time.monotonic() < until:
            with self._trial.pair(self._workspace.folder) as pair:
                pair.start({"base": self._launcher.items("base", selection, left)}, "base")
                found = pair.collected()["base"]
                if isinstance(found, End):
                    return ends | dict.fromkeys(left, found)
                for name in (each for each in left if each not in found["items"]):
                    ends[name] = End("missing", why_missing(name, found["errors"]))
                left = [name for name in left if name in found["items"]]
                while left and time.monotonic() < until and not pair.lost:
                    name = left.pop(0)
                    ends[name] = pair.rehearse("base", name)
        return ends


def _is_asked_for(name: str, paths: Sequence[str]) -> bool:
    """Whether the command line's node ids, if it has only such, name this benchmark."""
    wanted = [path.partition("::")[2] for path in paths if "::" in path]
    if not wanted or len(wanted) < len(paths):
        return True
    own = name.partition("::")[2]
    return any(own == each or own.startswith((f"{each}[", f"{each}::")) for each in wanted)
