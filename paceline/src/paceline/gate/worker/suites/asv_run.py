"""One asv benchmark with one set of parameters: set up as asv does, then timed or measured.

asv gives each of them a process of its own and an empty folder to work in; here they get the folder, and their object
as it was when it was found. Standard library, pytest, pytest-benchmark and asv_runner only: workers load this.
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

from paceline.gate.worker.fixture import Pedantic, Plain, TrialFixture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from paceline.gate.worker.fixture import Reading, Subject

CACHE = "cache.pickle"
SETUPS = 0.2  # seconds that one process may spend on setups between timed calls: as long as a round times
CHILDREN = 1.0  # seconds that it may spend on fresh interpreters
FEWEST, MOST = 3, 10_000  # timed calls in one process, where each needs a setup
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
        """Set up, in a folder as asv makes it, and clean up. Skips the test if these parameters do not apply."""
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
        """Tear down and set up between two timed calls; the first call uses what is there."""
        if self._is_fresh:
            self._is_fresh = False
            return
        collecting = gc.isenabled()
        gc.enable()  # for what was torn down; asv, too, turns it off for the timed call only
        self._tear_down()
        self._set_up()
        if not collecting:
            gc.disable()

    def call(self) -> Any:
        """Call the benchmark."""
        return self.found.func(*self.arguments)


@contextlib.contextmanager
def _unchanged(function: Any) -> Iterator[None]:
    """Leave a method's object as it was: the next parameters find no trace, and large data are freed."""
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
    """Turn asv's ways to say that a benchmark does not apply into a skip."""
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
    """Return what skips the test, and is shown where the benchmark is defined."""
    return pytest.skip.Exception(reason, _use_item_location=True)


def _comes_from_setup(error: BaseException) -> bool:
    """Whether it passed through a setup: elsewhere NotImplementedError is a failure."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is AsvRun._set_up.__code__:
            return True
        trace = trace.tb_next
    return False


@contextlib.contextmanager
def limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeoutError in this thread after asv's `timeout`; where the system has no timer, do nothing."""
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
    """Work in a folder as asv makes it: an empty one, or that of setup_cache, whose value is yielded."""
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
    """Value of setup_cache, made once for each folder of caches; works in `folder` from here on."""
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
            raise RuntimeError(f"setup_cache returned what cannot be pickled: {error}") from error
        unfinished = folder / f"{CACHE}.{os.getpid()}"
        unfinished.write_bytes(content)
        unfinished.replace(file)
    os.chdir(folder)
    return pickle.loads(file.read_bytes())  # noqa: S301 - written by this function, in this gate


# Timing


def time_call(benchmark: BenchmarkFixture, run: AsvRun, config: pytest.Config) -> None:
    """Time a `time_*` benchmark by pytest-benchmark's fixture, or by that of a trial."""
    __tracebackhide__ = True
    with run.prepared():
        if isinstance(benchmark, TrialFixture):
            benchmark.repeat(_limited(run, _repeated(run)))
            return
        cost = _first_call(run)
        number = getattr(run.found, "number", 0)
        again: Any = benchmark.pedantic  # which has no types
        function, args = run.found.func, run.arguments
        if run.is_set_up_again:
            again(function, args, setup=run.set_up_again, rounds=_rounds(config, cost))
        elif number:
            again(function, args, iterations=number, rounds=_rounds(config, cost * number))
        else:
            benchmark(function, *args)


def _repeated(run: AsvRun) -> Subject:
    if not run.is_set_up_again:
        return Plain(run.found.func, run.arguments, {})
    rounds = int(SETUPS / max(run.setup_seconds, SETUPS / MOST))
    return Pedantic(run.found.func, run.arguments, None, run.set_up_again, None, max(FEWEST, rounds), 0, 1)


def _first_call(run: AsvRun) -> float:
    """Call once, as asv warms up; returns what a call costs, its setup included. The one place for `timeout`."""
    started = time.perf_counter()
    with limit(run.found.timeout):
        run.set_up_again()
        run.call()
    return time.perf_counter() - started + run.setup_seconds


def _rounds(config: pytest.Config, cost: float) -> int:
    """As many rounds as pytest-benchmark makes in its time, of calls that cost so many seconds."""
    least, longest = (config.getoption(f"benchmark_{name}") for name in ("min_rounds", "max_time"))
    return max(int(least), min(MOST, math.ceil(float(longest) / max(cost, 1e-9))))


class _Limited:
    """A subject whose bursts each end at asv's `timeout`."""

    def __init__(self, subject: Subject, seconds: float) -> None:
        self._subject, self._seconds = subject, seconds
        self.most, self.iterations = subject.most, subject.iterations

    def time(self, calls: int) -> Reading:
        """Time calls of the subject."""
        with limit(self._seconds):
            return self._subject.time(calls)

    def result(self) -> Any:
        """Nothing: asv does not look at it."""


def _limited(run: AsvRun, subject: Subject) -> Subject:
    return _Limited(subject, run.found.timeout or 0.0)


# timeraw: the text runs in a fresh interpreter, whose own time counts


def time_child(benchmark: BenchmarkFixture, run: AsvRun, node: pytest.Item, modules: dict[str, str]) -> None:
    """Time a `timeraw_*` benchmark. `modules` takes the files of what the interpreters have loaded."""
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
    """A timer for pytest-benchmark that moves by what children say they took."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class Child:
    """A subject that runs a text in fresh interpreters, on the wall clock of these."""

    iterations = 1
    most: int | None = None

    def __init__(self, run: AsvRun, modules: dict[str, str]) -> None:
        self._run, self._modules = run, modules

    def seconds(self) -> float:
        """AsvRun the text once; returns seconds per run of its statement."""
        said = self._run.call()
        stmt, setup = said if isinstance(said, tuple) else (said, "")
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
            raise RuntimeError((done.stderr.strip().splitlines() or ["the interpreter said nothing"])[-1])
        seconds, files = json.loads(done.stdout.splitlines()[-1])
        self._modules.update(files)
        return float(seconds) / number

    def _environment(self) -> dict[str, str]:
        """Let the child import from where this process does, whatever folder it works in."""
        path = os.pathsep.join(dict.fromkeys(each for each in sys.path if Path(each).is_absolute()))
        asked = getattr(self._run.found, "_timeraw_env", None) or {}
        return {**os.environ, "PYTHONPATH": path, **asked}

    def time(self, calls: int) -> Reading:
        """Sum of what the children took, in nanoseconds; no CPU time, so that the wall clock is chosen."""
        return round(sum(self.seconds() for _ in range(calls)) * 1e9), 0, 0

    def result(self) -> Any:
        """Nothing: asv does not look at it."""


# mem, peakmem, track: a value, which is not judged


def value(run: AsvRun) -> float | None:
    """Measure a value; None where the benchmark gave none. Raises TypeError for what is not a number."""
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
    """Names of what asv's sampling may be given, and a trial does not use."""
    names = ("processes", "rounds", "repeat", "sample_time", "warmup_time", "min_run_count", "timer")
    sources = [source for each in benchmarks for source in each._attr_sources]
    return [name for name in names if any(hasattr(source, name) for source in sources)]
