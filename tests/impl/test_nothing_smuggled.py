"""No contender moves work out of the timing: sums into ``prepare``, answers into the memory of ``run``.

Both show in how a run's time grows. Where the sums were taken beforehand it does not grow with the data; where the
answer is remembered it does not grow with anything. Growth is a ratio of two runs in one process, taken in turns,
and wrong contenders prove that the test sees it. What growth cannot show, a constant factor, the source can: no
arithmetic stands in ``prepare`` outside of ``run``.
"""

from __future__ import annotations

import ast
import functools
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    Prepare = Callable[[Any], Callable[[], Any]]

#: Two sizes that differ a thousandfold or more in the data and in nothing else.
GROWING_DATA: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "gradient_descent": ((1_000, 4), (1_000_000, 4)),
    "least_squares": ((1_000,), (4_000_000,)),
}

#: Two sizes that differ two hundredfold in the epochs and in nothing else.
GROWING_EPOCHS = (20_000, 2), (20_000, 400)

#: Honest runs grow tenfold or more here, remembered ones by the clock's noise.
GROWTH = 3


def growth(workload: str, prepare: Prepare, sizes: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
    """Return how many times longer a warm run takes at the second of two ``sizes``: the fastest of three each."""
    runs = [prepare(catalog.problem_module(workload).make(size)) for size in sizes]
    for run in runs:
        run()
    times: list[list[float]] = [[], []]
    for _ in range(3):
        for run, taken in zip(runs, times, strict=True):
            start = perf_counter()
            run()
            taken.append(perf_counter() - start)
    small, large = map(min, times)
    return large / small


def preparer(workload: str, contender: str) -> Prepare:
    """Return the ``prepare`` of ``contender``, skipping the test where it cannot run."""
    try:
        catalog.contender_module(workload, contender)
    except catalog.Unavailable as reason:
        pytest.skip(str(reason))
    return functools.partial(catalog.prepare, workload, contender)


EVERY = [(workload, contender) for workload in GROWING_DATA for contender in catalog.contenders(workload)]


@pytest.mark.parametrize(("workload_", "contender_"), EVERY)
def test_a_run_takes_longer_with_more_data(workload_: str, contender_: str) -> None:
    assert growth(workload_, preparer(workload_, contender_), GROWING_DATA[workload_]) > GROWTH


@pytest.mark.parametrize("contender_", catalog.contenders("gradient_descent"))
def test_who_claims_to_read_all_the_data_in_every_epoch_does(contender_: str) -> None:
    prepare = preparer("gradient_descent", contender_)
    grown = growth("gradient_descent", prepare, GROWING_EPOCHS)
    claims = catalog.approach("gradient_descent", contender_) == "reads all the data in every epoch"
    assert (grown > GROWTH) == claims


def sums_in_prepare(problem: Any) -> Callable[[], Any]:
    """Do what ``moments_numpy`` does, with the sums taken before the clock starts."""
    x, y, n = problem.x, problem.y, len(problem.x)
    normal = np.array([[n, x.sum()], [x.sum(), x @ x]])
    right = np.array([y.sum(), x @ y])

    def run() -> Any:
        w = np.zeros(2)
        for _ in range(problem.epochs):
            w += 2 * problem.step / n * (right - normal @ w)
        return w

    return run


def answer_remembered(problem: Any) -> Callable[[], Any]:
    """Compute once and hand out copies ever after."""
    run = functools.cache(catalog.prepare("gradient_descent", "article_numpy", problem))
    return lambda: run().copy()


@pytest.mark.parametrize("cheat", [sums_in_prepare, answer_remembered])
def test_a_cheat_is_seen(cheat: Prepare) -> None:
    problem = catalog.make("gradient_descent", "small")
    catalog.problem_module("gradient_descent").check(problem, cheat(problem)())
    assert growth("gradient_descent", cheat, GROWING_DATA["gradient_descent"]) < GROWTH


def arithmetic_in_prepare(source: str) -> list[str]:
    """Return every arithmetic expression of ``prepare`` that its nested functions do not hold."""
    tree = ast.parse(source)
    (prepare,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "prepare")
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.AugAssign | ast.BinOp):
            found.append(ast.unparse(node))
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    for statement in prepare.body:
        visit(statement)
    return found


#: Layout, not arithmetic on the data: the place where leftover points begin, tuples joined end to end.
ALLOWED = {
    "gradient_descent/pure_python": {"a + b + c + d", "4 * len(fours)"},
}

#: Build a graph whose operations run later, inside ``run``: written in ``prepare``, not done there.
GRAPHS = {"gradient_descent/article_tensorflow", "gradient_descent/article_tensorflow_gradients"}


def test_prepare_does_no_arithmetic(workload: str, contender: str) -> None:
    name = f"{workload}/{contender}"
    source = (catalog.IMPL / workload / f"{contender}.py").read_text(encoding="utf-8")
    if name not in GRAPHS:
        assert set(arithmetic_in_prepare(source)) <= ALLOWED.get(name, set())


def test_arithmetic_in_prepare_is_seen() -> None:
    source = "def prepare(problem):\n    x = 2 * problem.x\n    def run():\n        return x + 1\n    return run\n"
    assert arithmetic_in_prepare(source) == ["2 * problem.x"]
