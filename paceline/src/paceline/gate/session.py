"""Runs the gate as a pytest session: it judges instead of collecting, and reports each finding as a test.

So this session imports nothing of the project that it judges.
"""

from __future__ import annotations

import argparse
import os
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from paceline.config.options import BY_HAND
from paceline.config.request import Request
from paceline.config.settings import read_settings
from paceline.errors import PacelineError
from paceline.gate import execution
from paceline.gate.trial import Trial
from paceline.gate.worker import neutral
from paceline.report.closing import Closing, explain
from paceline.report.terminal import claim, printable
from paceline.report.verdicts import Finding
from paceline.system.signals import like_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paceline.config.settings import Settings
    from paceline.report.values import Value


def prepare(config: pytest.Config) -> None:
    """Make this session a gate, if its options and the project's settings ask for one."""
    try:
        settings = _settings(config)
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None
    if settings is not None:
        neutral.set_options(config)
        config.pluginmanager.register(GateSession(config, settings), "paceline-gate")


def _settings(config: pytest.Config) -> Settings | None:
    option = config.option
    for name in ("benchmark_disable", "benchmark_skip"):
        flag = "--" + name.replace("_", "-")
        if flag in config.invocation_params.args:  # in addopts it is for everyday runs
            raise PacelineError(f"{flag} contradicts --benchmark-against. Leave out one of them.")
    if not hasattr(option, "benchmark_only"):
        raise PacelineError("pytest-benchmark is not loaded. Install it, or leave out `-p no:benchmark`.")
    return read_settings(_by_hand(option, config), config.rootpath)


def _by_hand(option: Any, config: pytest.Config) -> Any:
    """Return the options; those that only the user may give, from the command line and not from files."""
    words = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(os.fspath, config.invocation_params.args)]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, prefix_chars="-")
    for each in BY_HAND:
        parser.add_argument(each.flag, **each.keywords)
    given, _ = parser.parse_known_args(words)
    return argparse.Namespace(**{**vars(option), **vars(given)})


def _request(config: pytest.Config, settings: Settings) -> Request:
    arguments = [os.fspath(argument) for argument in config.invocation_params.args]
    return Request(settings, tuple(arguments), config.invocation_params.dir)


class Judged(pytest.Item):
    """A benchmark that was judged, as a test with nothing left to run."""

    result: Finding | Value
    line: int

    def runtest(self) -> None:
        """Do nothing: the gate has run it."""

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the benchmark is defined."""
        return self.path, self.line, self.name


class GateSession:
    """Judges instead of collecting, and makes an item for each finding, which reports it."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._trial = Trial(_request(config, settings), self._say)
        self._failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Judge instead of collecting, and set one item for each finding."""
        if self._config.option.collectonly:
            return None
        with self._explained():
            try:
                with like_ctrl_c():
                    execution.run(self._trial)
            except PacelineError:
                self._failed = True
                raise
            except KeyboardInterrupt:
                if self._trial.is_judged:  # only an explanation was interrupted
                    Closing(self._trial.outcome(), self._trial.request.json).write()
                raise
            Closing(self._trial.outcome(), self._trial.request.json).write()
        results: list[Finding | Value] = [*self._trial.findings(), *self._trial.values]
        session.items = [self._item(session, result) for result in results]
        session.testscollected = len(session.items)
        return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn a PacelineError into pytest's usage error, after the lines for GitHub."""
        try:
            yield
        except PacelineError as error:
            self._write(*explain(error))
            raise pytest.UsageError(printable(str(error))) from None

    def _item(self, session: pytest.Session, result: Finding | Value) -> Judged:
        location = self._trial.locations.get(result.name)
        path = session.path / result.name.partition("::")[0]
        name = result.name.rpartition("::")[2]
        item: Judged = Judged.from_parent(session, name=name, nodeid=result.name, path=path)
        item.result = result
        item.line = location.line if location else 0
        return item

    def _say(self, text: str) -> None:
        if self._config.option.verbose >= 0:
            self._write(f"paceline: {text}")

    def _write(self, *lines: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and lines:
            reporter.ensure_newline()
            for line in lines:
                reporter.write_line(printable(line))
            reporter.flush()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Report a benchmark's verdict instead of running it here."""
        if not isinstance(item, Judged):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for when in ("setup", "call", "teardown"):
            item.ihook.pytest_runtest_logreport(report=_report(item, when))
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let a shard without benchmarks pass: other shards have them."""
        is_empty = session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
        if is_empty and self._trial.part is not None and self._trial.part.benchmarks:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table; after an interruption, with the results so far."""
        if self._failed:
            return
        fold = self._config.option.verbose <= 0
        for place, line in enumerate(Closing(self._trial.outcome(), fold=fold).lines()):
            if place == 0:
                terminalreporter.section("paceline")
            terminalreporter.write_line(printable(line))


def _report(item: Judged, when: Any) -> pytest.TestReport:
    outcome, text = _outcome(item.result)
    if when != "call":
        outcome, text = "passed", None
    longrepr: Any = text if outcome == "failed" else None
    if outcome == "skipped":
        longrepr = (str(item.path), item.line + 1, f"Skipped: {text}")
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome=outcome,
        longrepr=longrepr,
        when=when,
        # JUnit's file shows the properties of the teardown's report.
        user_properties=_properties(item.result) if when == "teardown" else (),
    )


def _properties(result: Finding | Value) -> list[tuple[str, Any]]:
    shown = result.as_json()
    if isinstance(result, Finding):
        shown |= {name: str(found) for name, found in (("why", result.why), ("memory", result.memory)) if found}
    return [(name, value) for name, value in shown.items() if name != "name"]


def _outcome(result: Finding | Value) -> tuple[Any, str | None]:
    """Return the outcome of a result as a test, and its reason."""
    if isinstance(result, Finding):
        if result.red:
            return "failed", claim(result)
        return ("skipped", claim(result)) if result.verdict == "unavailable" else ("passed", None)
    return ("skipped", result.reason) if result.base is None and result.head is None else ("passed", None)
