"""Suites that are written for pytest-codspeed, in real projects, with and without the real pytest-codspeed."""

import gc
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from paceline.gate.pair import Pair
from paceline.gate.visit import End
from paceline.gate.worker.messages import Message
from paceline.gate.worker.suites.codspeed_rules import setup_gets_arguments
from pairs import launch
from projects import WORK, Project

SLOWER = WORK.replace("range(count)", "range(2 * count)")

MARKED = """
import unittest
import pytest
import work

pytestmark = pytest.mark.benchmark(group="g", min_time=1, max_time=1, max_rounds=3)

@pytest.fixture
def once(request, tmp_path):
    (tmp_path / "made").touch(exist_ok=False)  # a second set-up would fail
    return 300

def test_function(once):
    work.total(once)

class TestClass:
    @pytest.mark.parametrize("count", [200, 300])
    def test_method(self, count):
        assert work.total(count)

class TestCase(unittest.TestCase):
    def setUp(self):
        self.counts = [3000]  # much longer than what unittest itself does for a test

    def test_uses_up(self):
        work.total(self.counts.pop())
"""

FIXTURES = """
import gc
import importlib.util
import random
import pytest
import work
import pytest_codspeed.plugin
from pytest_codspeed import BenchmarkFixture

assert importlib.util.find_spec("pytest_codspeed") is not None
pytest.importorskip("pytest_codspeed", minversion="5")

def test_codspeed_benchmark(codspeed_benchmark: BenchmarkFixture):
    codspeed_benchmark(work.total, 300)
    assert gc.isenabled()

def test_both(benchmark, codspeed_benchmark):
    assert benchmark is codspeed_benchmark
    drawn = []
    def target():
        drawn.append(random.random())
        assert not gc.isenabled()
        work.total(300)
    benchmark(target)
    assert drawn[0] == random.Random(0).random()

def test_setup_gets_the_arguments(benchmark):
    given = []
    def setup(*args, **kwargs):
        given.append((args, kwargs))
    benchmark.pedantic(work.total, args=(300,), setup=setup, rounds=60)
    assert given[0] == ((300,), {})

def test_setup_returns_arguments(benchmark):
    benchmark.pedantic(work.total, setup=lambda: ((), {"count": 300}), rounds=60)
"""

# What plugins for coroutines do: pytest-asyncio changes the item, anyio answers the hook.
LOOP = """
import asyncio
import inspect
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True
"""

COROUTINES = """
import asyncio
import pytest
import work

async def total(count):
    await asyncio.sleep(0)
    return work.total(count)

@pytest.mark.{plugin}
async def test_awaited(benchmark):
    assert await benchmark(total, count=1000) > 0

@pytest.mark.{plugin}
@pytest.mark.codspeed_benchmark
async def test_marked():
    await total(1000)

def test_run(benchmark):
    assert asyncio.run(benchmark(total, 1000)) > 0
"""

NOT_AWAITED = """
async def work():
    pass

def test_not_awaited(benchmark):
    benchmark(work)

def test_created_only(benchmark):
    benchmark(lambda: work())

def test_pedantic(benchmark):
    benchmark.pedantic(work)
"""

ASKS = """
import sys
import pytest

if "--codspeed" not in sys.argv:
    pytest.skip("run with --codspeed", allow_module_level=True)

@pytest.fixture(autouse=True)
def needs_option(request):
    if not request.config.getoption("--codspeed") or not request.config.option.codspeed:
        pytest.skip("the option is missing")

def test_total(benchmark):
    from work import total
    benchmark(total, 300)
"""

OF_CONFTEST = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "test_by_conftest":
            item.add_marker("benchmark")

@pytest.fixture
def benchmark(codspeed_benchmark):
    return codspeed_benchmark
"""

CHOICE = """
import pytest

def test_by_conftest():
    pass

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.codspeed_benchmark)])
def test_some(n):
    pass

@pytest.mark.benchmark(min_rounds=5)
def test_with_options_of_pytest_benchmark():
    pass

def test_none():
    pass
"""


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment that has the real pytest-codspeed, and plugins that run coroutines."""
    site = tmp_path_factory.mktemp("site")
    packages = ["pytest-codspeed==5.0.4", "rich", "pytest-asyncio", "anyio"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot get {', '.join(packages)}: {done.stderr.strip()}")
    return {"PYTHONPATH": str(site)}


def collected(project: Project, *arguments: str) -> Message:
    """Return what a worker collects in a project, as it says it."""
    (project.temporary / "logs").mkdir()
    with Pair(project.temporary, 60, random.Random(0)) as pair:
        pair.start({"base": launch(project.root, options=arguments)}, "base")
        found = pair.collected()["base"]
    assert not isinstance(found, End), found
    return found


def names(found: Message) -> list[str]:
    """Return the last parts of the benchmarks' names."""
    return [each["id"].rpartition("::")[2] for each in found["benchmarks"]]


@pytest.mark.slow
@pytest.mark.parametrize("with_codspeed", [False, True])
def test_every_use_is_judged(
    make_project: Callable[..., Project], request: pytest.FixtureRequest, *, with_codspeed: bool
) -> None:
    environment = request.getfixturevalue("genuine") if with_codspeed else {}
    files = {"work.py": WORK, "test_marked.py": MARKED, "test_fixtures.py": FIXTURES}
    project = make_project(files=files)
    if with_codspeed:
        same = project.judge(environment=environment)
        assert same.status == 0, same.output
        assert set(same.verdicts.values()) <= {"same", "unsure"}, same.output
    project.write({"work.py": SLOWER})
    verdicts = project.judge(environment=environment).verdicts
    assert verdicts == dict.fromkeys(verdicts, "slower")
    assert len(verdicts) == 8


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_coroutines_are_timed_by_their_plugin(
    make_project: Callable[..., Project], genuine: dict[str, str], plugin: str
) -> None:
    files = {"work.py": WORK, "test_coroutines.py": COROUTINES.format(plugin=plugin)}
    project = make_project(files=files)
    project.write({"work.py": SLOWER})
    verdicts = project.judge(environment=genuine).verdicts
    assert len(verdicts) >= 3
    assert {verdict for name, verdict in verdicts.items() if "trio" not in name} == {"slower"}


@pytest.mark.slow
def test_coroutines_are_timed_without_pytest_codspeed(make_project: Callable[..., Project]) -> None:
    text = COROUTINES.format(plugin="any")
    project = make_project(files={"work.py": WORK, "conftest.py": LOOP, "test_coroutines.py": text})
    project.write({"work.py": SLOWER})
    run = project.judge()
    assert run.verdicts == {"test_awaited": "slower", "test_marked": "slower", "test_run": "slower"}, run.output


@pytest.mark.slow
def test_coroutines_that_nothing_awaits_are_not_judged(make_project: Callable[..., Project]) -> None:
    run = make_project(files={"test_not_awaited.py": NOT_AWAITED}).judge()
    assert run.status == 4
    assert "never awaited" in run.error
    assert "write `await benchmark(f" in run.error


def test_suite_that_asks_for_codspeed_is_collected(make_project: Callable[..., Project]) -> None:
    """It looks into sys.argv and into the options, whether pytest-codspeed is installed or not."""
    project = make_project(files={"work.py": WORK, "test_asks.py": ASKS})
    found = collected(project, "--codspeed-mode=walltime", "--codspeed-max-time=1", "--codspeed-max-rounds=5")
    assert names(found) == ["test_total"]
    assert not found["errors"]


@pytest.mark.slow
def test_suite_that_asks_for_codspeed_is_judged(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"work.py": WORK, "test_asks.py": ASKS})
    project.write({"work.py": SLOWER})
    assert project.judge().verdicts == {"test_total": "slower"}


def test_markers_are_read_as_pytest_codspeed_reads_them(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"conftest.py": OF_CONFTEST, "test_choice.py": CHOICE})
    found = collected(project, "--benchmark-only", "--strict-markers")
    assert names(found) == ["test_by_conftest", "test_some[2]"]


def test_nothing_changes_without_a_gate(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"work.py": WORK, "test_marked.py": MARKED, "test_fixtures.py": FIXTURES})
    process = project.start("-rs", "test_marked.py")
    output, _ = process.communicate(timeout=60)
    assert "Skipping non-benchmark (--benchmark-only active)" in output
    process = project.start("test_fixtures.py")
    output, _ = process.communicate(timeout=60)
    assert "No module named 'pytest_codspeed'" in output


def no_arguments() -> None: ...
def needs_one(value: int) -> None: ...
def any_arguments(*args: Any) -> None: ...
def keyword(*, key: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("setup", "args", "kwargs", "in_pytest_benchmarks", "in_codspeeds"),
    [
        (no_arguments, (1,), {}, False, False),
        (needs_one, (1,), {}, True, True),
        (any_arguments, (1,), {}, False, True),
        (any_arguments, (1,), {"key": 2}, False, False),
        (keyword, (), {"key": 2}, False, True),
        (gc.collect, (1,), {}, False, True),
        (needs_one, (), {}, False, True),  # either fails, and says so
        (dir, (1,), {}, False, True),  # has no signature
    ],
)
def test_setup_gets_arguments_if_its_signature_or_else_its_suite_says_so(
    setup: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    in_pytest_benchmarks: bool,
    in_codspeeds: bool,
) -> None:
    assert setup_gets_arguments(setup, args, kwargs, written_for_codspeed=False) is in_pytest_benchmarks
    assert setup_gets_arguments(setup, args, kwargs, written_for_codspeed=True) is in_codspeeds
