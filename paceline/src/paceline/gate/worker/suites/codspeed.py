"""Runs suites written for pytest-codspeed in a gate unchanged, whether it is installed or not.

Its plugin's fixture would replace the gate's. So the plugin is blocked, and its options, markers and import are
provided here. Standard library and pytest only: workers load this.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import sys
import unittest
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

import pytest

from paceline.gate.worker.fixture import TrialFixture
from paceline.gate.worker.suites.codspeed_rules import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MARKERS_OPTIONS = {"group", "min_time", "max_time", "max_rounds"}
PLUGINS = ("codspeed", "pytest_codspeed", "pytest_codspeed.plugin")  # names that its plugin can be loaded by
INTERFACE = "5.0.4"  # the version of pytest-codspeed that the stand-in follows
ASKS_FOR_BENCHMARKS = "--codspeed"  # some suites skip themselves unless this is in sys.argv and in the options


def take_over(pluginmanager: pytest.PytestPluginManager, parser: pytest.Parser) -> None:
    """Block pytest-codspeed's plugin and provide its options, markers and import.

    Call it from `pytest_load_initial_conftests`: by then the plugins are loaded, the suite is not. So this hook sees
    the markers that conftests add, and comes before pytest-benchmark's, which skips tests without the fixture.
    """
    has_options = any(pluginmanager.has_plugin(name) for name in PLUGINS)
    for name in PLUGINS:
        pluginmanager.set_blocked(name)
    if not has_options:
        _add_options(parser)
    if importlib.util.find_spec("pytest_codspeed") is None:
        _stand_in()
    pluginmanager.register(CodSpeedSuite(), "paceline-codspeed")


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("CodSpeed benchmarking")
    group.addoption(ASKS_FOR_BENCHMARKS, action="store_true", default=False, help="Not applied in a gate.")
    group.addoption("--codspeed-mode", help="Not applied in a gate.")
    group.addoption("--codspeed-warmup-time", type=float, help="Not applied in a gate.")
    group.addoption("--codspeed-max-time", type=float, help="Not applied in a gate.")
    group.addoption("--codspeed-max-rounds", type=int, help="Not applied in a gate.")


def _stand_in() -> None:
    """Let `import pytest_codspeed` work; its BenchmarkFixture is the type of the gate's fixture."""
    for name in ("pytest_codspeed", "pytest_codspeed.plugin"):
        spec = ModuleSpec(name, None, is_package="." not in name)
        module: Any = importlib.util.module_from_spec(spec)  # with the spec: suites ask importlib.util.find_spec
        module.BenchmarkFixture, module.__version__ = TrialFixture, INTERFACE
        sys.modules[name] = module
    sys.modules["pytest_codspeed"].plugin = sys.modules["pytest_codspeed.plugin"]  # type: ignore[attr-defined]


def is_benchmark(item: pytest.Item) -> bool:
    """Whether a collected test is a benchmark; `CodSpeedSuite` adds the fixture to those with only a marker."""
    return "benchmark" in getattr(item, "fixturenames", ())


class CodSpeedSuite:
    """pytest-codspeed's markers, as its own plugin reads them."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the marker that pytest-benchmark does not, for --strict-markers."""
        config.addinivalue_line("markers", "codspeed_benchmark: benchmark the whole test")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Let pytest-benchmark see benchmarks where pytest-codspeed sees them, and accept their options."""
        for item in items:
            if isinstance(item, pytest.Function) and not is_benchmark(item):
                _make_benchmark(item)
            marker = item.get_closest_marker("benchmark")
            if marker is not None and "max_rounds" in marker.kwargs:
                kept = {name: value for name, value in marker.kwargs.items() if name != "max_rounds"}
                item.add_marker(pytest.mark.benchmark(*marker.args, **kept), append=False)


def _make_benchmark(item: pytest.Function) -> None:
    has_fixture = "codspeed_benchmark" in item.fixturenames
    if has_fixture or _is_marked(item):
        item.stash[WHOLE] = not has_fixture
        item.fixturenames = [*item.fixturenames, "benchmark"]  # a new list: other parameters share the old one


def _is_marked(item: pytest.Item) -> bool:
    """Whether a marker makes the test a benchmark; not one with options that only pytest-benchmark's fixture has."""
    if item.get_closest_marker("codspeed_benchmark") is not None:
        return True
    marker = item.get_closest_marker("benchmark")
    return marker is not None and set(marker.kwargs) <= MARKERS_OPTIONS


@contextlib.contextmanager
def whole_test_timed(item: pytest.Function, benchmark: TrialFixture) -> Iterator[None]:
    """While this is open, running the item times its function alone, without the wrappers of plugins.

    A coroutine is timed in the loop of the plugin that runs it. A unittest method is timed with its setUp and
    tearDown, since the method may consume what setUp makes.
    """
    is_method = item.cls is not None and issubclass(item.cls, unittest.TestCase)
    name = "runtest" if is_method else "obj"
    function = getattr(item, name)
    setattr(item, name, _timed(function, benchmark))
    try:
        yield
    finally:
        setattr(item, name, function)


def _timed(function: Callable[..., Any], benchmark: TrialFixture) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):
        return functools.wraps(function)(functools.partial(benchmark, function))

    @functools.wraps(function)
    async def timed(*args: Any, **kwargs: Any) -> Any:
        return await benchmark(function, *args, **kwargs)

    return timed
