"""One benchmark that is explained: how to sample it, and what its rounds have found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.explain import facts, native
from paceline.gate.explain.account import SampledRound, explain
from paceline.gate.visit import PASSED, Sampling
from paceline.report.flames import Flames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from paceline.gate.explain.account import Function, Times
    from paceline.gate.verdict import Benchmark
    from paceline.gate.visit import Visit
    from paceline.gate.worker.messages import Message
    from paceline.report.explanations import Explanation, FunctionChange
    from paceline.report.flames import Stack

TURN = 0.05  # seconds: the sides are sampled in turns of about this length, so that both meet the same machine
MOST_TURNS = 20
MOST_STACKS = 20_000  # of a side: further ones count for the first function that the benchmark calls


@dataclass
class Case:
    """One benchmark that is explained, with the rounds so far."""

    benchmark: Benchmark
    seconds: float  #: of a call, on the slower side
    counts: bool = True  #: its calls are counted
    spy: str | None = None  #: path of py-spy, if functions in C are looked at
    rounds: list[SampledRound] = field(default_factory=list)
    _samples: int = 0
    _counts: list[dict[str, Message]] = field(default_factory=list)
    _in_c: dict[str, Mapping[str, Counter[str]]] = field(default_factory=dict)
    _contents: dict[str, dict[Function, set[str]]] = field(default_factory=lambda: {side: {} for side in SIDES})
    _stacks: dict[str, dict[Stack, float]] = field(default_factory=lambda: {side: {} for side in SIDES})

    def sampling(self, seconds: float) -> Sampling | None:
        """Return how to sample each side for about these seconds; None without a recipe."""
        recipe = self.benchmark.recipe
        if recipe is None:
            return None
        if recipe.cold:
            return Sampling(recipe, 1, 1)
        counted = self.counts and not self.rounds
        spy = self.spy if len(self.rounds) == 1 else None
        turns = max(1, min(MOST_TURNS, int(seconds / max(self.seconds, TURN))))
        return Sampling(recipe, max(1, round(seconds / turns / self.seconds)), turns, counted, spy)

    def add(self, visit: Visit) -> str:
        """Take a round; returns why it could not be used, or an empty text."""
        for side, end in visit.ends.items():
            if end.outcome not in PASSED or end.foreign:
                return f"{side} ran other code" if end.foreign else f"{side} {end.outcome}: {end.reason or ''}"
        times = {side: self._times(side, visit) for side in SIDES}
        if not visit.samples or not all(sum(each.values()) for each in times.values()):
            return "it could not be sampled"
        self.rounds.append(SampledRound(**times))
        self._counts += visit.counts
        self._in_c |= {side: native.below(text) for side, text in visit.stacks.items()}
        for side in SIDES:
            self._note_contents(side, (each[side] for each in visit.counts))
        return ""

    def _times(self, side: str, visit: Visit) -> Times:
        """Return nanoseconds per call of each function; notes stacks and contents."""
        found: Times = {}
        calls = sum(burst[side]["iterations"] for burst in visit.samples)
        for burst in visit.samples:
            for stack, nanoseconds, samples in _stacks(burst[side]):
                found[stack[-1]] = found.get(stack[-1], 0.0) + nanoseconds / calls
                self._add_stack(side, stack, nanoseconds / calls)
                self._samples += samples
        self._note_contents(side, (each[side] for each in visit.samples))
        return found

    def _add_stack(self, side: str, stack: Stack, nanoseconds: float) -> None:
        stacks = self._stacks[side]
        if stack not in stacks and len(stacks) >= MOST_STACKS:
            stack = stack[:1]
        stacks[stack] = stacks.get(stack, 0.0) + nanoseconds

    def _note_contents(self, side: str, messages: Iterable[Message]) -> None:
        for each in (each for message in messages for each in message["functions"]):
            self._contents[side].setdefault((each["place"], each["name"]), set()).update(each["contents"])

    def explanation(self) -> Explanation:
        """Return which functions differ, by these rounds, and what else is known of them."""
        code = self._code()
        found = facts.find(self._counts, code)
        why = explain(self.rounds, self._samples, code)
        return replace(
            why,
            functions=tuple(
                replace(each, by=found.by.get((each.file, each.function), ""), calls=self._called(each))
                for each in why.functions
            ),
            calls=found.calls,
            allocations=found.allocations,
            unsteady=found.unsteady,
        )

    def _called(self, function: FunctionChange) -> str:
        """Return the function in C that has most of a function's time, on the side where it takes longer."""
        side = SIDES[function.difference.change > 0]
        return native.most_of(self._in_c.get(side, {}).get(function.function, Counter())) if function.named else ""

    def flames(self, why: Explanation) -> Flames:
        """Return the stacks of both sides, with seconds per call."""
        scale = 1e-9 / len(self.rounds)
        base, head = ({stack: scale * time for stack, time in self._stacks[side].items()} for side in SIDES)
        return Flames(self.benchmark.name, base, head, why)

    def _code(self) -> dict[Function, str]:
        """Return which functions of the sides' trees have the same code, and which have not."""
        base, head = (self._contents[side] for side in SIDES)
        both = {each: (base[each], head[each]) for each in base.keys() & head.keys() if base[each] and head[each]}
        same = {each: "same" for each, (before, after) in both.items() if before == after}
        return same | {each: "changed" for each, (before, after) in both.items() if before.isdisjoint(after)}


def _stacks(sampled: Message) -> Iterator[tuple[Stack, int, int]]:
    """Yield stacks, the outermost function of each first, with nanoseconds and samples."""
    names = [(each["place"], each["name"]) for each in sampled["functions"]]
    for each in sampled["stacks"]:
        yield tuple(names[number] for number in each["frames"]), each["nanoseconds"], each["samples"]
