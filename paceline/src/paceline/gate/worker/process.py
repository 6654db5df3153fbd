"""pytest's side of one process of a pair: `python -m pytest -p paceline.gate.worker.process ...`.

It collects what it is told, runs each test on command, and says what became of it and whose code it ran.
Standard library, pytest and pytest-benchmark only.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import operator
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from paceline.config.options import RECORDED
from paceline.gate.worker import neutral, origin, seal
from paceline.gate.worker.channel import ADDRESS, GATE_ENDED, Caller, ChannelLostError
from paceline.gate.worker.fixture import TrialFixture, pin
from paceline.gate.worker.real import Real
from paceline.gate.worker.suites import asv_suite, codspeed, codspeed_rules

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from paceline.gate.touch.recording import TouchRecorder

PR_SET_PDEATHSIG = 1
SHOWN = 300  # characters of a reason
HASH_SEED = os.environ.get("PYTHONHASHSEED", "")  # drawn for the round; a test may change the variable

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]
LIMITS = [number for name, number in sorted(vars(resource).items()) if name.startswith("RLIMIT_")] if resource else []

neutral.before_plugins()
origin.serve()  # before any plugin of the project is loaded
seal.make_read_only()


def _recorder() -> TouchRecorder | None:
    """Return a recorder that has started, if this process is to record what its benchmarks run."""
    if RECORDED not in os.environ:
        return None
    from paceline.gate.touch.recording import TouchRecorder

    return TouchRecorder.of_environment()


recorder = _recorder()  # before anything of the project runs


def seed(number: str = HASH_SEED) -> None:
    """Let both sides draw the same random numbers in a round, so that they work on the same data."""
    if number.isdigit():
        random.seed(int(number))
        of_numpy = getattr(getattr(sys.modules.get("numpy"), "random", None), "seed", None)
        if callable(of_numpy):
            of_numpy(int(number))


def die_with_the_gate() -> None:
    """Ask the kernel (Linux) to end this process when the gate is killed, even inside an endless burst."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Iterator[None]:
    """Be earlier than the plugins that start here, such as coverage, and than anything of the project."""
    neutral.before_conftests(early_config)
    codspeed.take_over(early_config.pluginmanager, parser)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Call the gate and take its task."""
    die_with_the_gate()
    seed()
    set_aside = neutral.active(config)
    config.option.xmlpath = None  # the session that judges writes it
    neutral.set_options(config)
    worker = Worker(config, Caller(os.environ[ADDRESS]), set_aside)
    if config.option.basetemp is not None:
        config.option.basetemp = own_folder(Path(config.option.basetemp), worker.task["slot"])
    config.pluginmanager.register(worker, asv_suite.IN_WORKER)


def own_folder(basetemp: Path, slot: str) -> Path:
    """Give this side a folder of its own below the one that the user named: pytest empties it, and makes it."""
    basetemp.mkdir(parents=True, exist_ok=True)
    return basetemp / slot


class Worker:
    """Runs tests for the gate."""

    def __init__(self, config: pytest.Config, channel: Caller, set_aside: list[str]) -> None:
        self.channel = channel
        self._set_aside = set_aside
        self.task = self._receive()
        self._errors: dict[str, str] = {}
        self._nanoseconds: dict[str, int] = {}  # that collecting a file took
        self._reports: list[pytest.TestReport] = []
        self._fixture: TrialFixture | None = None
        self._config = config
        self._loaded: dict[str, str] = {}
        self._proof: dict[str, Any] = {}  # of what is loaded
        self.weighs = False  #: the running test is for its memory
        self._everywhere = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    def _receive(self) -> dict[str, Any]:
        try:
            return self.channel.receive()
        except (ChannelLostError, OSError):
            Real.exit(GATE_ENDED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Put paceline's fixture over pytest-benchmark's, which is registered by now."""
        neutral.remove_plugins(session.config)
        seed()
        session.config.pluginmanager.register(Fixtures(self), "paceline-fixtures")

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Time what importing a file takes, and finding the tests in it."""
        started = Real.wall()
        report = yield
        if isinstance(collector, pytest.File):
            self._nanoseconds[collector.nodeid] = Real.wall() - started
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected."""
        if report.failed:
            self._errors[report.nodeid] = first_line(report)
        elif report.skipped:
            self._errors[report.nodeid] = f"skipped: {skip_reason(report)}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what the gate asked for, in its order."""
        wanted = self.task["items"]
        if wanted is not None:
            order = {nodeid: place for place, nodeid in enumerate(wanted)}
            items[:] = sorted((item for item in items if item.nodeid in order), key=lambda i: order[i.nodeid])

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run tests on command instead of in a loop."""
        event = "surveyed" if self.task["survey"] else "collected"
        about = {"event": event, "errors": self._errors, "set_aside": self._set_aside}
        self._say(about | {"nanoseconds": self._nanoseconds} | collected(session, self.task))
        places = {item.nodeid: place for place, item in enumerate(session.items)}
        while (command := self._receive())["do"] == "run":
            self.weighs = command.get("weighs", False)
            self._run(session.items, places[command["item"]])
        if command["do"] == "tell" and recorder is not None:
            self._tell(recorder.stop())
            self._receive()
        return True

    def _tell(self, recording: dict[str, Any]) -> None:
        """Send what was recorded, benchmark by benchmark: of a large suite, all is too much for one message."""
        for each in recording.pop("benchmarks"):
            self._say({"event": "ran", **each})
        self._say({"event": "recorded", **recording})

    def _run(self, items: list[pytest.Item], place: int) -> None:
        item = items[place]
        following = items[place + 1] if place + 1 < len(items) else None
        self._reports, self._fixture = [], None
        before = bounds()
        seed()
        with contextlib.nullcontext() if recorder is None else recorder.benchmark(item.nodeid):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        pin(self._everywhere)
        outcome, reason, version = self._conclude()
        suite = asv_suite.suite_of(self._config)
        value, unit = suite.values.get(item.nodeid, (None, None)) if suite else (None, None)
        self._say(
            {
                "event": "done",
                "outcome": outcome,
                "reason": reason,
                "version": version,
                **self._prove(items, suite.files() if suite else {}),
                "value": value,
                "unit": unit,
                "spoilt": any(map(operator.lt, bounds(), before)),
            }
        )

    def _prove(self, items: Iterable[pytest.Item], files: Mapping[str, str]) -> dict[str, Any]:
        """Say whose code is loaded. It is looked at only where that has changed: a test seldom loads more."""
        loaded = {**dict(origin.loaded_modules()), **files}
        if not self._proof or loaded != self._loaded:
            tests = {os.path.realpath(path) for path in {each.path for each in items}}
            self._proof = {
                "foreign": list(origin.foreign_modules(self.task, loaded)),
                "origin": origin.own_code(self.task, loaded, tests),
            }
            self._loaded = loaded
        return self._proof

    def _conclude(self) -> tuple[str, str | None, str | None]:
        """Return the outcome of the test that has just run, why, and the version that it gave itself."""
        outcome, reason = conclude(self._reports)
        if outcome == "passed" and self._fixture is not None and self._fixture.is_timing:
            return "failed", "benchmark(...) was called in a thread that the test did not wait for", None
        try:
            version = self._fixture.extra_info.get("version") if self._fixture else None
            return outcome, reason, None if version is None else repr(version)
        except Exception as error:  # noqa: BLE001 - it is the test's own
            return "failed", f'extra_info["version"] cannot be read: {type(error).__name__}', None

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self.channel.send(message)
        except (ChannelLostError, OSError):
            Real.exit(GATE_ENDED)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember each phase of the running test."""
        self._reports.append(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Time the whole test where its marker asks for that."""
        if not (isinstance(item, pytest.Function) and codspeed_rules.is_whole_test(item)):
            return (yield)
        with codspeed.whole_test_timed(item, self.fixture(item)):
            return (yield)

    def fixture(self, item: pytest.Item) -> TrialFixture:
        """Return the one fixture of the running test."""
        if self._fixture is None:
            roots = [*self.task["own"], *self.task["homes"]]
            self._fixture = TrialFixture(item, self.channel, recorded=recorder is not None, roots=roots)
        return self._fixture


def collected(session: pytest.Session, task: dict[str, Any]) -> dict[str, Any]:
    """Return what this session has collected; a survey also says how, and what that has loaded."""
    values = [item for item in session.items if isinstance(item, asv_suite.AsvValue)]
    benchmarks = [item for item in session.items if codspeed.is_benchmark(item) and item not in values]
    found: dict[str, Any] = {
        "benchmarks": [described(item) for item in benchmarks],
        "items": [item.nodeid for item in session.items],
    }
    if not task["survey"]:
        return found
    config, suite = session.config, asv_suite.suite_of(session.config)
    return found | {
        "values": [described(item) for item in values],
        "memory": [item.nodeid for item in values if item.is_of_memory],
        "asv": suite.place if suite else None,
        "notes": suite.notes(session.items) if suite else [],
        "root": os.path.realpath(config.rootpath),
        "ini": None if config.inipath is None else os.path.realpath(config.inipath),
        "paths": [str(path) for path in getattr(config.option, "file_or_dir", None) or []],
        "modules": measuring_files([*benchmarks, *values], config.rootpath),
        "loaded": dict(origin.loaded_modules()),
        "origins": {name: origin.origin(name) for name in task["names"]},
    }


def described(item: pytest.Item) -> dict[str, Any]:
    """Return what the judge needs to know of a benchmark."""
    place = {"path": os.path.realpath(item.path), "line": item.location[1] or 0}
    return {"id": item.nodeid, **place, "mark": mark_of(item)}


def measuring_files(items: Iterable[pytest.Item], root: Path) -> list[str]:
    """Files that define the measurement: test modules, and the conftests and package files around them."""
    files: dict[Path, None] = {}
    for item in items:
        files[item.path] = None
        for folder in item.path.parents:
            files[folder / "conftest.py"] = None
            if folder == root:
                break
    return [os.path.realpath(path) for path in files if path.is_file()]


class Fixtures:
    """Holds the fixture, so that it can be registered after pytest-benchmark's."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    @pytest.fixture
    def benchmark(self, request: pytest.FixtureRequest) -> Iterator[TrialFixture]:
        """Time a function, in bursts, on the gate's command."""
        yield from self._until_closed(request)

    @pytest.fixture
    def codspeed_benchmark(self, request: pytest.FixtureRequest) -> Iterator[TrialFixture]:
        """Return the same as `benchmark`, but not by way of it: a suite may define that one by this one."""
        yield from self._until_closed(request)

    def _until_closed(self, request: pytest.FixtureRequest) -> Iterator[TrialFixture]:
        fixture = self._worker.fixture(request.node)
        yield fixture
        fixture.close()


def bounds() -> list[float]:
    """Return what the system allows this process: if that is less than before a test, it may end later ones."""
    if resource is None:
        return []
    limits = [limit for each in LIMITS for limit in resource.getrlimit(each)]
    timers = [signal.getitimer(each)[0] for each in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)]
    unlimited = [limit == resource.RLIM_INFINITY for limit in limits] + [not seconds for seconds in timers]
    return [math.inf if free else limit for limit, free in zip([*limits, 0, 0, 0], unlimited, strict=True)]


def mark_of(item: pytest.Item) -> dict[str, Any] | None:
    """Return the arguments of a test's own `paceline` marker, fit for the channel; None without one."""
    marker = item.get_closest_marker("paceline")
    if marker is None:
        return None
    given = {**{repr(value): value for value in marker.args}, **marker.kwargs}
    return {name: value if isinstance(value, int | float | str) else repr(value) for name, value in given.items()}


def conclude(reports: Iterable[pytest.TestReport]) -> tuple[str, str | None]:
    """Outcome of a test from its phases: failed, xfailed, skipped or passed, and why."""
    reports = list(reports)
    for report in reports:
        if report.failed:
            return "failed", first_line(report)
    for report in reports:
        if report.skipped:
            if hasattr(report, "wasxfail"):
                return "xfailed", str(report.wasxfail)[:SHOWN] or "expected to fail"
            return "skipped", skip_reason(report)
    return "passed", None


def first_line(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Say in one line why it failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr).strip()
    errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]
    lines = errors[-1:] or text.splitlines()[:1] or ["no reason given"]
    return lines[0][:SHOWN]


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Reason of a skip without its location."""
    where = report.longrepr
    return str(where[2] if isinstance(where, tuple) else where).removeprefix("Skipped: ")[:SHOWN]
