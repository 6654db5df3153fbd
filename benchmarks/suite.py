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
    members: dict[str, Any] = {
        "param_names": ("contender", "size"),
        "params": (catalog.contenders(workload), catalog.default_sizes(workload)),
        "version": catalog.version(workload),
        # Pure Python takes ten seconds a run at the article's size: one sample of it, up to fifty of the rest.
        "timeout": 600,
        "repeat": (1, 50, 2.0),
        "min_run_count": 1,
        "warmup_time": 0,
    }
    functions = [_time_run(workload), _peakmem_run(workload), _track_first_call(workload)]
    if catalog.defines(workload, "quality"):
        functions.append(_track_quality(workload))
    members |= {function.__name__: function for function in functions}
    return type(workload.title().replace("_", ""), (), members)


def _attach(function: Callable[..., Any], **attributes: object) -> Callable[..., Any]:
    """Attach to a benchmark what asv reads there: its own setup, its unit."""
    vars(function).update(attributes)
    return function


def _time_run(workload: str) -> Callable[..., Any]:
    def time_run(_: object, contender: str, size: str) -> None:
        _warmed(workload, contender, size)()

    return _attach(time_run, setup=lambda contender, size: _warmed(workload, contender, size))


def _peakmem_run(workload: str) -> Callable[..., Any]:
    def peakmem_run(_: object, contender: str, size: str) -> None:
        _prepared(workload, contender, size)()

    return _attach(peakmem_run, setup=lambda contender, size: _prepared(workload, contender, size))


def _track_first_call(workload: str) -> Callable[..., Any]:
    def track_first_call(_: object, contender: str, size: str) -> float:
        try:
            return sum(first_call.measure(workload, contender, size))
        except catalog.Unavailable:
            return math.nan

    return _attach(track_first_call, unit="seconds")


def _track_quality(workload: str) -> Callable[..., Any]:
    def track_quality(_: object, contender: str, size: str) -> float:
        problem, run = catalog.make(workload, size), _prepared(workload, contender, size)
        _, value = catalog.problem_module(workload).quality(problem, run())
        return float(value)

    return _attach(track_quality, setup=lambda contender, size: _prepared(workload, contender, size), unit="quality")


globals().update({suite.__name__: suite for suite in map(_suite, catalog.workloads())})
