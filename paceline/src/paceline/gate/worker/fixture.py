"""The `benchmark` fixture inside a trial: pytest-benchmark's public interface, timed on the gate's command.

It is a BenchmarkFixture, so that annotations and type checks in a suite hold, but uses nothing private of it.
Standard library, pytest and pytest-benchmark only: workers load this.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import os
import random
import sys
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pytest_benchmark.fixture import BenchmarkFixture, FixtureAlreadyUsed
from pytest_benchmark.stats import Metadata

from paceline.gate.worker.real import Real
from paceline.gate.worker.suites import codspeed_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pytest

    from paceline.gate.worker.channel import Caller

_CLOCKS = (Real.wall, Real.process, Real.thread)  # a tuple: tools that freeze time look for attributes of modules

LINE = 100  # bytes, of which a file of three numbers has fewer

Reading = tuple[int, int, int]


def _unmeasured(target: Callable[..., Any]) -> Callable[..., Any]:
    return target


class Watch:
    """Is opened around calls that are timed; it does nothing unless they are sampled, or their memory is measured."""

    timed: ClassVar[Callable[[], AbstractContextManager[None]]] = contextlib.nullcontext
    around: ClassVar[Callable[[Callable[..., Any]], Callable[..., Any]]] = _unmeasured
    is_open: ClassVar[bool] = False


class Subject(Protocol):
    """What a trial times. `most`: how often it may be called in one process, None for any number."""

    most: int | None
    iterations: int

    def time(self, calls: int) -> Reading:
        """Return wall, process and thread time of `calls` calls, in nanoseconds."""

    def result(self) -> Any:
        """Value of the last call."""


def _read_clocks() -> Reading:
    wall, process, thread = _CLOCKS
    return wall(), process(), thread()


def _read_clocks_before() -> Reading:
    """In the other order, so that the time of reading them lies outside, as far as it can."""
    wall, process, thread = _CLOCKS
    at_thread, at_process = thread(), process()
    return wall(), at_process, at_thread


def _difference(before: Reading, after: Reading) -> Reading:
    return after[0] - before[0], after[1] - before[1], after[2] - before[2]


class Plain:
    """What `benchmark(...)` repeats: bare calls, as many in a burst as asked."""

    most: int | None = None
    iterations = 1

    def __init__(self, target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._target, self._args, self._kwargs = target, args, kwargs
        self._result: tuple[Any] | None = None

    def time(self, calls: int) -> Reading:
        """Return wall, process and thread time of `calls` calls, in nanoseconds."""
        target, args, kwargs = Watch.around(self._target), self._args, self._kwargs
        self._result = None
        with Watch.timed():
            if calls == 1:
                before = _read_clocks_before()
                result = target(*args, **kwargs)
                after = _read_clocks()
                self._result = (result,)
            else:
                loop = range(calls)
                before = _read_clocks_before()
                for _ in loop:
                    target(*args, **kwargs)
                after = _read_clocks()
        return _difference(before, after)

    def result(self) -> Any:
        """Value of the last call; called once more if bursts were too short to keep it."""
        if self._result is None:
            return self._target(*self._args, **self._kwargs)
        return self._result[0]


class Awaited:
    """What `await benchmark(...)` repeats: calls of a coroutine function, each awaited in the test's own loop."""

    most: int | None = None
    iterations = 1

    def __init__(self, target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._target, self._args, self._kwargs = target, args, kwargs
        self._result: Any = None

    async def time(self, calls: int) -> Reading:
        """Return wall, process and thread time of `calls` calls, in nanoseconds."""
        target, args, kwargs = Watch.around(self._target), self._args, self._kwargs
        loop, result = range(calls), self._result
        with Watch.timed():
            before = _read_clocks_before()
            for _ in loop:
                result = await target(*args, **kwargs)
            after = _read_clocks()
        self._result = result
        return _difference(before, after)

    def result(self) -> Any:
        """Value of the last call."""
        return self._result


class Pedantic:
    """What `benchmark.pedantic(...)` repeats: set-up, timed iterations, teardown; no more than it allows."""

    def __init__(
        self,
        target: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        setup: Callable[[], Any] | None,
        teardown: Callable[..., Any] | None,
        rounds: int,
        warmup_rounds: int,
        iterations: int,
    ) -> None:
        for name, value, least in (
            ("iterations", iterations, 1),
            ("rounds", rounds, 1),
            ("warmup_rounds", warmup_rounds, 0),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"Must have positive int for `{name}`.")
        if iterations > 1 and setup:
            raise ValueError("Can't use more than 1 `iterations` with a `setup` function.")
        self._target, self._args, self._kwargs = target, args, kwargs or {}
        self._setup, self._teardown = setup, teardown
        self.iterations = iterations
        self.most: int | None = rounds + warmup_rounds
        self._result: tuple[Any] | None = None

    def _arguments(self) -> tuple[Sequence[Any], Mapping[str, Any]]:
        given = self._setup() if self._setup else None
        if not given:
            return self._args, self._kwargs
        if self._args or self._kwargs:
            raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
        args, kwargs = given
        return args, kwargs

    def time(self, calls: int) -> Reading:
        """Return wall, process and thread time of `calls` pedantic rounds without set-up, in nanoseconds."""
        total = (0, 0, 0)
        for _ in range(calls):
            args, kwargs = self._arguments()
            subject = Plain(self._target, args, kwargs)
            spent = subject.time(self.iterations)
            if self.iterations == 1:
                self._result = (subject.result(),)
            total = (total[0] + spent[0], total[1] + spent[1], total[2] + spent[2])
            if self._teardown is not None:
                self._teardown(*args, **kwargs)
        return total

    def result(self) -> Any:
        """Value of the last call; with several iterations one more call, as pytest-benchmark makes it."""
        if self._result is not None:
            return self._result[0]
        args, kwargs = self._arguments()
        result = self._target(*args, **kwargs)
        if self._teardown is not None:
            self._teardown(*args, **kwargs)
        return result


@dataclass(frozen=True)
class Burst:
    """A burst that the gate has asked for, and what the system's counters were before it.

    `sampled`: it is sampled by this clock, cpu or wall, or its calls are counted, instead of timed. `gauge`: what
    measures its memory instead, with files in this folder.
    """

    calls: int
    sampled: str | None
    gauge: str | None
    folder: str | None
    children: float
    queued: int
    waits: int


class TrialFixture(BenchmarkFixture):
    """Stops inside the call, times bursts until the gate has enough, then lets the test go on."""

    def __init__(
        self, node: pytest.Item, channel: Caller, *, recorded: bool = False, roots: Sequence[str] = ()
    ) -> None:
        marker = node.get_closest_marker("benchmark")
        options = dict(marker.kwargs) if marker else {}
        callspec = getattr(node, "callspec", None)
        self.name = node.name
        self.fullname = node.nodeid
        self.param = callspec.id if callspec else None
        self.params = callspec.params if callspec else None
        self.group = options.get("group")
        self.extra_info: dict[str, Any] = {}
        self.disabled = False
        self.has_error = False
        self.skipped = False
        self.stats: Any = None
        self.cprofile = False
        self.cprofile_loops = None
        self.cprofile_dump = None
        self.cprofile_stats = None
        self.used: str | None = None
        self._for_codspeed = codspeed_rules.is_written_for_codspeed(node)
        self._gc_off = self._for_codspeed or bool(
            options.get("disable_gc", node.config.getoption("benchmark_disable_gc", default=False))
        )
        self.is_timing = False  #: after its test: in a thread that the test did not wait for
        self._channel = channel
        self._recorded = recorded  # by a profile function, on Python 3.11
        self._roots = roots  # of the side's tree
        self._capture = node.config.pluginmanager.getplugin("capturemanager")
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self._undo: list[Callable[[], Any]] = []

    @property
    def enabled(self) -> bool:
        """Whether calls are timed: always, in a trial."""
        return not self.disabled

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Time bursts of calls; returns the function's value, which the test awaits if it awaits the function's."""
        self._use("benchmark(...)")
        if inspect.iscoroutinefunction(function_to_benchmark):
            self._coroutine = self._on_awaited_trial(Awaited(function_to_benchmark, args, kwargs))
            return self._coroutine
        return self._on_trial(Plain(function_to_benchmark, args, kwargs))

    def pedantic(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        setup: Callable[..., Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> Any:
        """Time at most `rounds` of `iterations` calls, each after `setup`; returns the target's value."""
        self._use("benchmark.pedantic(...)")
        given = kwargs or {}
        if setup and codspeed_rules.setup_gets_arguments(setup, args, given, written_for_codspeed=self._for_codspeed):
            setup = functools.partial(setup, *args, **given)
        with self._noting_errors():
            subject = Pedantic(target, args, kwargs, setup, teardown, rounds, warmup_rounds, iterations)
        return self._on_trial(subject)

    def weave(self, target: Any, **kwargs: Any) -> None:
        """Benchmark every call of `target`, an aspectlib weaving target, made by the rest of the test."""
        try:
            import aspectlib
        except ImportError as error:
            raise ImportError(error.args, "Please install aspectlib or pytest-benchmark[aspect]") from error

        def aspect(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *args, **kwargs: self(function, *args, **kwargs)

        self._undo.append(aspectlib.weave(target, aspect, **kwargs).rollback)

    patch = weave

    def close(self) -> None:
        """Undo the weaving. Raises TypeError if a coroutine that the test was given still waits for its start."""
        while self._undo:
            self._undo.pop()()
        if self._coroutine and inspect.getcoroutinestate(self._coroutine) == inspect.CORO_CREATED:
            self._coroutine.close()
            raise TypeError(
                "benchmark(f) was never awaited, and f is a coroutine function: write `await benchmark(f)`"
            )

    def repeat(self, subject: Subject) -> None:
        """Time a subject of another suite's own kind."""
        self._use("benchmark.repeat(...)")
        self._on_trial(subject)

    def _use(self, how: str) -> None:
        if self.used:
            self.has_error = True
            raise FixtureAlreadyUsed(f"Fixture can only be used once. Previously it was used in {self.used} mode.")
        self.used = how

    @contextlib.contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.has_error = True
            raise

    def _on_trial(self, subject: Subject) -> Any:
        with self._trial(subject.most) as bursts:
            for burst in bursts:
                with self._sampled(burst, subject.iterations):
                    reading = subject.time(burst.calls)
                self._report(burst, reading, subject.iterations)
            result = subject.result()
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError(
                    "the benchmarked function returns a coroutine, so only its creation was timed:"
                    " write `await benchmark(f, ...)` with a function f that is defined by `async def`"
                )
            return result

    async def _on_awaited_trial(self, subject: Awaited) -> Any:
        with self._trial(subject.most) as bursts:
            for burst in bursts:
                with self._sampled(burst, subject.iterations):
                    reading = await subject.time(burst.calls)
                self._report(burst, reading, subject.iterations)
            return subject.result()

    @contextlib.contextmanager
    def _trial(self, most: int | None) -> Iterator[Iterator[Burst]]:
        self.is_timing = True
        self._channel.send({"event": "at", "most": most})
        try:
            with self._noting_errors():
                if self._for_codspeed:  # as it does before it times
                    random.seed(0)
                    gc.collect()
                with contextlib.nullcontext() if self._recorded else _undisturbed(gc_off=self._gc_off):
                    yield self._bursts()
        finally:
            self.is_timing = False

    def _bursts(self) -> Iterator[Burst]:
        while (command := self._channel.receive())["do"] != "finish":
            if command["do"] == "pin":
                pin(command["cpus"])
                self._channel.send({"event": "pinned"})
            else:
                how = command.get("sampled"), command.get("gauge"), command.get("folder")
                yield Burst(command["calls"], *how, _child_seconds(), _queued(), _waits())

    @contextlib.contextmanager
    def _sampled(self, burst: Burst, iterations: int) -> Iterator[None]:
        """Sample a burst, or measure its memory, and send what was found, if the gate has asked for that."""
        if burst.gauge is not None:
            with self._gauged(burst.gauge, burst.folder):
                yield
            return
        if burst.sampled is None:
            yield
            return
        from paceline.gate.explain.call_counter import CallCounter
        from paceline.gate.explain.sampler import Sampler

        loops = (Plain.time.__code__, Awaited.time.__code__)
        counts = burst.sampled == "calls"
        sampler = CallCounter(self._roots) if counts else Sampler(self._roots, loops, burst.sampled)
        Watch.timed, Watch.is_open = sampler.timed, True
        try:
            with sampler.running():
                yield
        finally:
            Watch.timed, Watch.is_open = contextlib.nullcontext, False
        event = {"event": "counted" if counts else "sampled", "iterations": burst.calls * iterations}
        self._channel.send(event | sampler.found())

    @contextlib.contextmanager
    def _gauged(self, name: str, folder: str | None) -> Iterator[None]:
        """Measure the memory of a burst's calls, and send what was found."""
        from paceline.gate.worker.gauges import GAUGES

        gauge = GAUGES[name](folder)
        Watch.around, Watch.is_open = gauge.around, True
        try:
            with gauge.running():
                yield
                found = gauge.found()
        finally:
            Watch.around, Watch.is_open = _unmeasured, False
        self._channel.send({"event": "gauged", **found})

    def _report(self, burst: Burst, reading: Reading, iterations: int) -> None:
        if burst.sampled is not None or burst.gauge is not None:
            self._drop_output()
            return
        waits = _waits() - burst.waits
        wall, process, thread = reading
        calls = burst.calls * iterations
        if self.stats is None:
            self.stats = Metadata(self, calls, {})  # type: ignore[no-untyped-call]
        self.stats.iterations = calls
        self.stats.update(wall / 1e9)
        self._drop_output()
        self._channel.send(
            {
                "event": "burst",
                "iterations": calls,
                "wall": wall,
                "process": process,
                "thread": thread,
                "queued": _queued() - burst.queued,
                "waits": waits if _COUNTS_WAITS else None,
                "children": _child_is_running() or _child_seconds() > burst.children,
            }
        )

    def _drop_output(self) -> None:
        """Let go of what pytest has captured in a burst, which would add up; the test's own captures keep theirs."""
        if self._capture is not None and self._capture.is_globally_capturing():
            with contextlib.suppress(Exception):  # a test may have replaced what pytest reads it by
                self._capture.read_global_capture()


@contextlib.contextmanager
def _undisturbed(*, gc_off: bool) -> Iterator[None]:
    """Without tracers, and with a collector that scans only what the benchmark itself allocates."""
    tracer, profiler, collecting = sys.gettrace(), sys.getprofile(), gc.isenabled()
    frames = tracemalloc.get_traceback_limit() if tracemalloc.is_tracing() else 0
    tracemalloc.stop()
    sys.settrace(None)
    sys.setprofile(None)
    gc.freeze()
    if gc_off:
        gc.disable()
    try:
        yield
    finally:
        if gc_off and collecting:
            gc.enable()
        gc.unfreeze()
        if frames:
            tracemalloc.start(frames)
        sys.setprofile(profiler)
        sys.settrace(tracer)


def pin(cpus: Sequence[int]) -> None:
    """Bind every thread of this process to these CPUs. Does nothing where the system has no such call."""
    if Real.pin is None:
        return
    try:
        threads = [int(name) for name in Real.listdir("/proc/self/task")]
    except OSError:
        threads = [0]
    for thread in threads:
        with contextlib.suppress(OSError):  # a thread may have ended by now
            Real.pin(thread, cpus)


def _queued() -> int:
    """Nanoseconds that this thread has been ready but not running; 0 where the system does not say."""
    try:
        with Real.open("/proc/thread-self/schedstat", "rb", buffering=0) as file:
            return int(file.read(LINE).split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _waits() -> int:
    """How often this thread has given up its CPU of its own accord: to sleep, to wait for a lock or for data.

    Neither preemption nor a hypervisor that steals the CPU counts here, which is what tells them from waiting.
    """
    return Real.usage(Real.own_usage).ru_nvcsw if Real.usage is not None else 0


def _counts_waits() -> bool:
    """Whether this system counts them at all: some that imitate Linux always say 0."""
    before = _waits()
    time.sleep(1e-4)
    return _waits() > before


_COUNTS_WAITS = _counts_waits()


def _child_seconds() -> float:
    """CPU seconds of ended child processes."""
    times = Real.times()
    return times.children_user + times.children_system


def _child_is_running() -> bool:
    if Real.wait is not None:
        try:  # at a tenth of what the file costs
            Real.wait(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
    with contextlib.suppress(OSError), Real.open("/proc/thread-self/children", "rb") as file:
        return bool(file.read().split())
    return False
