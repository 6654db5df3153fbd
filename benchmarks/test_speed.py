"""Times ``run()`` of every contender under pytest-benchmark.

asv imports this module as well, so the fixtures and the parameters come from conftest.py and nothing is imported
here that needs pytest.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Callable

#: A run that takes longer, in seconds, is timed once: its spread is small beside the ratios that it is there for.
SLOW = 1.0

#: No first run takes longer, in seconds, for the sake of compiling alone: up to here a second one decides.
COMPILING = 8.0


def _seconds(run: Callable[[], Any], look_at: Callable[[Any], object] = id) -> float:
    """Return how long one run takes, apart from looking at its answer."""
    start = perf_counter()
    answer = run()
    taken = perf_counter() - start
    look_at(answer)
    return taken


def test_speed(
    benchmark: Any, workload: str, contender: str, size: str, problem: Any, run: Callable[[], Any]
) -> None:
    benchmark.group = f"{workload}, {size}"
    benchmark.extra_info["version"] = catalog.version(workload)
    module = catalog.problem_module(workload)
    check = module.check
    # The first run compiles and warms up. What it returned is looked at before any time is taken: the time of a
    # wrong answer is worth nothing.
    first = _seconds(run, lambda answer: check(problem, answer))
    slow = first > SLOW
    if SLOW < first <= COMPILING:
        slow = _seconds(run) > SLOW
    answer = benchmark.pedantic(run, rounds=1) if slow else benchmark(run)
    check(problem, answer)
    benchmark.extra_info["approach"] = catalog.approach(workload, contender)
    outputs = answer if isinstance(answer, tuple) else (answer,)
    benchmark.extra_info["dtype"] = next((str(output.dtype) for output in outputs if output.dtype.kind == "f"), "")
    if hasattr(problem, "units"):
        benchmark.extra_info["units"] = problem.units
    if hasattr(module, "recorded"):
        benchmark.extra_info.update(module.recorded())
    if hasattr(module, "quality"):
        benchmark.extra_info["quality"] = dict([module.quality(problem, answer)])
