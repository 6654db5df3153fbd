"""Judges the memory of both sides, after the verdicts on time, which it does not change.

Each side is measured in two passes: in other processes, in another order, in the other slot, with another hash seed.
If both passes of each side agree, a difference between the sides is a fact. Else the sign-flip tests of times decide,
on rounds of their own.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.memory.weighing import Weighed
from paceline.gate.sequential import plan
from paceline.gate.verdict import Benchmark
from paceline.report.memory import Memory, MemoryVerdict, Method
from paceline.report.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from paceline.config.tolerances import Allowance
    from paceline.gate.memory.weighing import Readings, Scales
    from paceline.gate.trial import Trial

PASSES = 2
SHARE = 0.25  # of the budget, after it
TOO_SHORT = "the time was too short (--benchmark-budget)"
OF_TIME = {
    Verdict.SLOWER: MemoryVerdict.MORE,
    Verdict.FASTER: MemoryVerdict.LESS,
    Verdict.SAME: MemoryVerdict.SAME,
    Verdict.UNSURE: MemoryVerdict.UNSURE,
}
#: The first that either bytes or allocations have is the verdict.
WORST_FIRST = (MemoryVerdict.MORE, MemoryVerdict.UNSURE, MemoryVerdict.LESS, MemoryVerdict.SAME)


class MemoryTrial:
    """Measures and judges these benchmarks of a trial; the trial's `memory` has the results after this."""

    def __init__(self, trial: Trial, scales: Scales, names: Iterable[str]) -> None:
        self._trial = trial
        self._scales = scales
        self._cases = {name: Weighed(name) for name in names}

    def run(self) -> None:
        """Judge, as far as a share of the budget goes."""
        if not self._cases:
            return
        until = self._scales.clock() + SHARE * self._trial.settings.budget
        self._trial.say(f"measuring the memory of {len(self._cases)} benchmark{'s'[: len(self._cases) != 1]}")
        self._pass_twice(until)
        varying = {}
        for name, case in self._cases.items():
            if len(case.passes) < PASSES:
                self._end(name, _unmeasured(case))
            elif is_exact(case.passes):
                self._end(name, exact(case.passes, self._trial.allowances[name]))
            else:
                varying[name] = case
        self._judge_varying(varying, until)
        self._tell_uncounted()

    def _pass_twice(self, until: float) -> None:
        """Measure all in two passes; the first gets half of the time, as one pass alone shows nothing."""
        draw = None
        while left := [each for each in self._cases.values() if len(each.passes) < PASSES and each.failure is None]:
            now = self._scales.clock()
            if now >= until:
                break
            fresh = self._scales.draw(left)
            draw = fresh if draw is None else replace(fresh, base_at="b" if draw.base_at == "a" else "a")
            has_one = any(each.passes for each in left)
            self._scales.weigh(left, draw, until if has_one else now + (until - now) / 2)

    def _judge_varying(self, cases: Mapping[str, Weighed], until: float) -> None:
        """Give rounds to those whose passes disagree, until the tests decide."""
        level = self._trial.alpha / max(1, len(cases))
        tests = {name: self._test(case, level) for name, case in cases.items()}
        while left := [cases[name] for name, test in tests.items() if test.verdict is None]:
            if self._scales.clock() >= until:
                break
            before = {each.name: len(each.passes) for each in left}
            self._scales.weigh(left, self._scales.draw(left), until)
            for case in left:
                if len(case.passes) > before[case.name]:
                    tests[case.name].take(_log_ratio(case.passes[-1]))
                elif case.failure is not None:
                    tests[case.name].close(case.failure)
        for name, test in tests.items():
            test.close(TOO_SHORT)
            self._end(name, varying(cases[name], test, self._trial.allowances[name]))

    def _test(self, case: Weighed, level: float) -> Benchmark:
        """Return the test of a benchmark, which times are judged by too."""
        base = max(1.0, statistics.fmean(each["base"].size for each in case.passes))
        return Benchmark(case.name, plan(level), self._trial.allowances[case.name].of(base) / base)

    def _end(self, name: str, memory: Memory) -> None:
        settings = self._trial.settings
        if settings.memory == "fail":
            critical = settings.memory_tolerances.is_critical(name)
            memory = memory.judged(settings.unsure, settings.accept, critical=critical)
        self._trial.memory[name] = memory

    def _tell_uncounted(self) -> None:
        readings = [each for case in self._cases.values() for one in case.passes for each in one.values()]
        traced = [each for each in readings if each.method is Method.TRACED]
        if traced and all(each.allocations is None for each in traced):
            self._trial.notices.append("allocations were not counted: memray is not installed (paceline[memory])")


def is_exact(passes: Sequence[Readings]) -> bool:
    """Whether the passes of each side agree on the bytes. Resident memory comes in pages, so it may by chance."""
    traced = all(each[side].method is not Method.RESIDENT for each in passes for side in SIDES)
    return traced and all(len({each[side].size for each in passes}) == 1 for side in SIDES)


def exact(passes: Sequence[Readings], allowed: Allowance) -> Memory:
    """Return the verdict where the passes of each side agree on the bytes."""
    base, head = (passes[0][side].size for side in SIDES)
    ratio = head / base if base else None
    return replace(_judged(passes, _compared(base, head, allowed), allowed), exact=True, ratio=ratio)


def varying(case: Weighed, test: Benchmark, allowed: Allowance) -> Memory:
    """Return the verdict where they do not: that of the test."""
    found = test.finding()
    memory = _judged(case.passes, OF_TIME[test.verdict or Verdict.UNSURE], allowed)
    own = found.reason if found.rounds else case.failure or TOO_SHORT
    reason = "; ".join(filter(None, (own, memory.reason))) or None
    return replace(memory, ratio=found.ratio, low=found.low, high=found.high, rounds=found.rounds, reason=reason)


def _judged(passes: Sequence[Readings], of_bytes: MemoryVerdict, allowed: Allowance) -> Memory:
    """Return the verdict on bytes and allocations together, with the sizes of both sides."""
    base, head = (round(statistics.median(each[side].size for each in passes)) for side in SIDES)
    before, after = (_agreed([each[side].allocations for each in passes[:PASSES]]) for side in SIDES)
    verdicts = {of_bytes, *_on_allocations(before, after, allowed)}
    outside = sorted({name for each in passes for side in SIDES for name in each[side].outside})
    return Memory(
        next(each for each in WORST_FIRST if each in verdicts).value,
        passes[0]["base"].method.value,
        base_bytes=base,
        head_bytes=head,
        base_allocations=before,
        head_allocations=after,
        tolerance=allowed.share if allowed.size is None else None,
        tolerance_bytes=allowed.size,
        reason=f"{', '.join(outside)} may allocate outside Python" if outside else None,
    )


def _agreed(numbers: Sequence[int | None]) -> int | None:
    """Return the number that passes agree on; None if they do not."""
    return numbers[0] if len(set(numbers)) == 1 else None


def _on_allocations(base: int | None, head: int | None, allowed: Allowance) -> Iterator[MemoryVerdict]:
    """Yield the verdict on allocations, if both sides' were counted and the tolerance is not in bytes."""
    if base is not None and head is not None and allowed.size is None:
        yield _compared(base, head, allowed)


def _compared(base: int, head: int, allowed: Allowance) -> MemoryVerdict:
    if abs(head - base) <= allowed.of(base):
        return MemoryVerdict.SAME
    return MemoryVerdict.MORE if head > base else MemoryVerdict.LESS


def _log_ratio(readings: Readings) -> float:
    """Return a round's value; a byte is added on both sides, as there may be none."""
    return math.log((readings["head"].size + 1) / (readings["base"].size + 1))


def _unmeasured(case: Weighed) -> Memory:
    if case.failure is not None:
        return Memory(MemoryVerdict.UNAVAILABLE.value, reason=case.failure)
    return Memory(MemoryVerdict.UNSURE.value, reason=TOO_SHORT)
