"""pytest's side of one process of a pair: `python -m pytest -p paceline.gate.worker ...`.

It collects what it is told, runs each test on command, and says what became of it and whose code it ran.
Standard library, pytest and pytest-benchmark only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from paceline.gate.channel import Caller, ChannelLostError
from paceline.gate.fixture import TrialFixture, pin
from paceline.gate.suites import asv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ADDRESS = "PACELINE_WORKER"
GATE_ENDED = 70  # exit status when nobody is left to time for
PR_SET_PDEATHSIG = 1

# Options that would write a second report, stop early, or choose other tests than the gate asked for.
NEUTRAL: dict[str, Any] = {
    "benchmark_autosave": None,
    "benchmark_compare": [],
    "benchmark_compare_fail": None,
    "benchmark_cprofile": None,
    "benchmark_disable": False,
    "benchmark_histogram": [],
    "benchmark_json": None,
    "benchmark_save": None,
    "benchmark_skip": False,
    "continue_on_collection_errors": True,
    "durations": None,
    "failedfirst": False,
    "lf": False,
    "maxfail": 0,
    "newfirst": False,
    "setuponly": False,
    "setupplan": False,
    "stepwise": False,
    "stepwise_skip": False,
    "trace": False,
    "usepdb": False,
    "xmlpath": None,
}


def die_with_the_gate() -> None:
    """Ask the kernel (Linux) to end this process when the gate is killed, even inside an endless burst."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Call the gate and take its task."""
    die_with_the_gate()
    for name, value in NEUTRAL.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    config.pluginmanager.register(Worker(config, Caller(os.environ[ADDRESS])), "paceline-worker")


class Worker:
    """Runs tests for the gate."""

    def __init__(self, config: pytest.Config, channel: Caller) -> None:
        self.channel = channel
        self.task = self._receive()
        self._errors: dict[str, str] = {}
        self._reports: list[pytest.TestReport] = []
        self._fixture: TrialFixture | None = None
        self._config = config
        self._everywhere = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    def _receive(self) -> dict[str, Any]:
        try:
            return self.channel.receive()
        except (ChannelLostError, OSError):
            os._exit(GATE_ENDED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Put paceline's fixture over pytest-benchmark's, which is registered by now."""
        session.config.pluginmanager.register(Fixtures(self), "paceline-fixtures")

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
        benchmarks = [item.nodeid for item in session.items if is_timed(item)]
        everything = [item.nodeid for item in session.items]
        self._say({"event": "collected", "benchmarks": benchmarks, "items": everything, "errors": self._errors})
        places = {item.nodeid: place for place, item in enumerate(session.items)}
        while (command := self._receive())["do"] == "run":
            self._run(session.items, places[command["item"]])
        return True

    def _run(self, items: list[pytest.Item], place: int) -> None:
        item = items[place]
        following = items[place + 1] if place + 1 < len(items) else None
        self._reports, self._fixture = [], None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        pin(self._everywhere)
        outcome, reason = conclude(self._reports)
        fixture = self._fixture
        version = fixture.extra_info.get("version") if fixture else None
        suite = self._config.pluginmanager.get_plugin(asv.NAME)
        value, unit = suite.values.get(item.nodeid, (None, None)) if suite else (None, None)
        self._say(
            {
                "event": "done",
                "outcome": outcome,
                "reason": reason,
                "version": None if version is None else repr(version),
                "foreign": list(foreign_modules(self.task, {**loaded_files(), **(suite.modules if suite else {})})),
                "value": value,
                "unit": unit,
            }
        )

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self.channel.send(message)
        except (ChannelLostError, OSError):
            os._exit(GATE_ENDED)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember each phase of the running test."""
        self._reports.append(report)

    def fixture(self, request: pytest.FixtureRequest) -> TrialFixture:
        """Return the one `benchmark` of the running test."""
        self._fixture = TrialFixture(request, self.channel)
        return self._fixture


class Fixtures:
    """Holds the fixture, so that it can be registered after pytest-benchmark's."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    @pytest.fixture
    def benchmark(self, request: pytest.FixtureRequest) -> Iterator[TrialFixture]:
        """Time a function, in bursts, on the gate's command."""
        fixture = self._worker.fixture(request)
        yield fixture
        fixture.close()


def conclude(reports: Iterable[pytest.TestReport]) -> tuple[str, str | None]:
    """Outcome of a test from its phases: failed, xfailed, skipped or passed, and why."""
    reports = list(reports)
    for report in reports:
        if report.failed:
            return "failed", first_line(report)
    for report in reports:
        if report.skipped:
            if hasattr(report, "wasxfail"):
                return "xfailed", str(report.wasxfail) or "expected to fail"
            return "skipped", skip_reason(report)
    return "passed", None


def first_line(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Say in one line why it failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr).strip()
    errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]
    lines = errors[-1:] or text.splitlines()[:1] or ["no reason given"]
    return lines[0][:300]


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Reason of a skip without its location."""
    where = report.longrepr
    return str(where[2] if isinstance(where, tuple) else where).removeprefix("Skipped: ")


def is_timed(item: pytest.Item) -> bool:
    """Whether a gate judges an item: it uses the `benchmark` fixture, and is not one of asv's values."""
    return "benchmark" in getattr(item, "fixturenames", ()) and not isinstance(item, asv.AsvValue)


def loaded_files() -> dict[str, str]:
    """Files of all loaded modules, by name."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name: file for name, file in files.items() if isinstance(file, str)}


def foreign_modules(task: dict[str, Any], loaded: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Modules, with their files, that this side must not have loaded.

    Foreign is what lies in another tree, and what bears the name of a package of this tree but lies outside
    it (an installed copy would make both sides run the same code).
    """
    own, names = task["own"], set(task["names"])
    for name, file in loaded.items():
        if name.partition(".")[0] == "paceline":
            continue
        path = os.path.realpath(file)
        if any(inside(path, folder) for folder in own):
            continue
        in_other_tree = any(inside(path, folder) for folder in task["foreign"])
        exempt = any(inside(path, folder) for folder in task["exempt"])
        if (in_other_tree and not exempt) or name.partition(".")[0] in names:
            yield name, path


def inside(path: str, folder: str) -> bool:
    """Whether an absolute path lies below a folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)
