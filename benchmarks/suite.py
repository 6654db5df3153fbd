"""Measures every contender under asv: one class a workload, made from the catalog.

What asv does decides the shape. It names a benchmark by its class's name and addresses parameters by position, so
both come from file names. It runs ``setup`` again before every sample, so a warmed ``run`` is kept between them;
and as only a ``setup`` can skip (n/a), those that need the contender have one and ``track_first_call`` has none.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from benchmarks import catalog, first_call

if TYPE_CHECKING:
    from collections.abc import Callable


@functools.cache
def _prepared(workload: str, contender: str, size: str) -> Callable[[], Any]:
    """Return the contender's ``run``, or tell asv to skip it."""
    try:
        catalog.admit(workload, contender, size)
        return catalog.prepare(workload, contender, catalog.make(workload, size))
    except catalog.Unavailable as reason:
        raise NotImplementedError(str(reason)) from reason


@functools.cache
def _warmed(workload: str, contender: str, size: str) -> Callable[[], Any]:
    """Return the contender's ``run`` after it ran once and answered right."""
    run = _prepared(workload, contender, size)
    catalog.problem_module(workload).check(catalog.make(workload, size), run())
    return run


def _suite(workload: str) -> type:
    """Return the asv class of ``workload``."""

    def prepare(contender: str, size: str) -> None:
        _prepared(workload, contender, size)

    def warm_up(contender: str, size: str) -> None:
        _warmed(workload, contender, size)

    class Suite:
        param_names = ("contender", "size")
        params = (catalog.contenders(workload), catalog.default_sizes(workload))
        version = catalog.version(workload)
        # Pure Python takes ten seconds a run at the article's size: one sample of it, up to fifty of the rest.
        timeout = 600
        repeat = (1, 50, 2.0)
        min_run_count = 1
        warmup_time = 0

        def time_run(self, contender: str, size: str) -> None:
            _warmed(workload, contender, size)()

        def peakmem_run(self, contender: str, size: str) -> None:
            _prepared(workload, contender, size)()

        def track_first_call(self, contender: str, size: str) -> float:
            try:
                return sum(first_call.measure(workload, contender, size))
            except catalog.Unavailable:
                return math.nan

        if catalog.defines(workload, "quality"):

            def track_quality(self, contender: str, size: str) -> float:
                problem, run = catalog.make(workload, size), _prepared(workload, contender, size)
                _, value = catalog.problem_module(workload).quality(problem, run())
                return float(value)

    Suite.time_run.setup = warm_up  # type: ignore[attr-defined] # how asv attaches a setup to one benchmark
    Suite.peakmem_run.setup = prepare  # type: ignore[attr-defined]
    if hasattr(Suite, "track_quality"):
        Suite.track_quality.setup = prepare  # type: ignore[attr-defined]
        Suite.track_quality.unit = "quality"  # type: ignore[attr-defined]
    Suite.track_first_call.unit = "seconds"  # type: ignore[attr-defined]
    Suite.__name__ = Suite.__qualname__ = workload.title().replace("_", "")
    return Suite


globals().update({suite.__name__: suite for suite in map(_suite, catalog.workloads())})
