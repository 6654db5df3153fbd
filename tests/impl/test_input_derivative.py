"""The complex step agrees with differences in eighty digits, forward mode is cheap as claimed, reverse mode fits."""

from __future__ import annotations

import dataclasses
from decimal import Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import catalog
from impl.input_derivative._network import outputs
from tests import runs
from tests.runs import fastest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run

problem_module = catalog.problem_module("input_derivative")

TENSORFLOW = [name for name in catalog.contenders("input_derivative") if name.endswith("_tensorflow")]


def prepared(contender: str, size: tuple[int, ...]) -> Callable[[], Any]:
    """Return the ``run`` of ``contender`` at ``size``, skipping the test where it cannot run."""
    return runs.prepared("input_derivative", contender, problem_module.make(size))


def test_the_article_size_is_the_users() -> None:
    assert str(catalog.make("input_derivative", "article")) == "9-128-128-4000, batch of 64, by 2 inputs"


def decimal_outputs(row: list[Decimal], layers: Any) -> list[Decimal]:
    """Return the outputs for one row of the batch in the digits of the current context."""
    for depth, (weights, bias) in enumerate(layers, 1):
        columns = [[Decimal(w) for w in column] for column in weights.T.tolist()]
        sums = (sum(map(Decimal.__mul__, row, column)) for column in columns)
        row = [total + Decimal(b) for total, b in zip(sums, bias.tolist(), strict=True)]
        if depth < len(layers):
            row = [1 - 2 / ((2 * value).exp() + 1) for value in row]
    return row


def test_the_complex_step_is_what_differences_in_eighty_digits_give() -> None:
    problem = catalog.make("input_derivative", "tiny")
    expected = np.empty((len(problem.wrt), len(problem.x), len(problem.b3)))
    with localcontext(prec=80):
        h = Decimal("1e-25")  # errs by 1e-50 of the third derivative, and by 1e-55 of the outputs
        for d, j in enumerate(problem.wrt):
            for i, row in enumerate(problem.x.tolist()):
                above, below = ([Decimal(x) + (k == j) * step for k, x in enumerate(row)] for step in (h, -h))
                pairs = zip(*(decimal_outputs(side, problem.layers) for side in (above, below)), strict=True)
                expected[d, i] = [float((y1 - y0) / (2 * h)) for y1, y0 in pairs]
    np.testing.assert_allclose(problem_module.truth(problem), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_the_derivatives_by_other_inputs_are_refused(size: str) -> None:
    problem = catalog.make("input_derivative", size)
    right = problem_module.truth(problem)
    problem_module.check(problem, right)
    for wrt in (problem.wrt[::-1], (problem.wrt + 1) % problem.x.shape[1]):
        with pytest.raises(AssertionError, match="do not change with the inputs at this rate"):
            problem_module.check(problem, problem_module.truth(dataclasses.replace(problem, wrt=wrt)))


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_single_precision_is_within_its_tolerance_and_its_differences_are_not(size: str) -> None:
    problem = catalog.make("input_derivative", size)
    fields = {field.name: getattr(problem, field.name) for field in dataclasses.fields(problem)}
    single = {name: values.astype(np.float32) for name, values in fields.items() if name != "wrt"}
    narrow = dataclasses.replace(problem, **single)
    answer = catalog.prepare("input_derivative", "forward_numpy", narrow)()
    assert answer.dtype == np.float32
    problem_module.check(problem, answer)
    differences = catalog.prepare("input_derivative", "central_difference_numpy", narrow)()
    with pytest.raises(AssertionError, match="at this rate"):
        problem_module.check(problem, differences.astype(np.float32))


@pytest.mark.parametrize(
    "size", [(3, 5, 1, 1, 1), (3, 5, 101, 2, 3)], ids=["one output, row and input", "all inputs, an uneven chunk"]
)
@pytest.mark.parametrize("contender", catalog.contenders("input_derivative"))
def test_any_number_of_outputs_rows_and_inputs_will_do(contender: str, size: tuple[int, ...]) -> None:
    problem_module.check(problem_module.make(size), prepared(contender, size)())


@pytest.mark.parametrize("contender", TENSORFLOW)
def test_tensorflow_traces_once_for_all_runs_and_prepares(contender: str) -> None:
    size = 4, 6, 150, 3, 2
    prepared(contender, size)()
    function = catalog.contender_module("input_derivative", contender).differentiate
    traced = function.experimental_get_tracing_count()
    for _ in range(2):
        run = prepared(contender, size)
        run()
        run()
    assert function.experimental_get_tracing_count() == traced


def test_forward_mode_for_one_input_costs_little_more_than_a_forward_pass() -> None:
    size = (*problem_module.SIZES["article"][:-1], 1)
    problem = problem_module.make(size)
    plain, forward = fastest(
        lambda: outputs(problem.x, problem.layers, np.tanh), prepared("forward_numpy", size), rounds=20
    )
    assert forward < 2.5 * plain


@pytest.mark.parametrize("contender", ["forward_numpy", "forward_tensorflow", "forward_jax", "forward_torch"])
def test_forward_mode_beats_reverse_mode_by_far(contender: str) -> None:
    """By 20 to 110 times on a quiet machine."""
    size = problem_module.SIZES["article"]
    forward, reverse = fastest(prepared(contender, size), prepared("reverse_tensorflow", size), rounds=2)
    assert reverse > 5 * forward


PEAK = """
import sys
from pathlib import Path
from benchmarks import catalog

def peak():
    line, = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])

problem = catalog.make("input_derivative", "article")
run = catalog.prepare("input_derivative", "reverse_tensorflow", problem)
before = peak()
run()
print((peak() - before) // 1024)
"""


@pytest.mark.slow
def test_the_chunked_jacobian_fits_in_memory(run_python: Run) -> None:
    prepared("reverse_tensorflow", problem_module.SIZES["tiny"])
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell a process its peak memory in /proc")
    done = run_python("-c", PEAK)
    assert done.returncode == 0, done.stderr
    mebibytes = int(done.stdout)
    # The answer is 4 MiB, a layer's share of a chunk 3 MiB; compiling takes 80 to 560 MiB, by the processor.
    # Unchunked, it is 8 GB.
    assert mebibytes < 2000
