"""Every contender of every workload keeps the contract: right, repeatable, on the host, and without side effects."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import catalog
from tests.answers import outputs

if TYPE_CHECKING:
    from collections.abc import Callable


def arrays(problem: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the fields of ``problem`` that are arrays."""
    fields = {field.name: getattr(problem, field.name) for field in dataclasses.fields(problem)}
    return {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}


def test_the_answer_is_right(workload: str, contender: str, problem: Any, run: Callable[[], Any]) -> None:
    """A second one is the same, and both are on the host, and the caller's own: all in one, as frameworks compile."""
    answer = run()
    catalog.problem_module(workload).check(problem, answer)
    first = outputs(answer)
    assert {type(output) for output in first} == {np.ndarray}
    kept = [output.copy() for output in first]
    for before, after, copy in zip(first, outputs(run()), kept, strict=True):
        np.testing.assert_array_equal(after, copy, strict=True)
        assert type(after) is np.ndarray
        assert not np.shares_memory(before, after)


def test_a_problem_is_frozen_and_its_arrays_are_read_only(workload: str, size: str) -> None:
    problem = catalog.make(workload, size)
    assert dataclasses.is_dataclass(problem)
    assert arrays(problem)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(problem, next(iter(arrays(problem))), None)
    assert not any(values.flags.writeable for values in arrays(problem).values())


def test_a_problem_is_made_alike_every_time(workload: str, size: str) -> None:
    first, second = catalog.make(workload, size), catalog.make(workload, size)
    for name, values in arrays(first).items():
        np.testing.assert_array_equal(values, arrays(second)[name], strict=True)
