"""The documented chances of each verdict."""

from paceline.gate import curve
from paceline.report.verdicts import Verdict


def test_verdicts_follow_the_truth() -> None:
    """The curve, at its ends."""
    none = curve.chances(0.0, 0.015, 60)
    assert none[Verdict.SLOWER] == 0
    assert none[Verdict.SAME] >= 57
    much = curve.chances(0.10, 0.015, 30)
    assert much[Verdict.SLOWER] == 30
