"""Gradient descent out of one machine: on a real scheduler with two worker processes, and in bounded memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from clusters import dask_cluster

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run

pytest.importorskip("distributed")

ON_CLUSTER = """
import os
from benchmarks import catalog
from distributed import Client

module = catalog.problem_module("gradient_descent")
problem = module.make((2_500_000, 3))      # three chunks
run = catalog.prepare("gradient_descent", "with_dask", problem)
for _ in range(2):
    module.check(problem, run())
with Client(os.environ["DASK_SCHEDULER_ADDRESS"]) as client:
    counts = client.run(lambda dask_worker: dask_worker.state.executed_count)
    print(sorted(counts.values()))
"""


@pytest.fixture
def cluster(root: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler on loopback with two workers, each a process of its own."""
    with dask_cluster(tmp_path, PYTHONPATH=str(root)) as address:
        yield address


def test_a_scheduler_and_two_workers_give_the_same_iterates(cluster: str, run_python: Run) -> None:
    done = run_python("-c", ON_CLUSTER, DASK_SCHEDULER_ADDRESS=cluster)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert len(counts) == 2
    assert min(counts) >= 6  # each worker took a chunk or more, in each of three epochs of two runs


PEAK = """
import resource, sys
from benchmarks import catalog
module = catalog.problem_module("gradient_descent")
problem = module.HugeProblem(int(sys.argv[1]), module.STEP, 2)
run = catalog.prepare("gradient_descent", "with_dask", problem)
module.check(problem, run())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_points(run_python: Run) -> None:
    few, many = (int(run_python("-c", PEAK, str(points)).stdout) for points in (1_000_000, 10_000_000))
    assert many < 1.2 * few  # the data alone would be ten times as large


def test_chunks_are_drawn_alike_and_make_one_line() -> None:
    module = catalog.problem_module("gradient_descent")
    problem = catalog.make("gradient_descent", "huge")
    assert isinstance(problem, module.HugeProblem)
    chunks = problem.chunks()
    assert len(chunks) == 100
    (x, y), (again, _) = chunks[-1](), chunks[-1]()
    assert (x == again).all()
    assert (x[0], x[-1]) == pytest.approx((1.98, 2.0))
    assert (y - 3 - 2 * x).std() == pytest.approx(0.1, rel=0.01)


def test_contenders_that_work_in_memory_leave_the_huge_size_out() -> None:
    with pytest.raises(catalog.LeftOut, match="works in memory, which the data of this size exceed"):
        catalog.admit("gradient_descent", "article_numpy", "huge")
    catalog.admit("gradient_descent", "with_dask", "huge")
