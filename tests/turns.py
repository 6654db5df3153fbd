"""Times of runs that are compared: taken in turns, so that other work on the machine disturbs all of them alike."""

from collections.abc import Callable
from time import perf_counter
from typing import Any


def fastest(*runs: Callable[[], Any], rounds: int) -> list[float]:
    """Return the fastest warm time of each of ``runs`` in seconds, taken in turns."""
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(rounds):
        for run, taken in zip(runs, times, strict=True):
            start = perf_counter()
            run()
            taken.append(perf_counter() - start)
    return [min(taken) for taken in times]
