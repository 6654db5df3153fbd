"""The fixture inside a trial: pytest-benchmark's public interface, and every way to use it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paceline.gate.worker.fixture import Pedantic, Plain, TrialFixture
from projects import WORK, Project
from pytest_benchmark.fixture import BenchmarkFixture

USES = '''
import time
import pytest
import work
from pytest_benchmark.fixture import BenchmarkFixture

def test_call(benchmark):
    assert benchmark(work.total, count=300) > 0
    assert benchmark.stats["mean"] > 0 and benchmark.stats.stats.max > 0

def test_annotated(benchmark: BenchmarkFixture):
    assert isinstance(benchmark, BenchmarkFixture) and benchmark.enabled and not benchmark.disabled
    benchmark.group = "mine"
    benchmark.extra_info["note"] = "any"
    benchmark(work.total, 300)

def test_decorator(benchmark):
    @benchmark
    def value():
        return work.total(300)
    assert value > 0

def test_pedantic(benchmark):
    torn = []
    result = benchmark.pedantic(
        work.total, args=(200,), kwargs={}, teardown=lambda count: torn.append(count),
        iterations=3, rounds=40, warmup_rounds=2,
    )
    assert result > 0
    assert 1 <= len(torn) <= 43

def test_setup(benchmark):
    given = []
    def setup():
        given.append([3, 1, 2] * 200)
        return (given[-1],), {}
    benchmark.pedantic(sorted, setup=setup, rounds=60)
    assert len(given) <= 60

def test_once(benchmark):
    """A target that must not run twice is not run twice."""
    calls = []
    benchmark.pedantic(lambda: calls.append(work.total(20000)))
    assert len(calls) == 1

@pytest.fixture(scope="module")
def shared():
    return 300

@pytest.fixture
def benchmark_of_mine(benchmark):
    return benchmark

class TestClass:
    @pytest.mark.parametrize("count", [200, 300], ids=["two hundred", "a::b"])
    @pytest.mark.benchmark(group="g", min_rounds=3, disable_gc=True)
    def test_method(self, benchmark_of_mine, shared, count):
        benchmark_of_mine(work.total, count + shared)

@pytest.mark.skip(reason="not today")
def test_skipped(benchmark):
    benchmark(work.total, 300)

@pytest.mark.xfail(reason="known", strict=True)
def test_xfailed(benchmark):
    benchmark(work.total, 300)
    raise AssertionError

def test_twice(benchmark):
    benchmark(work.total, 300)
    benchmark(work.total, 300)

def test_unused(benchmark):
    pass

def test_woven(benchmark_weave):
    benchmark_weave("work.total")
    work.total(300)
'''


@pytest.mark.slow
def test_every_use_works_in_a_trial(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"work.py": WORK, "test_uses.py": USES})
    run = project.judge()
    assert run.status == 0, run.output
    verdicts = run.verdicts
    expected = dict.fromkeys(verdicts, "same")
    for name in ("test_skipped", "test_twice", "test_unused"):
        expected[name] = "unavailable"
    assert verdicts == expected, run.output
    assert len(verdicts) == 13
    assert "not today" in run.findings["test_skipped"]["reason"]
    assert "only be used once" in run.findings["test_twice"]["reason"]
    assert "never called" in run.findings["test_unused"]["reason"]


def public(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def genuine() -> BenchmarkFixture:
    """Return pytest-benchmark's own fixture as it makes it."""
    names = inspect.signature(BenchmarkFixture).parameters
    given: dict[str, Any] = {name: None for name in names if name not in {"node", "group"}}
    given |= {"node": SimpleNamespace(name="n", nodeid="f::n"), "timer": SimpleNamespace(target=None)}
    given |= {"max_time": 1, "min_time": 1}
    return BenchmarkFixture(**given)  # type: ignore[no-untyped-call]


def test_interface_has_all_that_pytest_benchmark_has() -> None:
    """An upgrade that adds to the interface is noticed here."""
    plugins = SimpleNamespace(getplugin=lambda _: None)
    config = SimpleNamespace(getoption=lambda _, default: default, pluginmanager=plugins)
    node: Any = SimpleNamespace(
        name="n", nodeid="f::n", path=Path(__file__), stash={}, config=config, get_closest_marker=lambda _: None
    )
    ours = TrialFixture(node, channel=node)
    assert public(vars(BenchmarkFixture)) <= public(vars(TrialFixture))
    assert public(vars(genuine())) <= public(vars(ours))
    for name in ("pedantic", "weave"):
        theirs = inspect.signature(getattr(BenchmarkFixture, name)).parameters
        mine = inspect.signature(getattr(TrialFixture, name)).parameters
        assert [(p.name, p.kind, p.default) for p in mine.values()] == [
            (p.name, p.kind, p.default) for p in theirs.values()
        ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"iterations": 0}, "iterations"),
        ({"rounds": 0}, "rounds"),
        ({"warmup_rounds": -1}, "warmup_rounds"),
        ({"iterations": 2, "setup": list}, "more than 1"),
    ],
)
def test_pedantic_refuses_what_pytest_benchmark_refuses(arguments: dict[str, Any], message: str) -> None:
    given = {"setup": None, "rounds": 1, "warmup_rounds": 0, "iterations": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        Pedantic(len, ("a",), None, teardown=None, **given)


def test_setup_that_returns_arguments_excludes_arguments() -> None:
    subject = Pedantic(len, ("a",), None, lambda: (("b",), {}), None, 1, 0, 1)
    with pytest.raises(TypeError, match="returns the arguments"):
        subject.time(1)


def test_bursts_call_as_often_as_asked() -> None:
    calls: list[int] = []
    subject = Plain(calls.append, (1,), {})
    wall, _, _ = subject.time(7)
    assert len(calls) == 7
    assert wall > 0
    assert subject.result() is None
    assert len(calls) == 8


def test_value_of_a_single_call_is_kept() -> None:
    calls: list[int] = []

    def target() -> int:
        calls.append(1)
        return len(calls)

    subject = Plain(target, (), {})
    subject.time(1)
    assert subject.result() == 1
    assert len(calls) == 1
