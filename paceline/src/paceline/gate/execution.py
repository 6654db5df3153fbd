"""Runs a gate: makes both trees, collects both sides, times the rounds.

Head is collected first, since its tests define the measurement of both sides.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.config.settings import of_head_alone
from paceline.config.shard import digest
from paceline.errors import PacelineError, why
from paceline.gate.budget import Budget
from paceline.gate.explain.explaining import Explainer
from paceline.gate.hints import no_benchmark
from paceline.gate.memory.judging import MemoryTrial
from paceline.gate.memory.weighing import Scales
from paceline.gate.pair import STARTS_WITHIN
from paceline.gate.proof import Proof
from paceline.gate.rounds import Pairs, Rounds, why_missing
from paceline.gate.sides.launcher import Launcher
from paceline.gate.sides.provision import Provision
from paceline.gate.sides.selection import read_selection
from paceline.gate.sides.trees import Trees
from paceline.gate.sides.workspace import Workspace
from paceline.gate.touching import Touching, report
from paceline.gate.visit import PASSED, End
from paceline.report import flames
from paceline.report.outcome import Part
from paceline.report.verdicts import Verdict
from paceline.system.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline.gate.sides.launcher import Launch
    from paceline.gate.sides.selection import Selection
    from paceline.gate.trial import Trial
    from paceline.gate.worker.messages import Message

MUCH = 0.25  # share of the budget: installing and collecting that take more are reported
RECORDS_WITHIN = 0.4  # of the time left: what benchmarks run is recorded
PATIENCE = 4.0  # times the time of head's collection: limit for the start of a process


def run(trial: Trial) -> None:
    """Judge every benchmark. Raises PacelineError; leaves no process and no file, however it ends."""
    started = time.monotonic()
    try:
        with Workspace.create(trial.say) as workspace:
            _Execution(trial, workspace).run(started + trial.settings.budget)
    except OSError as error:
        line = refusal(error, Path(tempfile.gettempdir()))
        if line is None:
            line = f"{error.filename}: {why(error)}" if error.filename else why(error)
        raise PacelineError(line) from error
    finally:
        trial.seconds = time.monotonic() - started
    trial.outcome().insist_on_something_measured()


class _Execution:
    """The run of one gate in its workspace."""

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
                old = f"{interpreter.executable} has pytest {interpreter.outdated}, which is too old"
                self._trial.notices.append(f"{old}: the gate used its own pytest")
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
        selection, own = self._part(selection, own)
        self._trees.insist_on_seal()
        different = self._trees.overlay(selection)
        self._provision.bring_tests()
        self._trees.seal()
        proof = Proof(self._trial.settings, self._provision, self._trial.say)
        self._enter(selection, self._judged(selection, own, until), different, proof, until)
        pairs = Pairs(self._trial, selection, self._trees, self._launcher)
        self._tell_preparation(until)
        budget = Budget(until)
        budget.costs.add_files(selection.seconds)
        rounds = Rounds(self._trial, pairs, budget, proof)
        weighed = [] if self._trial.settings.memory == "no" else [*selection.memory & selection.values.keys()]
        rounds.measure([name for name in selection.values if name not in weighed])
        rounds.run()
        self._trees.insist_on_seal()
        self._weigh(pairs, weighed)
        self._trial.is_judged = True
        self._explain(pairs, budget)

    def _weigh(self, pairs: Pairs, names: Sequence[str]) -> None:
        """Judge the memory of what was timed, and of these. Raises PacelineError if the gate fails by memory."""
        if self._trial.settings.memory == "no":
            return
        try:
            scales = Scales(self._trial.coins, pairs)
            MemoryTrial(self._trial, scales, [*self._trial.runnable(), *names]).run()
        except Exception as error:
            reason = f"memory could not be measured: {type(error).__name__}: {error}"
            if self._trial.settings.memory == "fail":
                raise PacelineError(f"{reason}. Leave out --benchmark-memory.") from error
            self._trial.notices.append(reason)
        self._trees.insist_on_seal()

    def _explain(self, pairs: Pairs, budget: Budget) -> None:
        """Explain what is slower or faster. The verdicts are there by now, so a failure is only a notice."""
        try:
            Explainer(self._trial, pairs, budget.costs).run()
            self._draw()
        except KeyboardInterrupt:
            self._trial.notices.append("the explanation was interrupted. The verdicts are complete")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it decides nothing
            reason = why(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            self._trial.notices.append(f"slower and faster benchmarks could not be explained: {reason}")

    def _draw(self) -> None:
        """Write a flame graph of each explained benchmark, where asked."""
        folder, count = self._trial.request.flamegraph, len(self._trial.flames)
        if folder is None or not count:
            return
        try:
            flames.write(self._trial.flames, folder)
        except OSError as error:
            self._trial.notices.append(f"cannot write flame graphs to {folder}: {why(error)}")
        else:
            self._trial.say(f"wrote flame graphs of {count} benchmark{'s' * (count > 1)} to {folder}")

    def _tell_preparation(self, until: float) -> None:
        """Report the time of installing and collecting, if that is much of the budget."""
        budget = self._trial.settings.budget
        taken = budget - (until - time.monotonic())
        if taken > MUCH * budget:
            self._trial.say(
                f"installing and collecting took {taken:.0f} s of the budget of {budget:g} s (--benchmark-budget)"
            )

    # Collection

    def _part(self, selection: Selection, own: set[str] | None) -> tuple[Selection, set[str] | None]:
        """Return both collections, or this machine's part of them if the suite is judged in shards."""
        shard = self._trial.settings.shard
        if shard is None:
            return selection, own
        every = {*selection.benchmarks, *selection.values, *(own or ())}
        mine = shard.part(every)
        self._trial.part = Part(shard, len(every), digest(every))
        return selection.only(mine), own if own is None else own & mine

    def _select(self) -> Selection:
        """Return what head's own pytest selects. Raises PacelineError.

        If the collection shows that code must be installed, that is done, and head is collected again.
        """
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
            raise PacelineError(
                f"head could not be collected: {reason}. Run `pytest --collect-only` to see all of it."
            )
        tree, arguments = self._trees.tree("head"), self._trial.request.arguments
        selection = read_selection(found, tree, arguments, self._launcher.translated("head"))
        failed = {name: text for name, text in selection.errors.items() if not text.startswith("skipped")}
        if failed:
            name, text = next(iter(failed.items()))
            more = f" ({len(failed) - 1} more)" if len(failed) > 1 else ""
            raise PacelineError(f"head: {name} could not be collected: {text}{more}. Fix it, or select other tests.")
        if not selection.benchmarks and not selection.values:
            raise PacelineError(no_benchmark(selection, self._trees.tree("head")))
        return selection

    def _collect(self, side: str, launch: Launch) -> Message | End:
        with self._trial.pair(self._workspace.folder) as pair:
            pair.start({side: launch}, side)
            return pair.collected()[side]

    def _collect_base(self, selection: Selection) -> set[str] | None:
        """Return the names of base's benchmarks by base's own tests; None if those cannot be collected at all."""
        tree = self._trees.tree("base")
        files = dict.fromkeys(path.split("::")[0] for path in selection.paths)
        paths = [self._launcher.translate(file, tree) for file in files]
        folder = tree / self._trees.relative(self._trial.request.started_in)
        there = [path for path in paths if (folder / path).exists()]
        if paths and not there:
            return set()
        found = self._collect("base", self._launcher.collect("base", selection, there))
        if isinstance(found, End):
            self._trial.notices.append(
                f"base could not be collected with its own tests ({found.reason}): new and removed"
                " benchmarks are not recognised"
            )
            return None
        errors = [name for name, text in found["errors"].items() if not text.startswith("skipped")]
        lost = {name for name in selection.benchmarks if any(name.startswith(error) for error in errors)}
        return set(_asked_for([each["id"] for each in found["benchmarks"]], selection.paths)) | lost

    def _judged(self, selection: Selection, own: set[str] | None, until: float) -> list[str]:
        """Return the benchmarks to judge, and set apart those that only one side has."""
        new = [] if own is None else [name for name in selection.benchmarks if name not in own]
        apart = set(new) - self._judge_new(selection, new, until)
        for name in sorted((own or set()) - set(selection.benchmarks)):
            self._note_removed(name, selection)
        return [name for name in selection.benchmarks if name not in apart]

    def _enter(
        self, selection: Selection, names: Sequence[str], different: set[str], proof: Proof, until: float
    ) -> None:
        """Start to judge these benchmarks, but for those that the change cannot touch."""
        untouched = self._untouched(selection, names, proof, until)
        for name, reason in untouched.items():
            self._trial.set_apart(name, Verdict.UNTOUCHED, reason)
        entered = [name for name in names if name not in untouched]
        notes = {
            name: "its test file differs from base's: both sides ran head's"
            for name in entered
            if selection.benchmarks[name].path.as_posix() in different
        }
        self._trial.enter(entered, notes)

    def _untouched(self, selection: Selection, names: Sequence[str], proof: Proof, until: float) -> dict[str, str]:
        """Return the benchmarks that the change cannot touch, each with the evidence."""
        settings = self._trial.settings
        apart = settings.python or settings.wheels or settings.control
        if not names or not settings.touched or apart:
            return {}
        touching = Touching(self._trial, selection, self._trees, self._launcher, proof)
        share = time.monotonic() + RECORDS_WITHIN * (until - time.monotonic())
        touches = touching.find(names, share)
        self._trees.insist_on_seal()
        report(touches, self._trial.say)
        self._trial.touched = {name: touch.reason for name, touch in touches.items() if not touch.untouched}
        return {name: touch.reason for name, touch in touches.items() if touch.untouched}

    def _note_removed(self, name: str, selection: Selection) -> None:
        """Set apart a benchmark that head lacks: unavailable if head skips its module, else removed."""
        why = why_missing(name, selection.errors, default="")
        verdict = Verdict.UNAVAILABLE if why else Verdict.REMOVED
        self._trial.set_apart(
            name, verdict, f"head {why}" if why else "head has no such benchmark", unproven=bool(why)
        )

    def _judge_new(self, selection: Selection, new: Sequence[str], until: float) -> set[str]:
        """Return the new benchmarks to judge: with --benchmark-new=judge those that base can run, else none."""
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
        """Run new benchmarks once on base, and return how each ended; None where the time was up."""
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
                    ends[name] = pair.rehearse(name)["base"]
        return ends


def _asked_for(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the benchmarks that the command line's node ids name; all if it has paths that are not node ids."""
    wanted = {path.partition("::")[2] for path in paths if "::" in path}
    if not wanted or not all("::" in path for path in paths):
        return list(names)
    return [name for name in names if not wanted.isdisjoint(_around(name.partition("::")[2]))]


def _around(name: str) -> Iterator[str]:
    """Yield a test's name in its file, and those of what it is in: its function without parameters, its classes."""
    yield name
    yield from (name[: found.start()] for found in re.finditer(r"\[|::", name))
