"""The answer after a run is right to the digit and fits 80 columns, whatever was measured."""

from __future__ import annotations

import re

import pytest

from benchmarks import catalog, environment, summary
from benchmarks.first_call import FirstCall
from benchmarks.time_left import TimeLeft

READS_ALL = "reads all the data in every epoch"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.04, "12.0 s"),
        (1, "1.00 s"),
        (0.9999, "1.00 s"),
        (0.99944, "999 ms"),
        (123e-3, "123 ms"),
        (1.234e-3, "1.23 ms"),
        (45.67e-6, "45.7 us"),
        (8.9e-9, "8.90 ns"),
        (0.5e-9, "0.500 ns"),
        (3600, "3,600 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert summary.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1.00x"),
        (12.34, "12.3x"),
        (0.01234, "0.0123x"),
        (0.0006334, "0.00063x"),
        (8412.3, "8,410x"),
        (999.6, "1,000x"),
    ],
)
def test_ratios_have_three_digits(value: float, text: str) -> None:
    assert summary.ratio(value) == text


def test_a_bar_grows_by_the_same_step_for_every_power_of_ten() -> None:
    axis = summary.Axis.around([2e-6, 5e-3], 23)
    assert axis.label == "1 us .. 10 ms"
    lengths = [len(axis.bar(value)) for value in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)]
    assert lengths == [0, 6, 12, 18, 23]
    assert summary.Axis.around([1.0], 23).bar(1.0) == ""


def result(contender: str, seconds: float | None, size: str = "small", **more: object) -> summary.Result:
    """Return a result of gradient descent that reads all the data, unless told otherwise."""
    extra = {"approach": READS_ALL, "dtype": "float64"} | dict(more.pop("extra", {}))  # type: ignore[call-overload]
    return summary.Result("gradient_descent", contender, size, seconds, extra_info=extra, **more)  # type: ignore[arg-type]


def text(*results: summary.Result) -> list[str]:
    """Return the lines of the answer, which fit the width."""
    lines = [line for line, _ in summary.render(list(results))]
    assert max(map(len, lines)) <= 80
    return lines


def test_times_and_both_ratios_stand_beside_the_contender() -> None:
    lines = text(result("article_python", 2.0), result("article_numpy", 0.05), result("with_numba", 0.004))
    assert lines[0] == "gradient_descent, small: 1,000 points, 100 epochs"
    assert [line.split()[:5] for line in lines if line.startswith("with_numba")] == [
        ["with_numba", "4.00", "ms", "500x", "12.5x"]
    ]
    assert "A = article_python, B = article_numpy; 12x is twelve times as fast" in lines


def test_ratios_stay_empty_where_a_baseline_was_not_measured() -> None:
    (line,) = (line for line in text(result("with_numba", 0.004)) if line.startswith("with_numba"))
    assert line.split()[:3] == ["with_numba", "4.00", "ms"]
    assert "x" not in line


def test_another_algorithm_stands_apart_and_what_it_gains_is_said() -> None:
    once = {"approach": "reads the data once"}
    lines = text(
        result("moments_python", 0.001, extra=once), result("article_python", 2.0), result("with_numba", 0.020)
    )
    headings = [line for line in lines if line.startswith("--")]
    assert headings == [f"-- {READS_ALL}", "-- reads the data once"]
    assert lines.index("-- reads the data once") > next(
        i for i, line in enumerate(lines) if line.startswith("with_numba")
    )
    said = lines.index("A better algorithm beats the best backend:")
    assert lines[said + 1 : said + 3] == ["moments_python reads the data once", "and is 20.0x as fast as with_numba."]


def test_nothing_is_said_of_an_algorithm_that_gains_nothing() -> None:
    lines = text(
        result("moments_python", 0.03, extra={"approach": "reads the data once"}), result("with_numba", 0.02)
    )
    assert not any("better algorithm" in line for line in lines)


def test_single_precision_is_marked_and_explained() -> None:
    lines = text(result("article_tensorflow_gradients", 1.0, extra={"dtype": "float32"}), result("with_numba", 0.02))
    assert any(line.startswith("article_tensorflow_gradients* ") for line in lines)
    assert "* computes in float32" in lines


def test_the_spread_of_the_runs_stands_beside_the_time() -> None:
    rows = (result("with_numba", 0.02, spread=0.034), result("with_jax", 0.03, spread=2.0), result("with_dask", 1.0))
    lines = {line.split()[0]: line.split()[1:4] for line in text(*rows) if line.startswith("with_")}
    assert lines["with_numba"] == ["20.0", "ms", "3%"]
    assert lines["with_jax"] == ["30.0", "ms", "2x"]
    assert lines["with_dask"][:2] == ["1.00", "s"]
    assert "%" not in lines["with_dask"][2]


@pytest.mark.parametrize(("share", "busy"), [(0.5, 1), (0.99, 0), (2.0, 0)])
def test_a_busy_machine_is_reported(share: float, busy: int) -> None:
    lines = [line for line, _ in summary.render([result("with_jax", 0.02)], share)]
    assert sum("The machine was busy: this run got 50% of a core" in line for line in lines) == busy


def test_what_has_no_time_says_why() -> None:
    lines = text(result("with_numba", 0.02), result("with_torch", None, reason="torch is not installed"))
    assert any(line.split() == ["with_torch", "n/a", "torch", "is", "not", "installed"] for line in lines)
    assert text(result("with_torch", None, reason="failed with " + "x" * 200))


def test_first_calls_have_a_table_of_their_own() -> None:
    lines = text(
        result("with_jax", 0.02, first_call=FirstCall(0.4, 0.1, 0.25)), result("with_jax", 0.3, size="article")
    )
    heading = lines.index("gradient_descent, small: the first call, each in a fresh process")
    assert lines[heading + 2].split()[:7] == ["with_jax", "400", "ms", "100", "ms", "250", "ms"]


def test_a_first_call_that_failed_is_told() -> None:
    calls = result("with_jax", 0.02, first_call=FirstCall(0.4, 0.1, 0.25))
    assert "it broke" in text(calls, result("with_numba", 0.02, reason="it broke"))


def test_the_threads_are_stated() -> None:
    assert "Every contender had 1 thread." in text(result("with_jax", 0.02))[-1]


def test_a_gpu_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "gpu")
    monkeypatch.setattr(environment, "gpus", lambda: ["NVIDIA H100"])
    last = " ".join(text(result("with_numpy", 0.02))[-2:])
    assert last == "Device: NVIDIA H100 where tensorflow, jax, torch, cupy can use it; cpu for all else."


def test_first_calls_are_measured_once_a_contender_and_failures_kept() -> None:
    said: list[str] = []
    results = [
        summary.Result("least_squares", "sums_python", "small", 2.0),
        summary.Result("least_squares", "sums_python", "tiny", 1.0),
        summary.Result("least_squares", "pinv_numpy", "tiny", None, reason="broken"),
        summary.Result("least_squares", "unheard_of", "tiny", 1.0),
    ]
    names = [f"first call of least_squares/{name}" for name in ("sums_python", "unheard_of")]
    assert summary.measure_first_calls(results, TimeLeft(names, dict.fromkeys(names, 20.0)), said.append) == 1
    assert said[0] == "first call of least_squares/sums_python, tiny [1/2], about 40 s left"
    assert re.fullmatch(r"first call of least_squares/unheard_of, tiny \[2/2\], about \d+ s left", said[1])
    assert said[2:] == [
        f"FAILED {results[3].reason}",
    ]
    assert results[1].first_call
    assert results[1].extra_info["first_call_seconds"]["imported"] == results[1].first_call.imported
    assert [row.first_call for row in results if row is not results[1]] == [None] * 3
    assert "has no contender 'unheard_of'" in results[3].reason


@pytest.fixture
def with_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradient descent as if it counted records and could be extrapolated."""
    module = catalog.problem_module("gradient_descent")
    monkeypatch.setattr(module, "UNIT", "records", raising=False)
    monkeypatch.setattr(module, "work", lambda size: size[0] * size[1], raising=False)


@pytest.mark.usefixtures("with_extras")
def test_throughput_and_quality_stand_beside_the_time() -> None:
    extra = {"units": 1_000_000, "quality": {"ROC AUC": 0.98765}}
    (line,) = (line for line in text(result("with_numba", 0.5, extra=extra)) if line.startswith("with_numba"))
    assert line.split()[3:5] == ["2,000,000", "0.9877"]


@pytest.mark.usefixtures("with_extras")
def test_what_is_left_out_is_extrapolated_from_another_size() -> None:
    lines = text(
        result("article_python", 0.010, extra={"units": 1}),
        result("article_python", None, size="article", reason=catalog.LeftOut.REASON),
        result("with_numba", 0.1, size="article", extra={"units": 1}),
    )
    said = " ".join(" ".join(lines).split())
    assert "n/a left out, for it takes over a minute (about 10.0 s, extrapolated from small)" in said


def test_the_order_of_measuring_does_not_matter() -> None:
    small, article = result("article_python", 1.0), result("article_numpy", 0.5, size="article")
    other = summary.Result("least_squares", "pinv_numpy", "small", 0.001)
    assert text(article, other, small) == text(small, article, other)


def test_bars_can_be_drawn_in_ascii() -> None:
    assert summary.in_ascii("a ██▍") == "a ##"
