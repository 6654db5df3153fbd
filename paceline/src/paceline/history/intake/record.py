"""pytest's side of recording: `--benchmark-record` adds the finished run to the history.

Errors that would make the run worthless are reported before it starts. Failed tests are not recorded. Times come from
each test's `benchmark` fixture, which is public, not from pytest-benchmark's session.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from typing import TYPE_CHECKING, Any

import pytest

from paceline.config import project
from paceline.errors import PacelineError, why
from paceline.history.intake import provenance, remote
from paceline.history.intake.document import UNVERSIONED, Environment, Measured, as_text, quartiles, result_document
from paceline.history.intake.writer import record

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.config.project import Results

    Peaks = Callable[[Sequence[str], float, Callable[[str], None]], Mapping[str, int]]

SECONDS = 60.0  # at least, to measure memory
NO_TIMES = (0.0, 0.0, 0.0)
DIRTY = "dirty"
CLEAN = "clean"  # the option without a value


def recorder(config: pytest.Config, peaks: Peaks | None = None) -> Recorder:
    """Return the plugin that records. Raises PacelineError if nothing could be recorded.

    `peaks` measures the memory of benchmarks within some seconds, and tells what it could not measure.
    """
    option = config.option
    asked = option.benchmark_record
    if asked not in {CLEAN, DIRTY}:
        raise PacelineError(
            f"--benchmark-record: expected `dirty` or no value, got {asked!r}. Write `--benchmark-record=dirty` to"
            " record uncommitted changes, or put paths first."
        )
    _refuse_contradictions(option)
    given = option.benchmark_record_results
    results = project.results(config.invocation_params.dir if given else config.rootpath, given)
    _insist_on_writable(results.folder)
    head = provenance.head(config.rootpath)
    changed = provenance.changed_files(config.rootpath, _ours(config.rootpath, results.folder))
    if changed and asked != DIRTY:
        more = f" and {len(changed) - 1} more differ" if len(changed) > 1 else " differs"
        raise PacelineError(
            f"{changed[0]}{more} from commit {head.commit[:12]}, for which the run would be recorded. Commit first,"
            " or mark the run with --benchmark-record=dirty."
        )
    remote.apart("check", results, config.rootpath, os.environ)
    return Recorder(config, results, provenance.Provenance(head.commit, head.date, dirty=bool(changed)), peaks)


def _insist_on_writable(results: Path) -> None:
    """Raise PacelineError if the folder cannot be made or written: measuring may take hours."""
    there = next(each for each in (results, *results.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PacelineError(
            f"cannot write to {there}: it is {'read-only here' if there.is_dir() else 'a file'}. Name another folder"
            " with --benchmark-record-results=DIR."
        )


def _ours(here: Path, results: Path) -> list[Path]:
    """Return the folders of history, site and columns, which change no measurement."""
    return [
        results,
        project.aa_folder(results),
        project.html_folder(here),
        project.root_of(results) / project.OURS,
    ]


def _refuse_contradictions(option: Any) -> None:
    if not hasattr(option, "benchmark_only"):
        raise PacelineError("pytest-benchmark is not loaded. Install it, or leave out `-p no:benchmark`.")
    if getattr(option, "numprocesses", None) or getattr(option, "dist", "no") != "no":
        raise PacelineError("xdist is active, but parallel processes disturb each other's times. Leave out -n.")
    flags = ["disable", "skip"]
    flags += ["against", "against_python", "against_control"]  # these judge, and time nothing here
    for flag in flags:
        if getattr(option, f"benchmark_{flag}", None) not in {None, False}:
            name = flag.replace("_", "-")
            raise PacelineError(f"--benchmark-{name} and --benchmark-record contradict each other. Leave out one.")


class Recorder:
    """Collects the measured benchmarks, and records them once all tests have run."""

    def __init__(
        self, config: pytest.Config, results: Results, head: provenance.Provenance, peaks: Peaks | None = None
    ) -> None:
        self._config = config
        self._peaks = peaks
        self._started = time.monotonic()
        self._results = results
        self._environment = dict(os.environ)  # tests may change theirs
        self._place = project.place(config.rootpath, project.find_root(config.rootpath))
        self._head = head
        self._measured: dict[str, Measured] = {}
        self._peakmem: dict[str, Measured] = {}  # asv's, still without values
        self._failed: set[str] = set()
        self._notices: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Collect the times of a test that passed."""
        report = yield
        benchmark = getattr(item, "funcargs", {}).get("benchmark")
        if report.failed:
            self._measured.pop(item.nodeid, None)
            self._peakmem.pop(item.nodeid, None)
            if "benchmark" in getattr(item, "fixturenames", ()):
                self._failed.add(item.nodeid)
        elif report.when == "call" and report.passed and getattr(benchmark, "stats", None):
            self._take(item, benchmark, call)
        elif report.when == "call" and report.passed and self._peaks and getattr(item, "is_peak", False):
            self._peakmem[item.nodeid] = Measured(self._place + item.nodeid, (), NO_TIMES, 1, 1, _started(call))
        return report

    def _take(self, item: pytest.Item, benchmark: Any, call: pytest.CallInfo[None]) -> None:
        try:
            with _unlimited():
                self._measured[item.nodeid] = _measured(item, self._place, benchmark, call)
        except Exception as error:  # noqa: BLE001  # of one benchmark's own objects; the others are recorded
            self._failed.add(item.nodeid)
            self._notices.append(f"{item.nodeid} cannot be described: {type(error).__name__}")

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Record the run after the last test."""
        try:
            done = yield
        except BaseException:
            self._notices.append("the run was interrupted, so it was not recorded")
            raise
        if not self._config.option.collectonly:
            try:
                with _unlimited():
                    self._record()
            except PacelineError as error:
                raise self._refused(str(error)) from None
            except OSError as error:
                raise self._refused(f"nothing was recorded: {error.filename or ''} {why(error)}") from None
        return done

    def _refused(self, text: str) -> pytest.UsageError:
        """Return an error that pytest shows on its own line, not after the dots."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.flush()
        return pytest.UsageError(text)

    def _record(self) -> None:
        if self._failed:
            one = len(self._failed) == 1
            self._notices.append(
                f"{len(self._failed)} failed benchmark{'' if one else 's'} {'was' if one else 'were'} not recorded"
            )
        measured = list(self._measured.values())
        has_some = measured or self._peakmem
        if not has_some and self._failed:
            return  # pytest's own status reports it
        if not has_some:
            raise PacelineError(
                "no benchmark ran and passed, so nothing was recorded. Name tests that use the `benchmark` fixture,"
                " or loosen -k and -m."
            )
        measured += self._memory()
        self._insist_on_head()
        environment = this_environment()
        document = result_document(measured, self._head, environment)
        path = record(self._results.folder, document, measured, environment.machine_file, self._notices.append)
        marked = ", marked as dirty" if self._head.dirty else ""
        self._notices.append(
            f"{len({each.test for each in measured})} recorded for {self._head.commit[:12]}{marked}: {path}"
        )
        self._notices += remote.apart("send", self._results, self._config.rootpath, self._environment)
        with contextlib.suppress(PacelineError):
            self._notices += provenance.remarks(self._config.rootpath)

    def _memory(self) -> list[Measured]:
        """Return the peaks of what was timed, if they are asked for; measuring takes as long as timing at most."""
        if self._peaks is None:
            return []
        seconds = max(SECONDS, time.monotonic() - self._started)
        weighed = self._measured | self._peakmem
        peaks = self._peaks([*weighed], seconds, self._notices.append)
        return [weighed[name].of_memory(size) for name, size in peaks.items()]

    def _insist_on_head(self) -> None:
        try:
            now = provenance.head(self._config.rootpath)
        except PacelineError as error:
            self._notices.append(f"cannot tell whether HEAD moved while the benchmarks ran: {error}")
            return
        if now.commit != self._head.commit:
            raise PacelineError(
                f"HEAD moved from {self._head.commit[:12]} to {now.commit[:12]} while the benchmarks ran, so nothing"
                " was recorded. Run the benchmarks again."
            )

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print where the run was recorded, and the notices."""
        for line in self._notices:
            terminalreporter.write_line(f"paceline: {line}")


@contextlib.contextmanager
def _unlimited() -> Iterator[None]:
    """Raise the limits of open files and file size, as tests may have left files open or lowered them."""
    kinds = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE) if resource else ()
    before = {kind: resource.getrlimit(kind) for kind in kinds}
    for kind, (_, hard) in before.items():
        with contextlib.suppress(OSError, ValueError):  # macOS allows fewer files than its hard limit
            resource.setrlimit(kind, (hard, hard))
    try:
        yield
    finally:
        for kind, limits in before.items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(kind, limits)


def this_environment() -> Environment:
    """Return the environment of this process."""
    import pytest_benchmark

    from paceline.history.machine.naming import this_machine
    from paceline.history.machine.surroundings import facts, packages

    machine = this_machine()
    return Environment(
        machine=machine.as_asv(),
        engine=f"pytest-benchmark {pytest_benchmark.__version__}",
        python=".".join(platform.python_version_tuple()[:2]),
        packages=packages(),
        facts=facts(machine),
        former=machine.former,
    )


def _measured(item: pytest.Item, place: str, benchmark: Any, call: pytest.CallInfo[None]) -> Measured:
    metadata = benchmark.stats
    samples = metadata.stats.data
    return Measured(
        test=place + item.nodeid,
        samples=samples,
        quartiles=quartiles(samples),
        number=metadata.iterations,
        repeat=len(samples),
        started=_started(call),
        duration=call.duration,
        group=as_text(benchmark.group or ""),
        axes=_axes(benchmark),
        version=as_text(benchmark.extra_info.get("version", UNVERSIONED)),
    )


def _started(call: pytest.CallInfo[None]) -> int:
    return max(0, int(1000 * call.start))  # a clock may be set before 1970, which no reader accepts


def _axes(benchmark: Any) -> Mapping[str, Any]:
    """Return a test's parameters by name; an object is given by its name, or else by the test's id."""
    return {name: _axis(value, benchmark.param) for name, value in (benchmark.params or {}).items()}


def _axis(value: Any, test: str) -> Any:
    if value is None or isinstance(value, (int, float, str)):
        return value
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else test
