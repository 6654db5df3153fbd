"""The options choose what is measured, say what they would not take, and no contender stops another."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

COLLECT = ("--benchmark-only", "--collect-only", "-qq")


def collected(output: str) -> list[str]:
    """Return the cases that pytest lists: ``workload-contender-size``."""
    return re.findall(r"^benchmarks/test_speed\.py::test_speed\[(.*)\]$", output, re.MULTILINE)


def test_by_default_every_contender_is_measured_at_small_and_article(run_pytest: Run) -> None:
    done = run_pytest("--benchmark-only", "--collect-only", "-q")
    assert sorted(collected(done.stdout)) == sorted(
        f"{workload}-{contender}-{size}"
        for workload in catalog.workloads()
        for contender in catalog.contenders(workload)
        for size in catalog.default_sizes(workload)
    )


def test_collecting_imports_no_framework(run_python: Run) -> None:
    code = (
        "import sys, pytest\n"
        "pytest.main(['--benchmark-only', '--collect-only', '-qq', '-p', 'no:cacheprovider'])\n"
        "print(sorted({'tensorflow', 'jax', 'numba', 'torch'} & set(sys.modules)))"
    )
    assert run_python("-c", code).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("options", "cases"),
    [
        (
            ("--workload", "least_squares", "--contender", "sums_python,pinv_numpy", "--size", "tiny"),
            ["least_squares-pinv_numpy-tiny", "least_squares-sums_python-tiny"],
        ),
        (("--contender=with_jax",), ["gradient_descent-with_jax-small", "gradient_descent-with_jax-article"]),
        (("--size=large", "--contender=lstsq_numpy"), ["least_squares-lstsq_numpy-large"]),
    ],
)
def test_options_choose(run_pytest: Run, options: tuple[str, ...], cases: list[str]) -> None:
    assert collected(run_pytest("--benchmark-only", "--collect-only", "-q", *options).stdout) == cases


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--workload=most_squares",),
            f"--workload: unknown 'most_squares'; choose from {', '.join(catalog.workloads())}",
        ),
        (("--size=tiny,vast,wide",), "--size: unknown 'vast', 'wide'; choose from tiny, small, article, "),
        (
            ("--workload=least_squares", "--contender=with_jax"),
            f"--contender: unknown 'with_jax'; choose from {', '.join(catalog.contenders('least_squares'))}",
        ),
        (("--contender=",), "--contender: unknown ''; choose from "),
        (
            ("--contender=with_jax", "--size=large"),
            "--workload, --contender and --size together leave nothing: no workload has all of them",
        ),
    ],
)
def test_an_unknown_name_is_one_line_that_lists_the_valid_ones(
    run_pytest: Run, options: tuple[str, ...], message: str
) -> None:
    done = run_pytest("--benchmark-only", *options)
    assert done.returncode == 4
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"ERROR: {message}")


def test_help_names_the_options(run_pytest: Run) -> None:
    printed = run_pytest("--help").stdout
    for option in ("--workload", "--contender", "--size", "--strict-contenders", "--no-first-calls", "--chart"):
        assert f"  {option}" in printed


@pytest.mark.slow
def test_plain_pytest_tests_and_benchmark_only_measures(run_pytest: Run) -> None:
    assert "\nbenchmarks/test_speed.py" not in run_pytest("--collect-only", "-q").stdout
    measured = run_pytest("--benchmark-only", "--collect-only", "-q").stdout
    assert "tests/" not in measured
    named = run_pytest("--benchmark-only", "--collect-only", "-q", "tests/test_conftest.py").stdout
    assert "\nbenchmarks/test_speed.py" not in named


def test_a_gate_judges_nothing_that_waits_for_a_broker_unless_it_is_chosen(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plugin,) = [each for each in request.config.pluginmanager.get_plugins() if hasattr(each, "_waits")]
    monkeypatch.setattr(plugin, "_judges", lambda _: True)
    monkeypatch.setattr(request.config.option, "contender", None)
    for chosen, judged in ((None, False), ("fraud_streaming", True)):
        monkeypatch.setattr(request.config.option, "workload", chosen)
        cases = plugin._cases(request.config, ("small",))  # noqa: SLF001 - conftest has no public part
        assert ("fraud_streaming" in {workload for workload, _, _ in cases}) == judged
        said = any(
            line.startswith("not judged: fraud_streaming") for line in plugin.pytest_report_header(request.config)
        )
        assert said is not judged


def test_only_a_run_that_waits_for_a_broker_is_not_counted_as_busy(
    workload: str, request: pytest.FixtureRequest
) -> None:
    (plugin,) = [each for each in request.config.pluginmanager.get_plugins() if hasattr(each, "_waits")]
    assert plugin._waits(request.node) == (workload == "fraud_streaming")  # noqa: SLF001 - conftest has no public part


def write_contender(tree: Path, name: str, body: str) -> None:
    """Add a contender to least squares in ``tree``."""
    (tree / "impl" / "least_squares" / f"{name}.py").write_text(body, encoding="utf-8")


UNAVAILABLE = "import unheard_of\n"
RAISES = "def prepare(problem):\n    def run():\n        raise RuntimeError('no luck today')\n    return run\n"
WRONG = "import numpy as np\ndef prepare(problem):\n    return lambda: np.array([1.0, 2.0])\n"
BROKEN = "import numpy as np\nnp.no_such_thing\n"

MEASURE = ("--benchmark-only", "--workload=least_squares", "--size=tiny", "--benchmark-max-time=0.01")


def test_a_contender_that_fails_is_reported_and_stops_no_other(tree: Path, run_pytest: Run) -> None:
    write_contender(tree, "a_raising_one", RAISES)
    write_contender(tree, "a_wrong_one", WRONG)
    write_contender(tree, "a_broken_one", BROKEN)
    write_contender(tree, "an_unavailable_one", UNAVAILABLE)
    others = "--contender=a_raising_one,a_wrong_one,a_broken_one,an_unavailable_one,sums_python,pinv_numpy"
    done = run_pytest(*MEASURE, others, cwd=tree)
    assert done.returncode == 1
    assert re.search(r"2 failed, 2 passed, 1 skipped, 1 error", done.stdout)
    answer = done.stdout[done.stdout.index(" the answer ===") :]
    assert re.search(r"^a_raising_one +n/a failed with RuntimeError: no luck today$", answer, re.MULTILINE)
    assert re.search(r"^a_wrong_one +n/a failed with AssertionError: Not equal to", answer, re.MULTILINE)
    assert re.search(r"^a_broken_one +n/a failed with AttributeError: module$", answer, re.MULTILINE)
    assert re.search(r"^an_unavailable_one +n/a unheard_of is not installed$", answer, re.MULTILINE)
    assert re.search(r"^sums_python .* 1\.00x", answer, re.MULTILINE)
    assert re.search(r"^pinv_numpy .* 1\.00x", answer, re.MULTILINE)


def test_an_unavailable_contender_is_a_skip_or_under_strict_an_error(tree: Path, run_pytest: Run) -> None:
    write_contender(tree, "an_unavailable_one", UNAVAILABLE)
    lenient = run_pytest(*MEASURE, "--contender=an_unavailable_one,sums_python", cwd=tree)
    assert lenient.returncode == 0
    assert "SKIPPED [1] benchmarks/test_speed.py" in lenient.stdout
    assert "unheard_of is not installed" in lenient.stdout
    strict = run_pytest(*MEASURE, "--contender=an_unavailable_one,sums_python", "--strict-contenders", cwd=tree)
    assert strict.returncode == 1
    assert "an_unavailable_one is not available: unheard_of is not installed" in strict.stdout
    assert "1 passed, 1 error" in strict.stdout


def test_the_record_holds_what_the_gate_and_the_history_need(tree: Path, tmp_path: Path, run_pytest: Run) -> None:
    record = tmp_path / "record.json"
    done = run_pytest(*MEASURE, "--contender=sums_python", f"--benchmark-json={record}", cwd=tree)
    assert done.returncode == 0, done.stdout
    (entry,) = json.loads(record.read_text(encoding="utf-8"))["benchmarks"]
    assert entry["name"] == "test_speed[least_squares-sums_python-tiny]"
    assert entry["group"] == "least_squares, tiny"
    assert entry["extra_info"].pop("first_call_seconds").keys() == {"imported", "prepared", "ran"}
    assert entry["extra_info"] == {
        "version": catalog.version("least_squares"),
        "approach": "solves the normal equations",
        "dtype": "float64",
    }


@pytest.mark.slow
def test_slow_work_is_timed_once_and_the_rest_often(tree: Path, tmp_path: Path, run_pytest: Run) -> None:
    write_contender(
        tree,
        "a_sleepy_one",
        "import time\nfrom impl.least_squares import sums_python\n"
        "def prepare(problem):\n    run = sums_python.prepare(problem)\n"
        "    return lambda: (time.sleep(1.1), run())[1]\n",
    )
    record = tmp_path / "record.json"
    run_pytest(*MEASURE, "--contender=a_sleepy_one,sums_python", f"--benchmark-json={record}", cwd=tree)
    entries = json.loads(record.read_text(encoding="utf-8"))["benchmarks"]
    rounds = {entry["params"]["contender"]: entry["stats"]["rounds"] for entry in entries}
    assert rounds["a_sleepy_one"] == 1
    assert rounds["sums_python"] >= 5


def test_a_benchmark_is_named_as_it_begins(run_pytest: Run) -> None:
    done = run_pytest(*MEASURE, "--contender=sums_python")
    assert "benchmarks/test_speed.py::test_speed[least_squares-sums_python-tiny] PASSED" in done.stdout
    assert "first call of least_squares/sums_python, tiny [1/1]" in done.stdout
    assert run_pytest(*MEASURE, "--contender=sums_python", "-q").stdout.startswith(".")


def test_the_time_left_is_what_the_last_run_took(tree: Path, run_python: Run) -> None:
    seconds = tree / ".pytest_cache" / "v" / "suite" / "seconds"
    seconds.parent.mkdir(parents=True)
    seconds.write_text('{"least_squares-sums_python-tiny": 600, "another": 1}', encoding="utf-8")
    done = run_python("-m", "pytest", *MEASURE, "--contender=pinv_numpy,sums_python", "--no-first-calls", cwd=tree)
    assert re.search(r"pinv_numpy-tiny\] PASSED, about \d+ min left", done.stdout)
    assert "sums_python-tiny] PASSED [100%]" in done.stdout
    took = json.loads(seconds.read_text(encoding="utf-8"))
    assert took.pop("another") == 1
    assert took.keys() == {"least_squares-sums_python-tiny", "least_squares-pinv_numpy-tiny"}
    assert max(took.values()) < 600


def test_first_calls_can_be_left_out_and_the_answer_drawn(tmp_path: Path, run_pytest: Run) -> None:
    chart = tmp_path / "new" / "answer.svg"
    done = run_pytest(*MEASURE, "--contender=sums_python", "--no-first-calls", f"--chart={chart}")
    assert "first call" not in done.stdout
    assert f"The chart is in {chart}." in done.stdout
    assert ">sums_python</text>" in chart.read_text(encoding="utf-8")
