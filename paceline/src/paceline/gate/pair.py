"""Two live processes, one per side, that time bursts in turn.

Within milliseconds both sides meet the same neighbours, frequency and cache, so the machine's noise cancels. Every
wait has a time limit, and a test can harm no process but its own.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import statistics
import threading
import time
from array import array
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self, TypeVar

from paceline.config.options import SIDES
from paceline.gate.explain.native import NotWatchedError, watching
from paceline.gate.side_process import SideProcess
from paceline.gate.visit import FEWEST_PAIRS, Burst, End, Recipe, Sampling, Timing, Visit, choose_clock
from paceline.system.orphans import Orphans
from paceline.system.signals import put_off

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.gate.sides.launcher import Launch
    from paceline.gate.worker.messages import Message

Found = TypeVar("Found")

BURST = 0.009  # seconds: long enough for the clock, short enough to meet the same machine twice
CALIBRATED_FROM = 0.002  # seconds: a shorter burst is a poor guide to the next
MOST_CALLS = 10**7  # so many calls of an empty function fill a burst
PAIRS = 8  # of bursts in a round, at most: with 12, rounds take longer than they save, on a busy machine too
TIME_FOR_PAIRS = 0.2  # seconds per side and round, where a single call is longer than a burst
WARM_UP = 1 / 3  # of a burst: it warms caches and clocks
LONG = 1.0  # seconds: from here a cold call is no worse than a warm one, and a warm-up is too dear
PROBES = 3
TESTS_PATIENCE = 5  # times the timeout: limit for one test in one round, all bursts together
PASSES = 2  # that count calls: what both agree on is a fact; one before them fills the interpreter's own caches
COUNTED_FROM = 20  # calls that a benchmark allows: with fewer, none can be spared for counting
WEIGHED = 3  # calls until the peak is read: the first two fill caches
COUNTED = 3  # calls until allocations are read: the first fills memray's caches, the last two must agree
COLLECTED = ("collected", "surveyed")
STARTS_WITHIN = 120.0  # seconds: least time limit for an interpreter to start, import and collect


class SideEndedError(Exception):
    """A side's test or process ended while a burst was expected."""


class Pair:
    """The processes of a round, one for each side or for one alone. Use it as a context manager, which ends them.

    `starts_within`: time limit in seconds for an interpreter to start, import and collect.
    """

    def __init__(
        self, workspace: Path, timeout: float, coins: random.Random, starts_within: float = STARTS_WITHIN
    ) -> None:
        self._logs = workspace / "logs"
        self._timeout = timeout
        self._starts_within = max(timeout, starts_within)
        self._coins = coins
        self._processes: dict[str, SideProcess] = {}
        self._until = self._cut_at = math.inf
        self.lost = False
        self.files: dict[str, float] = {}
        self._visit = Visit()
        self._order: Sequence[str] = SIDES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with put_off():
            for process in self._processes.values():
                process.kill()
            self._orphans.end()

    def start(self, launches: Mapping[str, Launch], first: str) -> None:
        """Start a process for each of these sides, for `first` first."""
        self._orphans = Orphans()
        try:
            for side in sorted(launches, key=lambda side: side != first):
                self._processes[side] = SideProcess(launches[side], self._logs / side)
        except BaseException:
            self.__exit__()
            raise

    def collected(self, until: float = math.inf) -> dict[str, Message | End]:
        """Return what each side has collected, or the End of its process; wait no longer than `until`.

        Then `files` has the seconds that each file took on the slower side.
        """
        patience = min(self._starts_within, max(0.0, until - time.monotonic()))
        for process in self._processes.values():  # in the order that was drawn; then both work at once
            process.greet(patience)
        found = {side: process.receive(patience, COLLECTED) for side, process in self._processes.items()}
        for side, message in found.items():
            if isinstance(message, End):
                self.lost = True
                outcome = "cut" if message.outcome == "hung" and time.monotonic() >= until else message.outcome
                found[side] = End(outcome, f"{message.reason}: {self._processes[side].last_words()}")
            else:
                for file, taken in message["nanoseconds"].items():
                    self.files[file] = max(self.files.get(file, 0.0), taken / 1e9)
        return found

    def visit(self, nodeid: str, recipe: Recipe | None, cpus: Sequence[int], until: float = math.inf) -> Visit:
        """Time one benchmark on each side for one round, by the recipe, or find one. `cpus`: pin to these, if any.

        At `until` it is cut, and the pair is lost.
        """
        return self._visited(nodeid, recipe, until, lambda most: self._time(most, cpus))

    def sample(self, nodeid: str, sampling: Sampling, cpus: Sequence[int], until: float) -> Visit:
        """Sample one benchmark in bursts on each side for one round; the result has `samples` instead of `bursts`."""
        return self._visited(nodeid, sampling.recipe, until, lambda most: self._sample(most, sampling, cpus))

    def weigh(self, nodeid: str, gauge: str | None, until: float) -> Visit:
        """Measure one benchmark's memory on each side by this gauge; the result has `memory` instead of `bursts`.

        Without a gauge, it is "high-water" where a framework that allocates outside Python is loaded, else "peak".
        """
        return self._visited(nodeid, None, until, lambda most: self._weigh(most, gauge), weighs=True)

    def _visited(
        self,
        nodeid: str,
        recipe: Recipe | None,
        until: float,
        work: Callable[[int | None], None],
        *,
        weighs: bool = False,
    ) -> Visit:
        """Run one test on each side, and do this work while it waits inside `benchmark(...)`."""
        self._visit = Visit(recipe=recipe)
        self._cut_at = until
        self._until = min(time.monotonic() + TESTS_PATIENCE * self._timeout, until)
        self._order = self._shuffled()
        for side in self._order:
            self._processes[side].send({"do": "run", "item": nodeid, "weighs": weighs})
        with contextlib.suppress(SideEndedError):
            arrived = self._on_each(self._order, self._arrive).values()
            self._visit.is_bare = all(limit is None for limit in arrived)
            work(min((limit for limit in arrived if limit is not None), default=None))
        with contextlib.suppress(SideEndedError):
            self._on_each(self._order, self._finish)
        return self._visit

    def _shuffled(self) -> list[str]:
        """Return the sides in random order."""
        return self._coins.sample(list(self._processes), len(self._processes))

    def rehearse(self, nodeid: str, seconds: float = 0.0, until: float = math.inf) -> dict[str, End]:
        """Run one test on each side, untimed, with calls for some `seconds`. Returns how it ended there.

        At `until` it is cut, which costs the processes.
        """
        self._visit = Visit()
        self._until, self._cut_at = min(time.monotonic() + TESTS_PATIENCE * self._timeout, until), until
        for process in self._processes.values():
            process.send({"do": "run", "item": nodeid})
        with contextlib.suppress(SideEndedError):
            limits = self._on_each([*self._processes], self._arrive).values()
            self._call(seconds, min((limit for limit in limits if limit is not None), default=MOST_CALLS))
        with contextlib.suppress(SideEndedError):
            self._on_each([*self._processes], self._finish)
        return self._visit.ends

    def rehearse_apart(
        self, parts: Mapping[str, Iterable[str]], seconds: float, until: Callable[[], float]
    ) -> Iterator[tuple[str, str, End]]:
        """Run tests of its own on each side, as `rehearse`, where neither side waits for the other.

        Yields each side, test and how it ended. `until` is called before each; a side that is lost runs no more.
        """
        ends: SimpleQueue[tuple[str, str, End] | BaseException | None] = SimpleQueue()

        def run(side: str, names: Iterable[str]) -> None:
            alone = copy.copy(self)
            alone._processes = {side: self._processes[side]}  # noqa: SLF001 - of its own kind
            failure = None
            try:
                for name in itertools.takewhile(lambda _: not alone.lost, names):
                    ends.put((side, name, alone.rehearse(name, seconds, until())[side]))
            except BaseException as error:  # noqa: BLE001  # raised below
                failure = error
            if alone.lost:
                self.lost = True
            ends.put(failure)

        for part in parts.items():
            threading.Thread(target=run, args=part, daemon=True).start()
        running = len(parts)
        while running:
            end = ends.get()
            if isinstance(end, BaseException):
                raise end
            if end is None:
                running -= 1
            else:
                yield end

    def _call(self, seconds: float, most: int) -> None:
        """Call what is under test on each side as often, a power of two, as fits into some seconds."""
        if not seconds:
            return
        longest = max(timing.wall for timing in self._burst(1).values()) / 1e9
        more = min(most - 1, int(seconds / max(longest, 1e-9)))
        if more > 1:
            self._burst(1 << more.bit_length() - 1)

    def recordings(self) -> dict[str, Message | End]:
        """Return what each side, started with `Launcher.recording`, ran in its rehearsals. It runs nothing after."""
        for process in self._processes.values():
            process.send({"do": "tell"})
        found = {side: self._recording(process) for side, process in self._processes.items()}
        self.lost |= any(isinstance(each, End) for each in found.values())
        return found

    def _recording(self, process: SideProcess) -> Message | End:
        """Receive the benchmarks one by one, which take little memory as arrays, then what they have in common."""
        benchmarks: list[Message] = []
        while True:
            found = process.receive(self._starts_within, {"ran", "recorded"})
            if isinstance(found, End):
                return found
            if found["event"] == "recorded":
                return found | {"benchmarks": benchmarks}
            benchmarks.append({"name": found["name"], "ran": array("I", found["ran"])})

    def _on_each(self, sides: Sequence[str], ask: Callable[[str], Found]) -> dict[str, Found]:
        """Ask all of these sides, even if the first has ended: an end on both is not head's fault."""
        found: dict[str, Found] = {}
        for side in sides:
            with contextlib.suppress(SideEndedError):
                found[side] = ask(side)
        if len(found) < len(sides):
            raise SideEndedError
        return found

    def _arrive(self, side: str) -> int | None:
        """Wait until a test stops inside `benchmark(...)`; return how many calls it allows, None for any number."""
        message = self._await(side, "at")
        if message["event"] == "done":
            self._end(side, message, unused=True)
            raise SideEndedError
        most: int | None = message["most"]
        return most

    def _finish(self, side: str) -> None:
        if side not in self._visit.ends:
            self._processes[side].send({"do": "finish"})
            self._end(side, self._await(side), unused=False)

    def _end(self, side: str, message: Message, *, unused: bool) -> None:
        outcome, value, unit = message["outcome"], message["value"], message["unit"]
        if unused and outcome == "passed":
            outcome = "unused" if unit is None else "value"
        reason = "never called the benchmark fixture" if outcome == "unused" else message["reason"]
        foreign = tuple((name, file) for name, file in message["foreign"])
        self._visit.ends[side] = End(
            outcome, reason, message["version"], foreign, message["origin"], value, unit, spoilt=message["spoilt"]
        )

    def _await(self, side: str, *events: str) -> Message:
        """Wait for the test's end, or one of these events before it."""
        patience = min(self._timeout, max(0.0, self._until - time.monotonic()))
        message = self._processes[side].receive(patience, {"done", *events})
        if isinstance(message, End):
            self.lost = True
            if message.outcome == "hung" and time.monotonic() >= self._cut_at:
                message = End("cut", "took longer than its share of the time")
            self._visit.ends[side] = message
            raise SideEndedError
        return message

    def _ask(self, side: str, command: Message, event: str) -> Message:
        self._processes[side].send(command)
        message = self._await(side, event)
        if message["event"] == "done":  # the function under test has raised
            self._end(side, message, unused=False)
            raise SideEndedError
        return message

    def _burst(self, calls: int) -> Burst:
        """Time one burst on each side, in random order."""

        def timed(side: str) -> Timing:
            started = time.perf_counter_ns()
            message = self._ask(side, {"do": "burst", "calls": calls}, "burst")
            passed = time.perf_counter_ns() - started
            del message["event"]
            return Timing(**message, passed=passed)

        return self._on_each(self._shuffled(), timed)

    def _sample(self, most: int | None, sampling: Sampling, cpus: Sequence[int]) -> None:
        """Sample bursts of as many calls on both sides, each time in random order; a first one warms up."""
        recipe = sampling.recipe
        if recipe.clock == "cpu":
            self._pin(cpus)
        calls, bursts = sampling.calls, sampling.bursts
        counted = sampling.counted and not recipe.cold and (most is None or most >= COUNTED_FROM)
        if most is not None:
            most -= (1 + PASSES) * counted
            bursts = min(bursts, max(1, most - 1))
            calls = max(1, min(calls, (most - 1) // bursts))
        if not recipe.cold:
            self._burst(1 if most is not None else recipe.calls)

        for _ in range(bursts):
            self._visit.samples.append(self._sampled(calls, recipe.clock))
        passes = [self._sampled(1, "calls") for _ in range((1 + PASSES) * counted)]
        self._visit.counts = passes[1:]
        if sampling.spy is not None and most is None:
            self._watch(sampling.spy, calls * bursts)

    def _watch(self, spy: str, calls: int) -> None:
        """Let py-spy watch a burst on each side; what it cannot do is left out."""

        def watched(side: str) -> None:
            file = self._logs / f"{side}.stacks"
            with watching(spy, self._processes[side].pid, file):
                self._ask(side, {"do": "burst", "calls": calls}, "burst")
            self._visit.stacks[side] = file.read_text(encoding="utf-8", errors="replace")

        try:
            self._on_each(self._shuffled(), watched)
        except (NotWatchedError, OSError) as error:
            self._visit.unwatched = str(error)

    def _sampled(self, calls: int, how: str) -> dict[str, Message]:
        """Sample a burst on each side by a clock, cpu or wall; or count its calls."""

        def asked(side: str) -> Message:
            event = "counted" if how == "calls" else "sampled"
            return self._ask(side, {"do": "burst", "calls": calls, "sampled": how}, event)

        return self._on_each(self._shuffled(), asked)

    def _weigh(self, most: int | None, gauge: str | None) -> None:
        """Measure the last of a few calls, then count the allocations of further ones."""
        if gauge is None:
            is_outside = any(each["outside"] for each in self._gauged("high-water", 0).values())
            gauge = "high-water" if is_outside else "peak"
        calls = WEIGHED if most is None else max(1, min(WEIGHED, most - COUNTED))
        found = self._gauged(gauge, calls)
        counted = {}
        if gauge == "peak" and (most is None or most >= calls + COUNTED):
            counted = self._gauged("allocations", COUNTED)
        numbers = {side: each["allocations"] for side, each in counted.items()}
        for side, each in found.items():
            self._visit.memory[side] = {**each, "gauge": gauge, "allocations": numbers.get(side)}

    def _gauged(self, gauge: str, calls: int) -> dict[str, Message]:
        def asked(side: str) -> Message:
            command = {"do": "burst", "calls": calls, "gauge": gauge, "folder": str(self._logs)}
            return self._ask(side, command, "gauged")

        return self._on_each(self._shuffled(), asked)

    def _pin(self, cpus: Sequence[int]) -> None:
        if cpus:
            for side in self._order:
                self._ask(side, {"do": "pin", "cpus": list(cpus)}, "pinned")

    def _time(self, most: int | None, cpus: Sequence[int]) -> None:
        visit = self._visit
        if visit.recipe is None:
            self._explore(most, cpus)
            return
        if visit.recipe.clock == "cpu":
            self._pin(cpus)
        limited = visit.recipe.cold or most is not None
        first = self._burst(1 if limited else math.ceil(WARM_UP * visit.recipe.calls))
        if visit.recipe.cold:
            visit.bursts = [first]
        else:
            visit.bursts = [self._burst(visit.recipe.calls) for _ in range(visit.recipe.pairs)]
        if visit.recipe.clock == "wall":  # so the bursts ran on free CPUs
            visit.clock = choose_clock(visit.bursts)

    def _explore(self, most: int | None, cpus: Sequence[int]) -> None:
        """Find the recipe in the first round, on free CPUs, by a rule that treats the sides alike."""
        visit = self._visit
        first = self._burst(1)
        longest = max(timing.wall for timing in first.values()) / 1e9
        if most == 1 or longest > LONG:
            visit.bursts = [first]
            visit.clock = choose_clock(visit.bursts)
            visit.recipe = Recipe(1, 1, visit.clock, cold=True)
        elif most is not None:
            affordable = max(FEWEST_PAIRS, int(TIME_FOR_PAIRS / max(longest, BURST)))
            pairs = min(PAIRS, affordable, most - 1)
            calls = max(1, min((most - 1) // pairs, round(BURST / max(longest, 1e-9))))
            visit.bursts = [self._burst(calls) for _ in range(pairs)]
            visit.clock = choose_clock(visit.bursts)
            visit.recipe = Recipe(calls, pairs, visit.clock, cold=False)
        else:
            calls, seconds = self._calibrate(longest)
            visit.clock = choose_clock([self._burst(calls) for _ in range(PROBES)])
            pairs = max(FEWEST_PAIRS, min(PAIRS, int(TIME_FOR_PAIRS / max(seconds, 1e-9))))
            visit.recipe = Recipe(calls, pairs, visit.clock, cold=False)
            self._pin(cpus if visit.clock == "cpu" else ())
            visit.bursts = [self._burst(calls) for _ in range(pairs)]

    def _calibrate(self, seconds: float) -> tuple[int, float]:
        """Return the number of calls that fill a burst, and its seconds (the mean of the sides)."""
        calls = 1
        while True:
            timings = self._burst(calls).values()
            seconds = statistics.fmean(timing.wall for timing in timings) / 1e9
            if seconds >= CALIBRATED_FROM or calls >= MOST_CALLS:
                break
            calls = min(calls * 10, max(calls + 1, math.ceil(calls * BURST / max(seconds, 1e-9))))
        scaled = max(1, round(calls * BURST / seconds))
        return scaled, seconds * scaled / calls
