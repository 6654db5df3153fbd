"""Tolerances of single benchmarks, and what may be red."""

from typing import Any

import pytest
from paceline.config.settings import allowance, combine, fraction
from paceline.config.tolerances import MEMORY, Allowance, Tolerances, matches
from paceline.errors import PacelineError


def read(**table: Any) -> Tolerances[float]:
    settings = combine({"against": "HEAD"}, table)
    assert settings is not None
    return settings.tolerances


def test_marker_wins_over_the_last_pattern_that_matches_and_that_over_the_whole_gate() -> None:
    found = read(tolerance="2%", tolerances={"*io*": "10%", "t.py::test_io[big]": 0.2, "*cpu*": 0.05})
    assert found.of("t.py::test_io[big]", {"tolerance": 0.5}, fraction) == 0.5
    assert found.of("t.py::test_io[big]", {"tolerance": "50%"}, fraction) == 0.5
    assert found.of("t.py::test_io[big]", None, fraction) == 0.2
    assert found.of("t.py::test_io[small]", None, fraction) == 0.1
    assert found.of("t.py::test_other", None, fraction) == 0.02


def test_brackets_are_those_of_parameters() -> None:
    assert matches("t.py::test_a[x-1]", "*::test_a[x-1]")
    assert matches("t.py::test_a[x-1]", "*::test_a[*]")
    assert not matches("t.py::test_ax", "*::test_a[x-1]")


def test_only_what_is_critical_may_be_red() -> None:
    assert read().is_critical("t.py::test_a")
    found = read(critical=["*::test_a*"])
    assert found.is_critical("t.py::test_a[1]")
    assert not found.is_critical("t.py::test_b")


def test_what_has_no_effect_is_named() -> None:
    found = read(critical=["*::test_a"], tolerances={"*::test_gone": 0.1})
    first, second = found.notices(["t.py::test_b"])
    assert "'*::test_gone' matches no selected benchmark" in first
    assert "nothing can be red" in second
    assert not list(read().notices(["t.py::test_b"]))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"tolerances": "10%"}, "tolerances: expected a table"),
        (
            {"tolerances": {"*::test_a": "much"}},
            "tolerances: '*::test_a': expected a fraction between 0 and 1, such as 0.03 or 3%, got 'much'",
        ),
        (
            {"tolerances": {"*::test_a": 2}},
            "tolerances: '*::test_a': expected a fraction between 0 and 1, such as 0.03 or 3%, got 2",
        ),
        ({"tolerances": {"*::test_a": ["10%"]}}, "tolerances: '*::test_a'"),
        ({"critical": "*::test_a"}, "critical: expected a list of patterns"),
        ({"critical": []}, "critical: expected a list of patterns"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(table: dict[str, Any], said: str) -> None:
    with pytest.raises(PacelineError) as error:
        read(**table)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ({}, "expected tolerance=FRACTION or memory=SIZE, got nothing"),
        ({"0.1": 0.1}, "expected tolerance=FRACTION or memory=SIZE, got 0.1"),
        (
            {"tolerance": 0.1, "alpha": 0.1},
            "expected tolerance=FRACTION or memory=SIZE, got tolerance=0.1, alpha=0.1",
        ),
        ({"tolerance": 3}, "tolerance: expected a fraction between 0 and 1, such as 0.03 or 3%, got 3"),
        ({"tolerance": "fast"}, "tolerance: expected a fraction between 0 and 1, such as 0.03 or 3%, got 'fast'"),
    ],
)
def test_markers_that_make_no_sense_name_the_test(mark: dict[str, Any], said: str) -> None:
    with pytest.raises(PacelineError) as error:
        Tolerances(0.03).of("t.py::test_a", mark, fraction)
    assert str(error.value).startswith("t.py::test_a: @pytest.mark.paceline")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (0, 0),
        ("0", 0),
        ("1%", 100),
        (0.02, 200),
        ("64 KiB", 65_536),
        ("1.5kB", 1500),
        ("2MiB", 2 << 20),
        ("7 B", 7),
    ],
)
def test_memory_may_grow_by_a_share_or_by_bytes(given: Any, allowed: int) -> None:
    assert allowance(given).of(10_000) == pytest.approx(allowed)


@pytest.mark.parametrize("given", [1, 4096, -1, "64", "much", "1 kb/s", "1 TiB", True, None])
def test_what_is_neither_is_one_line(given: Any) -> None:
    with pytest.raises(ValueError, match="expected 0, a fraction such as 1%, or bytes such as 64KiB, got"):
        allowance(given)


def test_memory_has_tolerances_of_its_own() -> None:
    table = {"memory_tolerance": "2%", "memory_tolerances": {"*io*": "1KiB"}, "tolerance": "9%"}
    settings = combine({"against": "HEAD"}, table)
    assert settings is not None
    found = settings.memory_tolerances
    assert found.of("t.py::test_io", {"memory": "5%"}, allowance) == Allowance(0.05)
    assert found.of("t.py::test_io", {"tolerance": 0.5}, allowance) == Allowance(size=1024)
    assert found.of("t.py::test_a", None, allowance) == Allowance(0.02)
    assert settings.tolerances.of("t.py::test_a", {"memory": "5%"}, fraction) == 0.09
    with pytest.raises(PacelineError, match="memory: expected 0, a fraction"):
        Tolerances(Allowance(), argument=MEMORY).of("t.py::test_a", {"memory": "much"}, allowance)
    assert list(found.notices(["t.py::test_b"])) == [
        "[tool.paceline.memory_tolerances]: '*io*' matches no selected benchmark"
    ]
