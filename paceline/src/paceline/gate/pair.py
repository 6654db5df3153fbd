"""Two live processes, one per side, that time bursts in turn.

Within milliseconds both sides meet the same neighbours, frequency and cache, so the machine's noise cancels. Every
wait has a time limit, and a test can harm no process but its own.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from array import array
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar

from paceline.config.options import SIDES
from paceline.gate.worker.channel import ADDRESS, GATE_ENDED, Callee, ChannelLostError
from paceline.system.orphans import Orphans
from paceline.system.signals import put_off

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.gate.sides.launcher import Launch
    from paceline.gate.worker.messages import Message

Found = TypeVar("Found")

BURST = 0.009  # seconds: long enough for the clock, short enough to meet the same machine twice
CALIBRATED_FROM = 0.002  # seconds: a shorter burst is a poor guide to the next
MOST_CALLS = 10**7  # so many calls of an empty function fill a burst
PAIRS = 8  # of bursts in a round, at most: with 12, rounds take longer than they save, on a busy machine too
TIME_FOR_PAIRS = 0.2  # seconds per side and round, where a single call is longer than a burst
FEWEST_PAIRS = 3
WITHIN = 0.25  # of the tolerance: a standard error within a round that is small next to that between processes
WARM_UP = 1 / 3  # of a burst: it warms caches and clocks
LONG = 1.0  # seconds: from here a cold call is no worse than a warm one, and a warm-up is too dear
PROBES = 3
BUSY = 0.98  # share of the wall time that a benchmark must run or be ready to run, else it waits for something
ALONE = 1.02  # CPU time of the process over that of its thread: above this, other threads work for the benchmark
TESTS_PATIENCE = 5  # times the timeout: limit for one test in one round, all bursts together
PASSES = 2  # that count calls: what both agree on is a fact; one before them fills the interpreter's own caches
COUNTED_FROM = 20  # calls that a benchmark allows: with fewer, none can be spared for counting
WEIGHED = 3  # calls until the peak is read: the first two fill caches
COUNTED = 3  # calls until allocations are read: the first fills memray's caches, the last two must agree
PASSED = frozenset({"passed", "xfailed"})  # outcomes of a test that ran to its end
LISTENS = 0.2  # seconds between checks that the process is alive
COLLECTED = ("collected", "surveyed")
MOST_PRINTED = 1 << 22  # bytes of output: a longer log is emptied
LAST_WORDS = 1 << 16  # bytes at the end of the log in which an error is looked for
STARTS_WITHIN = 120.0  # seconds: least time limit for an interpreter to start, import and collect


@dataclass(frozen=True)
class End:
    """How a test ended on one side.

    `outcome`: passed, failed, skipped, xfailed, unused (never called the fixture), crashed, hung, cut (the gate
    gave it no more time), missing (not collected), or value (it is not timed, and gave `value`). `foreign`: modules
    of another tree, with their files. `origin`: see `origin.own_code`. `spoilt`: it lowered its process's limits, so
    later tests there may fail.
    """

    outcome: str
    reason: str | None = None
    version: str | None = None
    foreign: tuple[tuple[str, str], ...] = ()
    origin: Mapping[str, Sequence[str]] = field(default_factory=dict)
    value: float | None = None
    unit: str | None = None
    spoilt: bool = False


@dataclass(frozen=True)
class Timing:
    """One side's burst, in nanoseconds. `waits`: how often its thread gave up the CPU by itself; None if unknown."""

    wall: int
    process: int
    thread: int
    queued: int
    waits: int | None
    children: bool
    iterations: int
    passed: int = 0  #: nanoseconds by the gate's own clock, from the command to the answer; 0 if unknown

    def seconds(self, clock: str) -> float:
        """Return seconds per call by a clock, cpu or wall."""
        return (self.process if clock == "cpu" else self.wall) / self.iterations / 1e9

    @property
    def busy(self) -> float:
        """Share of the wall time in which the benchmark was running or ready to run."""
        return 1.0 if self.waits == 0 else (self.thread + self.queued) / self.wall


Burst = dict[str, Timing]  # by side
_ERROR = re.compile(r"Error|\berror:")


@dataclass(frozen=True)
class Recipe:
    """How a benchmark is timed in every round, the same for both sides. `cold`: its first call counts."""

    calls: int
    pairs: int
    clock: str
    cold: bool


@dataclass(frozen=True)
class Sampling:
    """How often the sides are sampled in turn in one round, and for how many calls each time.

    `counted`: the calls of each function are counted too, twice, if the benchmark may be called often enough.
    """

    recipe: Recipe
    calls: int
    bursts: int
    counted: bool = False


@dataclass
class Visit:
    """One benchmark in one round. `clock`: the one that fits its bursts on free CPUs; wall without such bursts."""

    ends: dict[str, End] = field(default_factory=dict)
    recipe: Recipe | None = None
    bursts: list[Burst] = field(default_factory=list)
    clock: str = "wall"
    is_bare: bool = False  #: the bursts are calls alone, without setups in between that are not timed
    samples: list[dict[str, Message]] = field(default_factory=list)  #: by side, of each sampled burst
    counts: list[dict[str, Message]] = field(default_factory=list)  #: by side, of each pass that counts calls
    memory: dict[str, Message] = field(default_factory=dict)  #: by side, see `Pair.weigh`

    @property
    def is_complete(self) -> bool:
        """Whether both sides were timed and ran to their end."""
        ended = [self.ends[side].outcome for side in SIDES if side in self.ends]
        return bool(self.bursts) and len(ended) == len(SIDES) and PASSED.issuperset(ended)

    @property
    def is_cut(self) -> bool:
        """Whether the gate ended it for lack of time, so that it has no result."""
        return any(end.outcome == "cut" for end in self.ends.values())

    def log_ratio(self, clock: str) -> float | None:
        """Round value: median over bursts of log(head / base); None if the clock stood still."""
        usable = self._log_ratios(clock)
        return statistics.median(usable) if usable else None

    def _log_ratios(self, clock: str) -> list[float]:
        pairs = [(pair["head"].seconds(clock), pair["base"].seconds(clock)) for pair in self.bursts]
        return [math.log(head / base) for head, base in pairs if head > 0 and base > 0]

    def distances(self, clock: str) -> list[float]:
        """Return how far each burst's log-ratio lies from the round value; the same with the sides swapped."""
        ratios = self._log_ratios(clock)
        return [abs(ratio - statistics.median(ratios)) for ratio in ratios]

    def gates_log_ratio(self) -> float | None:
        """Return the round value by the gate's own clock; None if the bursts are more than timed calls."""
        pairs = [(pair["head"].passed, pair["base"].passed) for pair in self.bursts]
        usable = [math.log(head / base) for head, base in pairs if head > 0 and base > 0]
        return statistics.median(usable) if usable and self.is_bare else None

    def base_seconds(self, clock: str) -> float:
        """Return base's median seconds per call."""
        return statistics.median(pair["base"].seconds(clock) for pair in self.bursts)


def needed_pairs(distances: Sequence[float], tolerance: float) -> int:
    """Return how many pairs of bursts, at least 3, make the error of their median small next to the tolerance.

    `distances` are those of the rounds so far. The rule keeps the sign-flip tests exact. A swap of the sides in any
    of these rounds turns its log-ratios around, and their median, and leaves every distance between them. So it
    changes neither the pairs nor a later round, and each round's sign is a fair coin, given the sizes of all.
    """
    spread = 1.4826 * statistics.median(distances)
    needed = math.ceil(math.pi / 2 * (spread / (WITHIN * math.log1p(tolerance))) ** 2)  # pi / 2: of a median
    return max(FEWEST_PAIRS, needed)


def choose_clock(bursts: Sequence[Burst]) -> str:
    """Return `cpu` if CPU time misses nothing, else `wall`. `bursts` are of one round, on free CPUs.

    CPU time misses waiting, contention between threads, and child processes. A benchmark that is preempted, or whose
    CPU the hypervisor takes, does not give up its CPU by itself, so a loaded machine does not change the choice.
    CPU time must fit both sides, so the choice is the same with their names swapped.
    """
    if os.name == "nt":
        return "wall"
    for side in bursts[0]:
        timings = [burst[side] for burst in bursts]
        if any(timing.children or timing.thread <= 0 or timing.wall <= 0 for timing in timings):
            return "wall"
        busy = statistics.median(timing.busy for timing in timings)
        alone = statistics.median(timing.process / timing.thread for timing in timings)
        if busy < BUSY or alone > ALONE:
            return "wall"
    return "cpu"


class SideEndedError(Exception):
    """A side's test or process ended while a burst was expected."""


class Process:
    """One side's process, with its channel and its log."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self._callee = Callee()
        self._log = log
        log.unlink(missing_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launch.command,
                cwd=launch.folder,
                env={**launch.environment, ADDRESS: self._callee.address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_inheriting(self._callee.inherited.fileno()),
            )
        self._callee.hand_over()
        self._task: Message | None = launch.task
        self._end: End | None = None

    def send(self, message: Message) -> None:
        """Send a command; a lost worker is noticed by the next receive."""
        with contextlib.suppress(ChannelLostError):
            self._callee.send(message)

    def greet(self, patience: float) -> None:
        """Send the task as soon as the worker says hello; the next receive reports a failure."""
        until = time.monotonic() + patience
        while self._task is not None and self._end is None and (left := until - time.monotonic()) > 0:
            self._hear(left, ())

    def receive(self, patience: float, events: Collection[str]) -> Message | End:
        """Return one of these events; an End if the process crashed, hung or sent something else."""
        until = time.monotonic() + patience
        while self._end is None and (left := until - time.monotonic()) > 0:
            message = self._hear(left, events)
            if message is not None:
                return message
        return self._end or End("hung", f"no answer for {patience:g} s (--benchmark-timeout)")

    def _hear(self, patience: float, events: Collection[str]) -> Message | None:
        """Listen for a moment: return one of these events, answer a hello, or note the End."""
        ended = self._process.poll() is not None
        try:
            message = self._callee.receive(min(patience, LISTENS if not ended else 0.001))
        except ChannelLostError as error:
            self._end = self._crash(str(error))
            return None
        self._shorten_log()
        if message is None:
            self._end = self._crash() if ended else None
        elif message["event"] in events:
            return message
        elif message["event"] == "hello" and self._task is not None:
            self.send(self._task)
            self._task = None
        else:
            self._end = End("crashed", f"sent the gate an unexpected {message['event']!r}")
        return None

    def _shorten_log(self) -> None:
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > MOST_PRINTED:
                os.truncate(self._log, 0)

    def _crash(self, why: str = "") -> End:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        status = self._process.returncode
        if status is None or status == GATE_ENDED:
            return End("crashed", why or "closed the gate's channel")
        if status < 0:
            with contextlib.suppress(ValueError):
                return End("crashed", f"killed by {signal.Signals(-status).name}")
        return End("crashed", f"the interpreter ended with status {status}")

    def last_words(self) -> str:
        """Return the last line of the output that shows an error, or else the last line of all."""
        with self._log.open("rb") as file:
            file.seek(-min(LAST_WORDS, file.seek(0, os.SEEK_END)), os.SEEK_END)
            text = file.read(LAST_WORDS).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip(" =_-\n")]
        errors = [line for line in lines if line.startswith(("E ", "ERROR", "INTERNALERROR>")) or _ERROR.search(line)]
        return ((errors or lines or ["it printed nothing"])[-1].removeprefix("E ").strip())[:300]

    def kill(self) -> None:
        """Close the channel, and end the process with all that it started."""
        self._callee.close()
        if os.name == "nt":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _inheriting(number: int) -> dict[str, Any]:
    """Return the arguments by which a new process gets an open socket."""
    if sys.platform == "win32":
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [number]})}
    return {"pass_fds": (number,)}


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
        self._processes: dict[str, Process] = {}
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
                self._processes[side] = Process(launches[side], self._logs / side)
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
        ends: SimpleQueue[tuple[str, str, End] | None] = SimpleQueue()

        def run(side: str, names: Iterable[str]) -> None:
            alone = copy.copy(self)
            alone._processes = {side: self._processes[side]}  # noqa: SLF001 - of its own kind
            try:
                for name in itertools.takewhile(lambda _: not alone.lost, names):
                    ends.put((side, name, alone.rehearse(name, seconds, until())[side]))
            finally:
                if alone.lost:
                    self.lost = True
                ends.put(None)

        for part in parts.items():
            threading.Thread(target=run, args=part, daemon=True).start()
        for _ in parts:
            yield from iter(ends.get, None)

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

    def _recording(self, process: Process) -> Message | End:
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
