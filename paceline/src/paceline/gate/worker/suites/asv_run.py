"""Sets up one asv benchmark with one set of parameters as asv does, and times or measures it.

asv runs each in a process of its own, in an empty folder. Here several share a process, so each gets an empty folder
and finds its object unchanged. Standard library, pytest, pytest-benchmark and asv_runner only: workers load this.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asv_runner.benchmarks.mark import SkipNotImplemented

from paceline.gate.worker.fixture import Pedantic, Plain, TrialFixture, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from paceline.gate.worker.fixture import Reading, Subject

CACHE = "cache.pickle"
SETUPS = 0.2  # seconds: limit for setups between timed calls in one process; a round's timing takes as long
CHILDREN = 1.0  # seconds: limit for fresh interpreters in one process
FEWEST, MOST = 3, 10_000  # timed calls in one process, if each needs a setup
CHILD = """
import json, sys
from timeit import timeit
task = json.load(sys.stdin)
seconds = timeit(stmt=task["stmt"], setup=task["setup"], number=task["number"])
files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
print("\\n" + json.dumps([seconds, {name: file for name, file in files.items() if isinstance(file, str)}]))
"""


class AsvRun:
    """A benchmark of asv_runner's with its arguments, ready to be called."""

    def __init__(self, found: Any, params: tuple[Any, ...], caches: Path) -> None:
        self.found = found
        self._params = params
        self._caches = caches
        self._is_fresh = False
        self.arguments = params
        self.setup_seconds = 0.0

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Set up in a folder as asv makes it, and tear down. Skips the test if the parameters do not apply."""
        if self._params in self.found._skip_tuples:
            raise not_applicable("left out by skip_params")
        with _unchanged(self.found.func), _folder(self.found, self._caches) as cache, skipping():
            self.arguments = self._params if cache is None else (cache, *self._params)
            self._set_up_first()
            try:
                yield
            finally:
                self._tear_down()

    def _set_up_first(self) -> None:
        started = time.perf_counter()
        with limit(self.found.timeout):
            self._set_up()
        self.setup_seconds = time.perf_counter() - started
        if hasattr(self.found, "_load_vars"):
            self.found._load_vars()  # a setup may change `number`
        self._is_fresh = True

    def _set_up(self) -> None:
        for setup in self.found._setups:
            setup(*self.arguments)

    def _tear_down(self) -> None:
        for teardown in self.found._teardowns:
            teardown(*self.arguments)

    @property
    def is_set_up_again(self) -> bool:
        """Whether each timed call needs a setup of its own: asv's rule."""
        return bool(self.found._setups or self.found._teardowns)

    def set_up_again(self) -> None:
        """Tear down and set up between two timed calls; the first call uses the setup that was made."""
        if self._is_fresh:
            self._is_fresh = False
            return
        collecting = gc.isenabled()
        gc.enable()  # to free memory; asv too turns it off for the timed call only
        self._tear_down()
        self._set_up()
        if not collecting:
            gc.disable()

    def call(self) -> Any:
        """Call the benchmark."""
        return self.found.func(*self.arguments)


@contextlib.contextmanager
def _unchanged(function: Any) -> Iterator[None]:
    """Restore a method's object at the end: the next parameters find it unchanged, and large data are freed."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) or not hasattr(owner, "__dict__"):
        yield
        return
    kept = dict(vars(owner))
    try:
        yield
    finally:
        vars(owner).clear()
        vars(owner).update(kept)


@contextlib.contextmanager
def skipping() -> Iterator[None]:
    """Turn asv's exceptions for a benchmark that does not apply into a skip."""
    __tracebackhide__ = True
    try:
        yield
    except SkipNotImplemented as why:
        raise not_applicable(str(why) or "raised SkipNotImplemented") from None
    except NotImplementedError as why:
        if not _comes_from_setup(why):
            raise
        raise not_applicable(str(why) or "setup raised NotImplementedError") from None


def not_applicable(reason: str) -> BaseException:
    """Return the exception that skips the test, and is shown where the benchmark is defined."""
    return pytest.skip.Exception(reason, _use_item_location=True)


def _comes_from_setup(error: BaseException) -> bool:
    """Whether the error passed through a setup: elsewhere NotImplementedError is a failure."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is AsvRun._set_up.__code__:
            return True
        trace = trace.tb_next
    return False


@contextlib.contextmanager
def limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeoutError in this thread after asv's `timeout`; do nothing where the system has no timer."""
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not seconds or not usable or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def raise_it(*_: object) -> None:
        raise TimeoutError(f"took longer than its timeout of {seconds:g} s")

    before = signal.signal(signal.SIGALRM, raise_it)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Folders and setup_cache


@contextlib.contextmanager
def _folder(found: Any, caches: Path) -> Iterator[Any]:
    """Work in an empty folder, and yield None; with a setup_cache, work in its folder, and yield its value."""
    before = Path.cwd()
    caches.mkdir(parents=True, exist_ok=True)
    if found.setup_cache_key is not None:
        folder = caches / hashlib.sha256(found.setup_cache_key.encode()).hexdigest()[:16]
        try:
            yield _cache(found, folder)
        finally:
            os.chdir(before)
        return
    folder = Path(tempfile.mkdtemp(dir=caches))
    os.chdir(folder)
    try:
        yield None
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


def _cache(found: Any, folder: Path) -> Any:
    """Return the value of setup_cache, made once for each folder of caches; `folder` becomes the working folder."""
    file = folder / CACHE
    if not file.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.chdir(folder)
        with limit(found.setup_cache_timeout), _unchanged(found.func):
            value = found.do_setup_cache()
        try:
            content = pickle.dumps(value)
        except Exception as error:
            raise RuntimeError(f"setup_cache returned a value that cannot be pickled: {error}") from error
        unfinished = folder / f"{CACHE}.{os.getpid()}"
        unfinished.write_bytes(content)
        unfinished.replace(file)
    os.chdir(folder)
    return pickle.loads(file.read_bytes())  # noqa: S301 - written by this function, in this gate


# Timing


def time_call(benchmark: BenchmarkFixture, run: AsvRun, config: pytest.Config) -> None:
    """Time a `time_*` benchmark by pytest-benchmark's fixture, or by the gate's."""
    __tracebackhide__ = True
    if isinstance(benchmark, TrialFixture):
        repeat(benchmark, run)
        return
    with run.prepared():
        cost = _first_call(run)
        number = getattr(run.found, "number", 0)
        again: Any = benchmark.pedantic  # it has no types
        function, args = run.found.func, run.arguments
        if run.is_set_up_again:
            again(function, args, setup=run.set_up_again, rounds=_rounds(config, cost))
        elif number:
            again(function, args, iterations=number, rounds=_rounds(config, cost * number))
        else:
            benchmark(function, *args)


def repeat(benchmark: TrialFixture, run: AsvRun) -> None:
    """Let the gate call the benchmark as often as it likes."""
    __tracebackhide__ = True
    with run.prepared():
        benchmark.repeat(_limited(run, _repeated(run)))


def _repeated(run: AsvRun) -> Subject:
    if not run.is_set_up_again:
        return Plain(run.found.func, run.arguments, {})
    rounds = int(SETUPS / max(run.setup_seconds, SETUPS / MOST))
    return Pedantic(run.found.func, run.arguments, None, run.set_up_again, None, max(FEWEST, rounds), 0, 1)


def _first_call(run: AsvRun) -> float:
    """Call once within asv's `timeout`, as asv warms up; return the seconds of a call with its setup."""
    started = time.perf_counter()
    with limit(run.found.timeout):
        run.set_up_again()
        run.call()
    return time.perf_counter() - started + run.setup_seconds


def _rounds(config: pytest.Config, cost: float) -> int:
    """Return how many rounds pytest-benchmark makes in its time, of calls that take `cost` seconds."""
    least, longest = (config.getoption(f"benchmark_{name}") for name in ("min_rounds", "max_time"))
    return max(int(least), min(MOST, math.ceil(float(longest) / max(cost, 1e-9))))


class _Limited:
    """A subject whose bursts each end at asv's `timeout`."""

    def __init__(self, subject: Subject, seconds: float) -> None:
        self._subject, self._seconds = subject, seconds
        self.most, self.iterations = subject.most, subject.iterations

    def time(self, calls: int) -> Reading:
        """Time calls of the subject; without asv's limit where they are sampled, as both use the same timer."""
        with limit(None if Watch.is_open else self._seconds):
            return self._subject.time(calls)

    def result(self) -> Any:
        """Return nothing: asv does not use it."""


def _limited(run: AsvRun, subject: Subject) -> Subject:
    return _Limited(subject, run.found.timeout or 0.0)


# timeraw: the text runs in a fresh interpreter, which measures its own time


def time_child(benchmark: BenchmarkFixture, run: AsvRun, node: pytest.Item, modules: dict[str, str]) -> None:
    """Time a `timeraw_*` benchmark. The files of the modules that the interpreters load are added to `modules`."""
    __tracebackhide__ = True
    with run.prepared():
        child = Child(run, modules)
        started = time.perf_counter()
        child.seconds()
        cost = time.perf_counter() - started
        if isinstance(benchmark, TrialFixture):
            child.most = max(FEWEST, int(CHILDREN / cost))
            benchmark.repeat(child)
        else:
            marker = node.get_closest_marker("benchmark")
            clock = marker.kwargs["timer"] if marker else ChildClock()
            again: Any = benchmark.pedantic
            again(lambda: clock.advance(child.seconds()), rounds=_rounds(node.config, cost))


class ChildClock:
    """A timer for pytest-benchmark that advances by the times that children report."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance the clock."""
        self._now += seconds


class Child:
    """A subject that runs a text in fresh interpreters, timed by their own wall clocks."""

    iterations = 1
    most: int | None = None

    def __init__(self, run: AsvRun, modules: dict[str, str]) -> None:
        self._run, self._modules = run, modules

    def seconds(self) -> float:
        """Run the text in a fresh interpreter, and return seconds per run of its statement."""
        text = self._run.call()
        stmt, setup = text if isinstance(text, tuple) else (text, "")
        number = getattr(self._run.found, "number", 0) or 1
        task = {"stmt": textwrap.dedent(stmt), "setup": textwrap.dedent(setup), "number": number}
        with limit(self._run.found.timeout):
            done = subprocess.run(
                [sys.executable, "-c", CHILD],
                input=json.dumps(task),
                capture_output=True,
                text=True,
                check=False,
                env=self._environment(),
            )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["the interpreter failed without a message"])[-1])
        seconds, files = json.loads(done.stdout.splitlines()[-1])
        self._modules.update(files)
        return float(seconds) / number

    def _environment(self) -> dict[str, str]:
        """Return an environment in which the child imports from the same folders as this process."""
        path = os.pathsep.join(dict.fromkeys(each for each in sys.path if Path(each).is_absolute()))
        asked = getattr(self._run.found, "_timeraw_env", None) or {}
        return {**os.environ, "PYTHONPATH": path, **asked}

    def time(self, calls: int) -> Reading:
        """Return the children's wall time in nanoseconds; no CPU time, so that the wall clock is chosen."""
        return round(sum(self.seconds() for _ in range(calls)) * 1e9), 0, 0

    def result(self) -> Any:
        """Return nothing: asv does not use it."""


# mem, peakmem, track: a value, which is not judged


def value(run: AsvRun) -> float | None:
    """Return the value of a benchmark, None if it gave none. Raises TypeError if it is not a number."""
    with run.prepared(), limit(run.found.timeout):
        found = run.found.run(*run.arguments)
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return None
    try:
        number = float(found)
    except (TypeError, ValueError):
        raise TypeError(f"expected a number, got {found!r}") from None
    return number if math.isfinite(number) else None


def ignored_settings(benchmarks: Sequence[Any]) -> list[str]:
    """Return the names of asv's sampling settings that these benchmarks have, and a gate ignores."""
    names = ("processes", "rounds", "repeat", "sample_time", "warmup_time", "min_run_count", "timer")
    sources = [source for each in benchmarks for source in each._attr_sources]
    return [name for name in names if any(hasattr(source, name) for source in sources)]
