"""pytest's side of paceline: options and hooks, nothing else.

Loaded into every pytest run, workers of a trial included, so it imports the gate only when one is asked for.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline.gate.finding import Finding
    from paceline.gate.selection import Selection
    from paceline.gate.settings import Settings
    from paceline.gate.trial import Trial
    from paceline.gate.values import Value

WORKER = "paceline.gate.worker"
PREFIX = "benchmark_against_"
ASV = "PACELINE_ASV"  # in a worker: names the asv suite that head's settings name, below rootdir


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's options; each can also be set under [tool.paceline] in pyproject.toml."""
    group = parser.getgroup(
        "paceline", "paceline: judge a change's speed by a randomised trial (also: [tool.paceline])"
    )
    group.addoption(
        "--benchmark-against",
        metavar="REV",
        nargs="?",
        const="",
        help="Judge every selected benchmark of the working tree against this git revision. Without a"
        " value: the merge base with the upstream default branch. Exit status: 1 if something is slower, 4 if"
        " nothing could be judged.",
    )
    group.addoption(
        "--benchmark-asv",
        metavar="DIR",
        nargs="?",
        const="",
        help="Collect an asv suite, unchanged. DIR: its benchmark_dir; without a value, that of asv.conf.json. Needs"
        " paceline[asv].",
    )
    group.addoption(
        "--benchmark-tolerance",
        metavar="FRACTION",
        help="Slowdowns below this are accepted, e.g. 2%% or 0.02. Default: 3%%.",
    )
    group.addoption(
        "--benchmark-alpha",
        metavar="FRACTION",
        help="At most this share of runs on identical code goes red, over all benchmarks. Default: 1%%.",
    )
    group.addoption(
        "--benchmark-budget",
        metavar="SECONDS",
        help="What is undecided when this time is spent is `unsure`. Default: 600.",
    )
    group.addoption(
        "--benchmark-timeout",
        metavar="SECONDS",
        help="A burst, a set-up or a teardown that takes longer hangs; a test may take five times as long."
        " Default: 120.",
    )
    group.addoption(
        "--benchmark-against-json",
        metavar="FILE",
        help="Write the findings to this file, as JSON (schema 1).",
    )
    group.addoption(
        "--benchmark-against-python",
        metavar="EXE",
        help="Run base with this Python, to judge an upgrade. Without --benchmark-against: on the same code.",
    )
    group.addoption(
        "--benchmark-against-install",
        nargs="?",
        const="yes",
        choices=["auto", "yes", "no"],
        help="Install both sides into folders of their own. Default: auto (src/ layouts, compiled parts).",
    )
    group.addoption(
        "--benchmark-against-control",
        action="store_true",
        default=None,
        help="Judge base against base: whatever is found is false.",
    )
    group.addoption(
        "--benchmark-unsure",
        choices=["pass", "fail"],
        help="What to do with benchmarks that stay undecided. Default: pass, and say so.",
    )
    group.addoption(
        "--benchmark-accept",
        metavar="REASON",
        help="Let slower benchmarks pass, as an exception that was reviewed; the reason is shown with each.",
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


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare the gate, or the recording of this run, if one is asked for."""
    option = config.option
    asked = (option.benchmark_against, option.benchmark_against_python, option.benchmark_against_control)
    is_gate = any(each is not None for each in asked)
    if option.benchmark_asv is not None or is_gate or getattr(option, "benchmark_only", False):
        _collect_asv(config)
    if option.benchmark_record is not None:
        _prepare_recording(config)
    if not is_gate or config.pluginmanager.has_plugin(WORKER):
        return
    from paceline.errors import PacelineError

    try:
        settings = _settings(config)
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None
    if settings is not None:
        config.pluginmanager.register(Gate(config, settings), "paceline-gate")


def _prepare_recording(config: pytest.Config) -> None:
    from paceline.errors import PacelineError
    from paceline.history.record import recorder

    try:
        config.pluginmanager.register(recorder(config), "paceline-recorder")
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None


def _collect_asv(config: pytest.Config) -> None:
    """Let an asv suite be collected if the command line or [tool.paceline] names one."""
    from paceline.errors import PacelineError
    from paceline.gate.settings import read_table

    given = config.option.benchmark_asv
    try:
        named = os.environ.get(ASV) or (read_table(config.rootpath).get("asv") if given is None else None)
        if given is None and named is None:
            return
        from paceline.gate.suites import asv

        asv.collect(config, config.invocation_params.dir / given if given else named, alone=given is not None)
    except PacelineError as error:
        raise pytest.UsageError(str(error)) from None


def _settings(config: pytest.Config) -> Settings | None:
    from paceline.errors import PacelineError
    from paceline.gate.settings import combine, read_table

    option = config.option
    if getattr(option, "numprocesses", None) or getattr(option, "dist", "no") != "no":
        raise PacelineError("xdist is active, and processes that run at once disturb each other: leave out -n")
    for name in ("benchmark_disable", "benchmark_skip"):
        if getattr(option, name, False):
            flag = "--" + name.replace("_", "-")
            raise PacelineError(f"{flag} and --benchmark-against contradict each other: leave out one")
    if not hasattr(option, "benchmark_only"):
        raise PacelineError("pytest-benchmark is not loaded: install it, or leave out `-p no:benchmark`")
    names = {
        "accept": "benchmark_accept",
        "against": "benchmark_against",
        "alpha": "benchmark_alpha",
        "budget": "benchmark_budget",
        "control": PREFIX + "control",
        "install": PREFIX + "install",
        "json": PREFIX + "json",
        "python": PREFIX + "python",
        "timeout": "benchmark_timeout",
        "tolerance": "benchmark_tolerance",
        "unsure": "benchmark_unsure",
    }
    given = {key: getattr(option, name, None) for key, name in names.items()}
    return combine(given, read_table(config.rootpath))


class Gate:
    """Runs the trial between collection and reports, and lets each test report its verdict."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._trial: Trial | None = None
        self._findings: dict[str, Finding] = {}
        self._values: dict[str, Value] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Judge all benchmarks before the first report."""
        config = self._config
        if config.option.collectonly or (session.testsfailed and not config.option.continue_on_collection_errors):
            return
        from paceline.errors import PacelineError
        from paceline.gate.trial import Trial
        from paceline.gate.worker import is_timed

        using = [item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())]
        benchmarks = [item for item in using if is_timed(item)]
        if not using:
            raise pytest.UsageError(
                "no benchmark was selected, so there is nothing to judge: name tests that use the `benchmark`"
                " fixture, or loosen -k and -m"
            )
        values = [item for item in using if not is_timed(item)]
        self._trial = Trial(self._settings, self._selection(benchmarks, values), self._say)
        self._note_asv(using)
        try:
            with _ended_by_signals():
                self._trial.run()
        except PacelineError as error:
            raise pytest.UsageError(str(error)) from None
        self._findings = {finding.name: finding for finding in self._trial.findings()}
        self._values = {value.name: value for value in self._trial.values}
        self._note_exceptions()
        self._write()

    def _note_exceptions(self) -> None:
        """Keep what was let through visible in every report."""
        let_through = sum(each.verdict == "slower" and not self._fails(each) for each in self._findings.values())
        if self._trial is not None and let_through:
            self._trial.notices.append(f"reviewed exception: {let_through} slower, {self._settings.accept}")

    def _note_asv(self, items: list[pytest.Item]) -> None:
        """Say what of an asv suite is not used, and let base have head's."""
        suite = self._config.pluginmanager.get_plugin("paceline-asv")
        if suite is not None and self._trial is not None:
            self._trial.notices += suite.notes(items)

    def _selection(self, items: list[pytest.Item], values: list[pytest.Item]) -> Selection:
        from paceline.gate.selection import Selection

        config = self._config
        suite = config.pluginmanager.get_plugin("paceline-asv")
        paths = [str(path) for path in getattr(config.option, "file_or_dir", None) or []]
        return Selection(
            benchmarks=tuple(item.nodeid for item in items),
            modules=tuple(_measuring_files([*items, *values], config.rootpath)),
            arguments=tuple(_without(config.invocation_params.args, paths)),
            paths=tuple(paths),
            root=config.rootpath,
            ini=config.inipath,
            started_in=config.invocation_params.dir,
            python_path=tuple(_python_path(config)),
            extra=("--no-cov",) if config.pluginmanager.hasplugin("_cov") else (),
            values=tuple(item.nodeid for item in values),
            asv=suite.place if suite else None,
        )

    def _say(self, text: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self._config.option.verbose >= 0:
            reporter.ensure_newline()
            reporter.write_line(f"paceline: {text}")
            reporter.flush()

    def _write(self) -> None:
        from paceline.report import json_file, markdown

        trial = self._trial
        if trial is None:
            return
        try:
            if self._settings.json:
                json_file.write(trial, self._config.invocation_params.dir / self._settings.json)
            step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
            if step_summary:
                with Path(step_summary).open("a", encoding="utf-8") as file:
                    file.write(markdown.page(trial.findings(), trial.seconds, trial.notices))
        except OSError as error:
            raise pytest.UsageError(f"cannot write {error.filename}: {error.strerror}") from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Report a benchmark's verdict in place of running it here."""
        finding = self._findings.get(item.nodeid)
        value = self._values.get(item.nodeid)
        if finding is None and value is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for when in ("setup", "call", "teardown"):
            report = self._report(item, when, finding) if finding else _value_report(item, when, value)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _report(self, item: pytest.Item, when: Any, finding: Finding) -> pytest.TestReport:
        from paceline.report.terminal import claim

        outcome: Any = "passed"
        longrepr: Any = None
        if when == "call":
            if self._fails(finding):
                outcome, longrepr = "failed", claim(finding)
            elif finding.verdict == "unavailable":
                outcome = "skipped"
                longrepr = (str(item.path), (item.location[1] or 0) + 1, f"Skipped: {claim(finding)}")
        properties = [(name, value) for name, value in finding.as_json().items() if name != "name"]
        return pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords=dict.fromkeys(item.keywords, 1),
            outcome=outcome,
            longrepr=longrepr,
            when=when,
            user_properties=properties if when == "call" else (),
        )

    def _fails(self, finding: Finding) -> bool:
        from paceline.gate.finding import RED

        if finding.verdict == "unsure":
            return self._settings.unsure == "fail"
        accepted = finding.verdict == "slower" and self._settings.accept is not None
        return finding.verdict in RED and not accepted

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table: all of it, or after an interruption what is known so far."""
        from paceline.gate.trial import machine
        from paceline.report.terminal import summary, table, values_table

        trial = self._trial
        findings = trial.findings() if trial else []
        if trial is None or not (findings or trial.values):
            return
        terminalreporter.section("paceline")
        base = str(trial.base.get("commit") or "the same code")[:12]
        terminalreporter.write_line(
            f"head against {trial.base.get('revision') or 'another environment'} ({base});"
            f" tolerance {trial.settings.tolerance:.1%}, at most {trial.settings.alpha:.1%} false alarms"
        )
        lines = [*(table(findings) if findings else ()), *(values_table(trial.values) if trial.values else ())]
        for line in lines:
            terminalreporter.write_line(line)
        notices = list(trial.notices)
        if not machine()["pinning"]:
            notices.append("this system cannot pin processes to CPUs: expect more noise and more rounds")
        if findings and all(finding.verdict == "new" for finding in findings):
            notices.append("every benchmark is new: nothing to compare with yet")
        unsure = sum(finding.verdict == "unsure" for finding in findings)
        if unsure and trial.settings.unsure == "pass":
            notices.append(f"{unsure} unsure: passed without proof (--benchmark-unsure=fail makes them red)")
        for notice in notices:
            terminalreporter.write_line(f"note: {notice}")
        terminalreporter.write_line(summary(findings, trial.seconds))
        if os.environ.get("GITHUB_ACTIONS") == "true":
            from paceline.report import annotations

            for line in annotations.lines(findings, self._fails):
                terminalreporter.write_line(line)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the gate like Ctrl-C, so that it cleans up behind itself."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(getattr(signal, name), signal.default_int_handler) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _value_report(item: pytest.Item, when: Any, value: Any) -> pytest.TestReport:
    """Report a value that is not judged: passed, or skipped if no side gave one."""
    skipped = when == "call" and value.base is None and value.head is None
    reason = (str(item.path), (item.location[1] or 0) + 1, f"Skipped: {value.reason}")
    properties = [(name, found) for name, found in value.as_json().items() if name != "name"]
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="skipped" if skipped else "passed",
        longrepr=reason if skipped else None,
        when=when,
        user_properties=properties,  # JUnit takes those of the teardown
    )


def _measuring_files(items: list[pytest.Item], root: Path) -> list[Path]:
    """Files that define the measurement: test modules, and the conftests and package files around them."""
    files: dict[Path, None] = {}
    for item in items:
        files[item.path] = None
        for folder in item.path.parents:
            files[folder / "conftest.py"] = None
            if folder == root:
                break
    return [path for path in files if path.is_file()]


def _without(arguments: Any, paths: list[str]) -> list[str]:
    """Arguments of the command line without its paths, which stand last where one is also a value."""
    left = [os.fspath(argument) for argument in arguments]
    for path in reversed(paths):
        if path in left:
            del left[len(left) - 1 - left[::-1].index(path)]
    return left


def _python_path(config: pytest.Config) -> Iterator[str]:
    for path in config.getini("pythonpath"):
        folder = Path(path)
        if folder.is_relative_to(config.rootpath):
            yield folder.relative_to(config.rootpath).as_posix()
