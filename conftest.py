"""Chooses workloads, contenders and sizes, and hands them to tests and benchmarks alike; measures nothing itself."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import catalog, chart, environment, summary
from benchmarks.time_left import TimeLeft

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

TEST_SIZES = ("tiny", "small")

CASE = ("workload", "contender", "size")

RESULTS = pytest.StashKey[list[summary.Result]]()

LEFT = pytest.StashKey[TimeLeft]()

#: The seconds of wall and of CPU that the tests took, without setups, in which frameworks are imported.
SPENT = pytest.StashKey[list[float]]()

#: Where pytest's cache keeps the seconds that each benchmark and first call took the last time.
TOOK = "suite/seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("suite", "what to measure (names are separated by commas; default: everything)")
    group.addoption("--workload", metavar="NAMES", help="only these workloads")
    group.addoption("--contender", metavar="NAMES", help="only these contenders")
    group.addoption(
        "--size",
        metavar="NAMES",
        help=f"only these sizes (default: {', '.join(catalog.DEFAULT_SIZES)}; in tests: {', '.join(TEST_SIZES)})",
    )
    group.addoption(
        "--strict-contenders",
        action="store_true",
        help="a contender whose framework is not installed is an error, not a skip",
    )
    group.addoption("--no-first-calls", action="store_true", help="leave out first calls, each in a fresh process")
    group.addoption(
        "--chart", type=Path, metavar="FILE", help="draw the first workload's answer, at its largest size, as SVG"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []
    config.stash[SPENT] = [0.0, 0.0]
    if not _cases(config, _default_sizes(config)):
        raise pytest.UsageError(
            "--workload, --contender and --size together leave nothing: no workload has all of them"
        )
    if config.option.benchmark_only and config.args_source is not pytest.Config.ArgsSource.ARGS:
        # A plain `pytest` tests and `pytest --benchmark-only` measures; neither collects the other's files.
        config.args = [str(config.rootpath / "benchmarks")]
    if config.option.benchmark_only and config.option.verbose == 0:
        # A line as each benchmark begins: one that takes ten seconds must not look like a hang.
        config.option.verbose = 1


def pytest_report_header(config: pytest.Config) -> list[str]:
    early = environment.imported_too_early()
    warning = f" BUT {', '.join(early)} was imported before that was set" if early else ""
    threads = f"threads: {environment.threads()} for every contender (THREADS=n for n){warning}"
    waiting = [
        f"not judged: {name}, which waits for another process; --workload {name} judges it"
        for name in _left_out(config)
    ]
    return [threads, f"device: {environment.named_device()}", *waiting]


def _choose(option: str, given: str | None, names: Iterable[str]) -> list[str]:
    """Return the names that ``--option`` gives, or all of them."""
    valid = list(dict.fromkeys(names))
    asked = valid if given is None else given.split(",")
    unknown = [name for name in asked if name not in valid]
    if unknown:
        names = ", ".join(map(repr, unknown))
        raise pytest.UsageError(f"--{option}: unknown {names}; choose from {', '.join(valid)}")
    return [name for name in valid if name in asked]


def _default_sizes(config: pytest.Config) -> tuple[str, ...]:
    """Return the sizes that are measured: where paceline judges a change, the one whose runs fit its bursts."""
    return ("small",) if _judges(config) else catalog.DEFAULT_SIZES


def _judges(config: pytest.Config) -> bool:
    """Return whether paceline judges a change in this run."""
    return config.getoption("benchmark_against", None) is not None


def _left_out(config: pytest.Config) -> list[str]:
    """Return the workloads that are judged only if they are named.

    The time of another process says little about the change, and is `unsure` in every gate.
    """
    if config.option.workload is not None or not _judges(config):
        return []
    return [workload for workload in catalog.workloads() if catalog.defines(workload, "WAITS")]


def _cases(config: pytest.Config, default_sizes: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return every (workload, contender, size) that the options leave."""
    option = config.option
    workloads = _choose("workload", option.workload, catalog.workloads())
    left_out = _left_out(config)
    workloads = [workload for workload in workloads if workload not in left_out]
    contenders = _choose("contender", option.contender, (c for w in workloads for c in catalog.contenders(w)))
    sizes = _choose("size", option.size, (s for w in workloads for s in catalog.sizes(w)))
    if option.size is None:
        sizes = [size for size in sizes if size in default_sizes]
    return [
        (workload, contender, size)
        for workload in workloads
        for size in sizes
        if size in catalog.sizes(workload)
        for contender in catalog.contenders(workload)
        if contender in contenders
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "workload" in metafunc.fixturenames:
        wanted = [name for name in CASE if name in metafunc.fixturenames]
        is_benchmark = "benchmark" in metafunc.fixturenames
        cases = _cases(metafunc.config, _default_sizes(metafunc.config) if is_benchmark else TEST_SIZES)
        rows = dict.fromkeys(tuple(case[CASE.index(name)] for name in wanted) for case in cases)
        metafunc.parametrize(wanted, list(rows))


@contextmanager
def _skipping(what: str, config: pytest.Config) -> Iterator[None]:
    """Skip the test where ``what`` is left out, or unavailable unless that is an error."""
    try:
        yield
    except catalog.LeftOut as reason:
        pytest.skip(str(reason))
    except catalog.Unavailable as reason:
        if config.option.strict_contenders:
            pytest.fail(f"{what} is not available: {reason}", pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture
def problem(workload: str, size: str, pytestconfig: pytest.Config) -> Any:
    """The workload's problem at the size that the test is given."""
    with _skipping(f"{workload}, {size}", pytestconfig):
        return catalog.make(workload, size)


@pytest.fixture
def run(workload: str, contender: str, size: str, problem: Any, pytestconfig: pytest.Config) -> Callable[[], Any]:
    """The contender's ``run`` on the problem; skips the test where its framework is missing."""
    with _skipping(contender, pytestconfig):
        catalog.admit(workload, contender, size)
        return catalog.prepare(workload, contender, problem)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    spent = item.config.stash[SPENT]
    wall, cpu = perf_counter(), process_time()
    try:
        return (yield)
    finally:
        if not _waits(item):
            spent[:] = spent[0] + perf_counter() - wall, spent[1] + process_time() - cpu


def _waits(item: pytest.Item) -> bool:
    """Return whether a run waits for another process, so that its share of a core says nothing of the machine."""
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return "workload" in parameters and catalog.defines(str(parameters["workload"]), "WAITS")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, pytest.Function) and item.originalname == "test_speed" and report.when != "teardown":
        benchmark = item.funcargs.get("benchmark")
        stats = getattr(benchmark, "stats", None)
        if stats or not report.passed:
            result = _result(item, stats if report.passed else None)
            result.reason, result.skipped = _reason(report, call), report.skipped
            item.config.stash[RESULTS].append(result)
            if LEFT in item.config.stash:
                item.config.stash[LEFT].done(item.callspec.id)
    return report


def _result(item: pytest.Function, stats: Any) -> summary.Result:
    """Return what became of a benchmark whose ``stats``, where it has any, are pytest-benchmark's."""
    workload, contender, size = (str(item.callspec.params[name]) for name in CASE)
    result = summary.Result(workload, contender, size, stats["median"] if stats else None)
    result.extra_info = getattr(item.funcargs.get("benchmark"), "extra_info", {})
    if stats and stats["rounds"] > 1:
        result.spread = stats["iqr"] / stats["median"]
    return result


def _reason(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    """Return in one line why the test did not pass, nothing if it did."""
    if report.passed or call.excinfo is None:
        return ""
    # NumPy's comparisons say what is wrong in their third line.
    text = " ".join(line.strip() for line in call.excinfo.exconly().split("\n")[:3]).strip()
    return text.removeprefix("Skipped: ") if report.skipped else f"failed with {text}"


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    items = [item for item in session.items if isinstance(item, pytest.Function)]
    timed = [item for item in items if item.originalname == "test_speed"]
    if config.option.benchmark_only and timed and not _judges(config):
        names = [item.callspec.id for item in timed]
        if not config.option.no_first_calls:
            names += ["first call of {workload}/{contender}".format_map(item.callspec.params) for item in timed]
        config.stash[LEFT] = TimeLeft(names, _took_last_time(config))


def _took_last_time(config: pytest.Config) -> dict[str, float]:
    """Return the seconds that benchmarks and first calls took, as far as pytest's cache, if it is on, knows."""
    cache = getattr(config, "cache", None)
    took: dict[str, float] = cache.get(TOOK, {}) if cache else {}
    return took


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(
    config: pytest.Config,
) -> Generator[None, tuple[str, str, Any], tuple[str, str, Any]]:
    category, letter, word = yield
    if LEFT in config.stash and isinstance(word, str) and word and (left := str(config.stash[LEFT])):
        word = f"{word}, {left}"
    return category, letter, word


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    try:
        done = yield
        if LEFT in session.config.stash:
            _end(session, session.config.stash[LEFT])
        return done
    finally:
        # What pytest prints from here on tells of tests that are over.
        session.config.stash[LEFT] = TimeLeft([], {})


def _end(session: pytest.Session, left: TimeLeft) -> None:
    """Measure first calls, unless they are left out, and keep for the next run what everything took."""
    config = session.config
    results = config.stash[RESULTS]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if results and reporter and not config.option.no_first_calls:
        reporter.write_line("")
        session.testsfailed += summary.measure_first_calls(results, left, reporter.write_line)
    cache = getattr(config, "cache", None)
    if cache and left.took:
        cache.set(TOOK, _took_last_time(config) | left.took)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = config.stash[RESULTS]
    if any(result.seconds is not None or not result.skipped for result in results):
        terminalreporter.write_sep("=", "the answer")
        plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        wall, cpu = config.stash[SPENT]
        for line, stands_out in summary.render(results, cpu / wall if wall else 1.0):
            terminalreporter.write_line(summary.in_ascii(line) if plain else line, bold=stands_out)
    if config.option.chart and any(result.seconds is not None for result in results):
        config.option.chart.parent.mkdir(parents=True, exist_ok=True)
        config.option.chart.write_text(chart.draw(results), encoding="utf-8")
        terminalreporter.write_line(f"The chart is in {config.option.chart}.")
