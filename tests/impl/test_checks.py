"""Every workload's check refuses wrong answers: a check that cannot fail proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Callable


def right_answer(workload: str, problem: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the answer of the workload's first baseline, which needs nothing but Python."""
    contender = catalog.problem_module(workload).BASELINES[0]
    answer: np.ndarray[Any, np.dtype[np.float64]] = catalog.prepare(workload, contender, problem)()
    return answer


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("direction", [1, -1])
def test_each_coordinate_off_by_ten_times_the_tolerance(
    workload: str, problem: Any, dtype: Any, direction: int
) -> None:
    module = catalog.problem_module(workload)
    right = right_answer(workload, problem).astype(dtype)
    module.check(problem, right)
    for index in np.ndindex(right.shape):
        wrong = right.copy()
        wrong[index] += direction * 10 * module.tolerance(problem, np.dtype(dtype))
        with pytest.raises(AssertionError):
            module.check(problem, wrong)


SPOILERS: dict[str, Callable[[np.ndarray[Any, Any]], object]] = {
    "NaN": lambda right: np.where(np.arange(right.size).reshape(right.shape) == 0, np.nan, right),
    "infinite": lambda right: np.full_like(right, np.inf),
    "one coordinate short": lambda right: right[:-1],
    "one coordinate more": lambda right: np.append(right, right[-1:]),
    "an axis more": lambda right: right[None],
    "a single number": lambda right: right.flat[0],
    "missing": lambda _: None,
    "a list": lambda right: right.tolist(),
    "objects": lambda right: right.astype(object),
    "whole numbers": lambda right: right.astype(int),
    "zeros": np.zeros_like,
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS.keys())
def test_what_is_no_right_answer(workload: str, problem: Any, spoil: Callable[[Any], object]) -> None:
    with pytest.raises(AssertionError):
        catalog.problem_module(workload).check(problem, spoil(right_answer(workload, problem)))
