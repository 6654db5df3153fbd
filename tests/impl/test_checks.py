"""Every workload's check refuses wrong answers: a check that cannot fail proves nothing.

The finest faults are tried at ``tiny``, where every workload knows its answer to rounding; at other sizes some know a
bar of quality only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import catalog
from tests.answers import outputs, with_output
from tests.runs import prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.answers import Array

#: Of larger outputs, coordinates are drawn.
MOST_COORDINATES = 60


def right_answer(workload: str, problem: Any) -> Any:
    """Return the answer of the workload's first baseline, which needs nothing but Python, or else a broker."""
    return prepared(workload, catalog.problem_module(workload).BASELINES[0], problem)()


def coordinates(array: Array) -> Iterator[tuple[int, ...]]:
    """Yield indices of ``array``: all of them, or as many as are tried."""
    if array.size <= MOST_COORDINATES:
        yield from np.ndindex(array.shape)
    else:
        drawn = np.random.default_rng(1).choice(array.size, MOST_COORDINATES, replace=False)
        yield from (tuple(int(i) for i in np.unravel_index(flat, array.shape)) for flat in drawn)


def shifted(array: Array, index: tuple[int, ...], tolerance: float) -> Array:
    """Return ``array`` with one coordinate wrong by the least that must be seen."""
    wrong = array.copy()
    if array.dtype.kind == "f":
        wrong[index] += 10 * tolerance
    elif array.dtype.kind in "iu":
        wrong[index] += 1
    else:
        wrong[index] = "wrong"[: max(1, array.dtype.itemsize // 4)]
    return wrong


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("direction", [1, -1])
def test_each_coordinate_off_by_ten_times_the_tolerance(workload: str, dtype: Any, direction: int) -> None:
    module = catalog.problem_module(workload)
    problem = catalog.make(workload, "tiny")
    right = right_answer(workload, problem)
    for number, output in enumerate(outputs(right)):
        array = output.astype(dtype) if output.dtype.kind == "f" else output
        tolerance = direction * module.tolerance(problem, np.dtype(dtype))
        for index in coordinates(array):
            with pytest.raises(AssertionError):
                module.check(problem, with_output(right, number, shifted(array, index, tolerance)))


def test_tolerances_are_small_beside_the_answer(workload: str, problem: Any) -> None:
    tolerance = catalog.problem_module(workload).tolerance
    for output in outputs(right_answer(workload, problem)):
        if output.dtype.kind == "f":
            assert tolerance(problem, np.dtype(np.float64)) < 1e-6 * np.abs(output).max()
            assert tolerance(problem, np.dtype(np.float32)) < 1e-2 * np.abs(output).max()


def test_single_precision_is_right_within_its_own_tolerance(workload: str, problem: Any) -> None:
    right = right_answer(workload, problem)
    for number, output in enumerate(outputs(right)):
        if output.dtype.kind == "f":
            right = with_output(right, number, output.astype(np.float32))
    catalog.problem_module(workload).check(problem, right)


SPOILERS: dict[str, Callable[[Array], object]] = {
    "one coordinate short": lambda right: right[:-1],
    "one coordinate more": lambda right: np.append(right, right[-1:], axis=0),
    "an axis more": lambda right: right[None],
    "missing": lambda _: None,
    "a list": lambda right: right.tolist(),
    "objects": lambda right: right.astype(object),
}

FLOAT_SPOILERS: dict[str, Callable[[Array], object]] = {
    "NaN": lambda right: np.where(np.arange(right.size).reshape(right.shape) == 0, np.nan, right),
    "infinite": lambda right: np.full_like(right, np.inf),
    "whole numbers": lambda right: right.astype(int),
    "zeros": np.zeros_like,
    "half precision": lambda right: right.astype(np.float16),
    "the largest numbers": lambda right: np.full_like(right, np.finfo(right.dtype).max),
}


def spoilt(answer: Any) -> Iterator[tuple[str, object]]:
    """Yield what is no right answer, each with its name."""
    yield "nothing", None
    yield "one output too many", (*outputs(answer), outputs(answer)[0])
    if len(outputs(answer)) > 1:
        yield "one output too few", answer[:-1]
    for number, output in enumerate(outputs(answer)):
        spoilers = SPOILERS | (FLOAT_SPOILERS if output.dtype.kind == "f" else {})
        for name, spoil in spoilers.items():
            if output.ndim or name not in {"one coordinate short", "one coordinate more"}:
                yield f"output {number}: {name}", with_output(answer, number, spoil(output))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_is_no_right_answer(workload: str, problem: Any) -> None:
    for name, wrong in spoilt(right_answer(workload, problem)):
        try:
            catalog.problem_module(workload).check(problem, wrong)
        except AssertionError:
            continue
        pytest.fail(f"{name} was taken for right")
