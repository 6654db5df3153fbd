"""Runs a function for many arguments: in processes of this machine, or on the workers of a Dask cluster.

The environment variable `DASK_SCHEDULER_ADDRESS` names the cluster. Function, arguments and results are pickled.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from paceline.errors import PacelineError
from paceline.system import extras, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

A = TypeVar("A")
R = TypeVar("R")
CLUSTER = "DASK_SCHEDULER_ADDRESS"


def run(
    task: Callable[[A], R], arguments: Sequence[A], jobs: int, hear: Callable[[int], None]
) -> list[R | Exception]:
    """Return the result for each argument, or the error that ended it; `hear` gets the number of results so far.

    At most `jobs` processes work at once; on a cluster, its workers decide. If a process is killed, as by a system
    short of memory, the rest goes on with half as many. If it was alone, its argument has that error.
    """
    address = os.environ.get(CLUSTER)
    found: dict[int, R | Exception] = {}
    left = dict(enumerate(arguments))
    while left:
        jobs = min(jobs, len(left))
        with _cluster(address) if address else _processes(jobs) as executor:
            _collect(executor, task, left, found, hear)
        lost = [number for number in left if isinstance(found.get(number, BrokenExecutor()), BrokenExecutor)]
        if jobs == 1:
            lost = lost[1:]  # one process takes the arguments in order, so the first of these was its last
        left, jobs = {number: left[number] for number in lost}, max(1, jobs // 2)
    return [found[number] for number in range(len(arguments))]


def _collect(
    executor: Executor,
    task: Callable[[A], R],
    left: Mapping[int, A],
    found: dict[int, R | Exception],
    hear: Callable[[int], None],
) -> None:
    """Add the results for what is left to those found, as soon as they are there."""
    numbers = {}
    with suppress(BrokenExecutor), signals.kept_from_children():
        for number, argument in left.items():
            numbers[executor.submit(task, argument)] = number
    for future in as_completed(numbers):
        try:
            found[numbers[future]] = future.result()
        except Exception as error:  # noqa: BLE001  # any error of the task
            found[numbers[future]] = error
        hear(len(found))


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    """Yield an executor whose processes end with the block; at once, if it ends by an error or by Ctrl-C."""
    # A process that begins from nothing is the same on every system, and shares no lock of a thread.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        yield pool
    except BaseException:
        with signals.put_off():
            for child in multiprocessing.active_children():
                child.kill()
            pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _end_with_parent() -> None:
    """Let this process end as soon as its parent is killed."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    """Yield an executor on the cluster; tasks that have not begun are cancelled if the block ends by an error."""
    extras.require(CLUSTER, "dask")
    from distributed import Client

    try:
        client = Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise PacelineError(
            f"{CLUSTER}: no scheduler at {address!r}: {error}. Start one with `dask scheduler`, or unset it."
        ) from None
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise
