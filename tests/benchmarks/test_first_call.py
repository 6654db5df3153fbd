"""The first call is measured whole, in a process that did nothing of it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog, first_call

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run


def test_importing_preparing_and_running_are_told_apart(tree: Path, run_python: Run) -> None:
    (tree / "impl" / "least_squares" / "sleepy.py").write_text(
        "import time\n"
        "time.sleep(0.3)\n"
        "from impl.least_squares import sums_python\n"
        "def prepare(problem):\n"
        "    time.sleep(0.2)\n"
        "    run = sums_python.prepare(problem)\n"
        "    return lambda: (time.sleep(0.1), run())[1]\n",
        encoding="utf-8",
    )
    done = run_python("-m", "benchmarks.first_call", "least_squares", "sleepy", "tiny", cwd=tree)
    parts = dict(part.split(": ") for part in done.stdout.strip("{}\n").replace('"', "").split(", "))
    assert [float(parts[name]) >= least for name, least in (("imported", 0.3), ("prepared", 0.2), ("ran", 0.1))] == [
        True
    ] * 3
    assert sum(map(float, parts.values())) < 3 * 0.6


def test_a_wrong_answer_has_no_first_call(tree: Path, run_python: Run) -> None:
    contender = tree / "impl" / "least_squares" / "wrong.py"
    contender.write_text("import numpy as np\nprepare = lambda problem: lambda: np.zeros(2)\n", encoding="utf-8")
    done = run_python("-m", "benchmarks.first_call", "least_squares", "wrong", "tiny", cwd=tree)
    assert done.returncode == 1
    assert "the residual of this line is not orthogonal to the data" in done.stderr


def test_a_second_call_is_refused() -> None:
    catalog.contender_module("least_squares", "sums_python")
    with pytest.raises(
        RuntimeError, match="least_squares/sums_python is imported already, so its first call is over"
    ):
        first_call.measure("least_squares", "sums_python", "tiny")


def test_in_a_fresh_process() -> None:
    call = first_call.in_fresh_process("least_squares", "sums_python", "tiny")
    assert min(call) > 0


def test_the_last_words_of_a_failure_are_told() -> None:
    with pytest.raises(
        RuntimeError, match=r"first call of least_squares/sums_python failed: .*least_squares has no size 'vast'"
    ):
        first_call.in_fresh_process("least_squares", "sums_python", "vast")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("least_squares", "with_magic", "tiny"),
            "least_squares has no contender 'with_magic'; choose from lstsq_numpy,",
        ),
        (("least_squares", "pinv_numpy", "vast"), "least_squares has no size 'vast'; choose from tiny,"),
        (("most_squares", "pinv_numpy", "tiny"), "invalid choice: 'most_squares'"),
    ],
)
def test_unknown_names_are_one_line(run_python: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run_python("-m", "benchmarks.first_call", *arguments)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
