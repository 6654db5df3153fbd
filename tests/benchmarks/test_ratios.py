"""The speeds that the project claims are measured, and a claim that does not hold is told."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from benchmarks import catalog, ratios

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run


@pytest.mark.slow
def test_no_claim_is_far_from_true_here(run_python: Run) -> None:
    """Ratios differ between processors: the exact claims are for the machine that the docs name."""
    done = run_python("-m", "benchmarks.ratios", "--rounds", "3", THREADS="1")
    for claim in ratios.CLAIMS:
        (found,) = re.findall(rf"^{claim.faster} against {claim.slower} \.\.\. (.*)$", done.stdout, re.MULTILINE)
        if not found.startswith("n/a: "):
            assert float(found.partition("x ")[0].replace(",", "")) > claim.low / 2, done.stdout
    assert done.returncode == ("DOES NOT HOLD" in done.stdout)


def test_pairs_are_ratios_of_times_per_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(ratios, "perf_counter", lambda: now[0])

    def taking(seconds: float) -> Callable[[], None]:
        return lambda: now.__setitem__(0, now[0] + seconds)

    slow = ratios.Timed(taking(0.04), epochs=2)
    fast = ratios.Timed(taking(0.01), epochs=1)
    assert list(ratios.pairs(slow, fast, 3, random.Random(0))) == pytest.approx([2, 2, 2])  # noqa: S311


def test_a_claim_that_does_not_hold_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ratios, "CLAIMS", (ratios.Claim("article_numpy", "moments_numpy", 1.0, 2.0),))
    monkeypatch.setattr("sys.argv", ["ratios", "--rounds", "3"])
    assert ratios.main() == 1
    assert "claimed 1.00x to 2.00x: DOES NOT HOLD" in capsys.readouterr().out


def test_without_a_compiler_the_c_loop_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(catalog.Unavailable, match="no C compiler"):
        ratios.c_loop()


def test_the_c_loop_answers_right() -> None:
    try:
        prepare = ratios.c_loop()
    except catalog.Unavailable as reason:
        pytest.skip(str(reason))
    problem = catalog.make("gradient_descent", "small")
    catalog.problem_module("gradient_descent").check(problem, prepare(problem)())
