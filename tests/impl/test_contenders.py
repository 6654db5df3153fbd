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
    catalog.problem_module(workload).check(problem, run())


def test_a_second_run_gives_the_same_answer(workload: str, contender: str, run: Callable[[], Any]) -> None:
    first = [output.copy() for output in outputs(run())]
    for before, after in zip(first, outputs(run()), strict=True):
        np.testing.assert_array_equal(after, before, strict=True)


def test_the_answer_is_on_the_host_and_the_callers_own(workload: str, contender: str, run: Callable[[], Any]) -> None:
    for first, second in zip(outputs(run()), outputs(run()), strict=True):
        assert type(first) is np.ndarray
        assert not np.shares_memory(first, second)


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
