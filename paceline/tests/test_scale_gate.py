"""The script that measures gates over large suites judges real ones, and their messages grow with the suite."""

import pytest
from scripts import script

QUICK = ("--benchmark-tolerance=50%", "--benchmark-alpha=50%", "--benchmark-explain=0")


@pytest.mark.slow
def test_messages_grow_with_the_suite_and_the_table_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    scale_gate, sizes = script("scale_gate"), (16, 48)
    monkeypatch.setattr(scale_gate, "TOUCHED", 2)
    small, large = (scale_gate.measure(size, *QUICK) for size in sizes)
    for size, cost in zip(sizes, (small, large), strict=True):
        assert cost["verdicts"]["untouched"] == size - 2
        assert sum(cost["verdicts"].values()) == size
        assert cost["messages"]["ran"] == 4 * size  # two sides, two passes
        assert cost["messages"]["recorded"] == 4
        assert all(cost["cpu"][part] > 0 for part in scale_gate.PARTS if part in cost["cpu"])
        assert scale_gate.row(size, cost).count("|") == 5 + 2 * len(scale_gate.SHOWN)
    assert large["lines"] - small["lines"] <= large["messages"]["collected"]  # a line or two for each round
