"""The same iterates on data in chunks, which need not fit in one memory nor on one machine, by Dask.

An epoch is one task a chunk, each of which returns two sums: that is all that ever travels. The tasks run in this
process, or on the cluster whose address stands in DASK_SCHEDULER_ADDRESS; its workers need ``impl`` installed, and
keep chunks that fit. Handing an epoch to Dask costs some hundred microseconds in process and some milliseconds on a
cluster, so this is slow wherever the data fit in one memory: it is for where they do not.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dask
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Chunk, HugeProblem, Problem, Run

    #: The number of points of a chunk, and the sums of error and of error times x over them.
    Part = tuple[int, float, float]
    Epoch = Callable[[float, float], list[Part]]

OUT_OF_CORE = True


def sums_of_errors(give: Callable[[], Chunk], w0: float, w1: float) -> Part:
    """Return the number of points and the sums of error and of error times x over the chunk that ``give`` gives."""
    x, y = give()
    error = x * -w1
    error += y
    error -= w0
    return len(x), float(error.sum()), float(error @ x)


def in_process(chunks: list[Callable[[], Chunk]]) -> Epoch:
    """Return what does an epoch's tasks in this thread, one after another."""

    def epoch(w0: float, w1: float) -> list[Part]:
        # Names that no weight can equal: Dask would take a weight of 0.0 for the task of number 0.
        tasks = {f"chunk {number}": (sums_of_errors, give, w0, w1) for number, give in enumerate(chunks)}
        return list(dask.get(tasks, list(tasks)))

    return epoch


def on_cluster(address: str, chunks: list[Callable[[], Chunk]]) -> Epoch:
    """Return what does an epoch's tasks on the workers, each of which keeps the chunks that it was sent."""
    from distributed import Client

    client = Client(address, set_as_default=False)
    kept = client.scatter(chunks)

    def epoch(w0: float, w1: float) -> list[Part]:
        tasks = [client.submit(sums_of_errors, give, w0, w1, pure=False) for give in kept]
        return list(client.gather(tasks))

    return epoch


def prepare(problem: Problem | HugeProblem) -> Run:
    """Hand the chunks to Dask: the data where they are in memory, what draws them where they are too many."""
    step, epochs = problem.step, problem.epochs
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    epoch = on_cluster(address, problem.chunks()) if address else in_process(problem.chunks())

    def run() -> NDArray[np.float64]:
        w0 = w1 = 0.0
        for _ in range(epochs):
            points, sum_e, sum_ex = map(sum, zip(*epoch(w0, w1), strict=True))
            scale = 2 * step / points
            w0 += scale * sum_e
            w1 += scale * sum_ex
        return np.array([w0, w1])

    return run
