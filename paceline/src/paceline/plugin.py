"""pytest's side of paceline: options and hooks, nothing else.

Loaded into every pytest run, workers of a trial included, so it imports the gate only when one is asked for.
"""

from __future__ import annotations

import argparse
import os
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from paceline.gate.options import ASV_SUITE, BY_HAND, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paceline.gate.finding import Finding
    from paceline.gate.request import Request
    from paceline.gate.settings import Settings
    from paceline.gate.values import Value

WORKER = "paceline.gate.worker"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's options; each can also be set under [tool.paceline] in pyproject.toml."""
    group = parser.getgroup(
        "paceline", "paceline: judge a change's speed by a randomised trial (also: [tool.paceline])"
    )
    for option in OPTIONS:
        group.addoption(option.flag, **option.keywords)
    group.addoption(
        "--benchmark-asv",
        metavar="DIR",
        nargs="?",
        const="",
        help="Collect an asv suite, unchanged. DIR: its benchmark_dir; without a value, that of asv.conf.json. Needs"
        " paceline[asv].",
    )
    group.addoption(
        "--benchmark-record",
        metavar="dirty",
        nargs="?",
        const="clean",
        help="Add this run to the history, by commit and hardware. --benchmark-record=dirty also records uncommitted"
        " changes, marked as such.",
    )
    group.addoption(
        "--benchmark-record-results",
        metavar="DIR",
        help="The history's folder; in [tool.paceline]: results. Default: results_dir of asv.conf.json, or"
        " .asv/results, of the project around.",
    )


def _is_asked_for(option: Any) -> bool:
    names = ("against", "against_python", "against_wheel", "against_control")
    return any(getattr(option, f"benchmark_{name}") is not None for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Iterator[None]:
    """Be earlier than the plugins that start here, such as coverage, and than the project's conftests."""
    if _is_asked_for(early_config.known_args_namespace) and not early_config.pluginmanager.has_plugin(WORKER):
        from paceline.gate import neutral
        from paceline.gate.suites import codspeed

        neutral.before_conftests(early_config)
        codspeed.take_over(early_config.pluginmanager, parser)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare the gate, or the recording of this run, if one is asked for."""
    config.addinivalue_line(
        "markers", "paceline(tolerance): slowdown of this benchmark that a gate accepts, e.g. 0.10"
    )
    option = config.option
    is_gate = _is_asked_for(option) and not config.pluginmanager.has_plugin(WORKER)
    if not is_gate or option.collectonly:  # a gate's own session collects nothing
        _collect_asv(config)
    if option.benchmark_record is not None:
        _prepare_recording(config)
    if not is_gate:
        return
    from paceline.errors import PacelineError

    try:
        settings = _settings(config)
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None
    if settings is not None:
        from paceline.gate import neutral

        neutral.set_options(config)
        config.pluginmanager.register(Gate(config, settings), "paceline-gate")


def _prepare_recording(config: pytest.Config) -> None:
    from paceline import extras
    from paceline.errors import PacelineError, why

    try:
        extras.require("pytest --benchmark-record", "history")
        from paceline.history.record import recorder

        config.pluginmanager.register(recorder(config), "paceline-recorder")
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None
    except OSError as error:
        raise pytest.UsageError(f"{error.filename or 'this system'}: {why(error)}") from None


def _collect_asv(config: pytest.Config) -> None:
    """Let an asv suite be collected if the command line, a gate or [tool.paceline] names one."""
    option = config.option
    given = option.benchmark_asv
    if given is None and not config.pluginmanager.has_plugin(WORKER) and not getattr(option, "benchmark_only", False):
        return
    from paceline.errors import PacelineError
    from paceline.gate.settings import read_table

    try:
        named = os.environ.get(ASV_SUITE) or (read_table(config.rootpath).get("asv") if given is None else None)
        if given is None and named is None:
            return
        from paceline.gate.suites import asv

        asv.collect(config, config.invocation_params.dir / given if given else named, alone=given is not None)
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None


def _settings(config: pytest.Config) -> Settings | None:
    from paceline.errors import PacelineError
    from paceline.gate.settings import read_settings

    option = config.option
    for name in ("benchmark_disable", "benchmark_skip"):
        flag = "--" + name.replace("_", "-")
        if flag in config.invocation_params.args:  # in addopts it is for everyday runs
            raise PacelineError(f"{flag} and --benchmark-against contradict each other: leave out one")
    if not hasattr(option, "benchmark_only"):
        raise PacelineError("pytest-benchmark is not loaded: install it, or leave out `-p no:benchmark`")
    return read_settings(_by_hand(option, config), config.rootpath)


def _by_hand(option: Any, config: pytest.Config) -> Any:
    """Return the options, with those that the user alone may give as the user gave them, and not as the tree does."""
    words = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(os.fspath, config.invocation_params.args)]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, prefix_chars="-")
    for each in BY_HAND:
        parser.add_argument(each.flag, **each.keywords)
    given, _ = parser.parse_known_args(words)
    return argparse.Namespace(**{**vars(option), **vars(given)})


def _request(config: pytest.Config, settings: Settings) -> Request:
    from paceline.gate.request import Request

    arguments = [os.fspath(argument) for argument in config.invocation_params.args]
    return Request(settings, tuple(arguments), config.invocation_params.dir)


class Judged(pytest.Item):
    """Stands for a benchmark that was judged; there is nothing left to run."""

    result: Finding | Value
    line: int

    def runtest(self) -> None:
        """Do nothing: it ran in the trial."""

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say where the benchmark is defined."""
        return self.path, self.line, self.name


class Gate:
    """Runs the trial in place of collecting, and makes an item of each finding that reports it."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        from paceline.gate.trial import Trial
        from paceline.report.closing import Closing

        self._config = config
        self._trial = Trial(_request(config, settings), self._say)
        self._closing = Closing(self._trial)
        self._failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Judge; this session itself collects nothing, so that it imports nothing of what it judges."""
        if self._config.option.collectonly:
            return None
        from paceline.errors import PacelineError
        from paceline.signals import like_ctrl_c

        with self._explained():
            try:
                with like_ctrl_c():
                    self._trial.run()
            except PacelineError:
                self._failed = True
                raise
            self._closing.write()
        results: list[Finding | Value] = [*self._trial.findings(), *self._trial.values]
        session.items = [self._item(session, result) for result in results]
        session.testscollected = len(session.items)
        return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Let an error end the session as pytest's own wrong use does, with what closing has to say."""
        from paceline.errors import PacelineError
        from paceline.report.closing import explain

        try:
            yield
        except PacelineError as error:
            self._write(*explain(error))
            raise pytest.UsageError(_printable(str(error))) from None

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
                reporter.write_line(_printable(line))
            reporter.flush()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Report a benchmark's verdict in place of running it here."""
        if not isinstance(item, Judged):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for when in ("setup", "call", "teardown"):
            item.ihook.pytest_runtest_logreport(report=_report(item, when))
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table: all of it, or after an interruption what is known so far."""
        if self._failed:
            return
        for place, line in enumerate(self._closing.lines()):
            if place == 0:
                terminalreporter.section("paceline")
            terminalreporter.write_line(_printable(line))


def _printable(text: str) -> str:
    from paceline.commands import printable

    return printable(text)


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
        # JUnit takes those of the teardown.
        user_properties=[(name, value) for name, value in item.result.as_json().items() if name != "name"],
    )


def _outcome(result: Finding | Value) -> tuple[Any, str | None]:
    """Return how a test of this result ends, and why."""
    from paceline.gate.finding import Finding
    from paceline.report.terminal import claim

    if isinstance(result, Finding):
        if result.red:
            return "failed", claim(result)
        return ("skipped", claim(result)) if result.verdict == "unavailable" else ("passed", None)
    return ("skipped", result.reason) if result.base is None and result.head is None else ("passed", None)
