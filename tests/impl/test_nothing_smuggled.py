"""No contender moves work out of the timing: sums into ``prepare``, answers into the memory of ``run``.

Both show in how a run's time grows. Where the sums were taken beforehand it does not grow with the data; where the
answer is remembered it does not grow with anything. Growth is a ratio of two runs in one process, taken in turns,
and wrong contenders prove that the test sees it. What growth cannot show, a constant factor, the source can: no
arithmetic stands in ``prepare`` outside of ``run``, as far as names of operations tell.
"""

from __future__ import annotations

import ast
import functools
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Prepare = Callable[[Any], Callable[[], Any]]

#: Two sizes that differ thirtyfold in the epochs and in nothing else. One pass over so much data takes longer than
#: all the epochs of a contender that needs no more passes.
GROWING_EPOCHS = (100_000, 2), (100_000, 60)

#: Honest runs grow threefold or more here, remembered ones by the clock's noise.
GROWTH = 2
ROUNDS = 8


def growth(workload: str, prepare: Prepare, sizes: tuple[tuple[int, ...], tuple[int, ...]]) -> Iterator[float]:
    """Yield, round by round, how many times longer a warm run takes at the second of two ``sizes``.

    It is the fastest run of each so far, since other work on the machine only ever lengthens a run.
    """
    runs = [prepare(catalog.problem_module(workload).make(size)) for size in sizes]
    for run in runs:
        run()
    fastest = [inf, inf]
    for _ in range(ROUNDS):
        for index, run in enumerate(runs):
            start = perf_counter()
            run()
            fastest[index] = min(fastest[index], perf_counter() - start)
        yield fastest[1] / fastest[0]


def grows(
    workload: str, prepare: Prepare, sizes: tuple[tuple[int, ...], tuple[int, ...]], *, expected: bool = True
) -> bool:
    """Whether it does; further rounds are run while it is not as ``expected``."""
    found = not expected
    for ratio in growth(workload, prepare, sizes):
        found = ratio > GROWTH
        if found == expected:
            break
    return found


def preparer(workload: str, contender: str) -> Prepare:
    """Return the ``prepare`` of ``contender``, skipping the test where it cannot run."""
    try:
        catalog.contender_module(workload, contender)
    except catalog.Unavailable as reason:
        pytest.skip(str(reason))
    return functools.partial(catalog.prepare, workload, contender)


GROWING = {
    workload: catalog.problem_module(workload).GROWING
    for workload in catalog.workloads()
    if hasattr(catalog.problem_module(workload), "GROWING")
}
EVERY = [(workload, contender) for workload in GROWING for contender in catalog.contenders(workload)]


@pytest.mark.parametrize(("workload_", "contender_"), EVERY)
def test_a_run_takes_longer_with_more_data(workload_: str, contender_: str) -> None:
    assert grows(workload_, preparer(workload_, contender_), GROWING[workload_])


@pytest.mark.parametrize("contender_", catalog.contenders("gradient_descent"))
def test_who_claims_to_read_all_the_data_in_every_epoch_does(contender_: str) -> None:
    prepare = preparer("gradient_descent", contender_)
    claims = catalog.approach("gradient_descent", contender_) == "reads all the data in every epoch"
    assert grows("gradient_descent", prepare, GROWING_EPOCHS, expected=claims) == claims


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
    assert not grows("gradient_descent", cheat, GROWING["gradient_descent"], expected=False)


#: Calls that compute, by the last part of their names, whatever the library.
COMPUTES = frozenset(
    [
        "add",
        "cumsum",
        "dot",
        "einsum",
        "exp",
        "fsum",
        "inner",
        "inv",
        "log",
        "lstsq",
        "matmul",
        "matvec",
        "mean",
        "mul",
        "multiply",
        "norm",
        "pinv",
        "prod",
        "reduce_mean",
        "reduce_sum",
        "solve",
        "square",
        "std",
        "sub",
        "subtract",
        "sum",
        "sumprod",
        "tanh",
        "tensordot",
        "var",
        "vdot",
        "vecdot",
    ]
)


def arithmetic_in_prepare(source: str) -> list[str]:
    """Return every expression that ``prepare`` computes: its own, and those of plain helpers that it calls.

    What stands in its nested functions runs later, as do the operations of a graph that is being built.
    """
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    found: list[str] = []
    seen: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.With) and "as_default" in ast.unparse(node.items[0])
        ):
            return
        negation = isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant)
        name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
        if negation or name in COMPUTES or isinstance(node, ast.AugAssign | ast.BinOp):
            found.append(ast.unparse(node))
            return
        if name in functions and not functions[name].decorator_list:
            visit_body(name)
        for child in ast.iter_child_nodes(node):
            visit(child)

    def visit_body(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for statement in functions[name].body:
                visit(statement)

    visit_body("prepare")
    return found


#: Layout, not arithmetic on the data: the place where leftover points begin, tuples joined end to end.
ALLOWED = {
    "gradient_descent/pure_python": {"a + b + c + d", "4 * len(fours)"},
}


def test_prepare_does_no_arithmetic(workload: str, contender: str) -> None:
    source = (catalog.IMPL / workload / f"{contender}.py").read_text(encoding="utf-8")
    assert set(arithmetic_in_prepare(source)) <= ALLOWED.get(f"{workload}/{contender}", set())


@pytest.mark.parametrize(
    "smuggled",
    [
        "2 * problem.x",
        "problem.x.sum()",
        "np.dot(problem.x, problem.y)",
        "-problem.x",
        "sum(map(mul, x, y))",
        "helped(x)",
    ],
)
def test_arithmetic_in_prepare_is_seen(smuggled: str) -> None:
    source = (
        "def helped(x):\n    return x @ x\n"
        f"def prepare(problem):\n    x = {smuggled}\n    def run():\n        return x + 1\n    return run\n"
    )
    assert arithmetic_in_prepare(source) == ["x @ x" if "helped" in smuggled else smuggled]
