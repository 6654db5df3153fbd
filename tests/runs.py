"""The runs of contenders in tests: where one cannot run the test is skipped; those compared are timed in turns."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Callable


def prepared(workload: str, contender: str, problem: Any) -> Callable[[], Any]:
    """Return the ``run`` of ``contender``, skipping the test where it cannot run."""
    try:
        return catalog.prepare(workload, contender, problem)
    except catalog.Unavailable as reason:
        pytest.skip(str(reason))


def fastest(*runs: Callable[[], Any], rounds: int) -> list[float]:
    """Return the fastest warm time of each of ``runs`` in seconds.

    They are taken in turns, so that other work on the machine disturbs all of them alike.
    """
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(rounds):
        for run, taken in zip(runs, times, strict=True):
            start = perf_counter()
            run()
            taken.append(perf_counter() - start)
    return [min(taken) for taken in times]
