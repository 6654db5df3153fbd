"""What people are shown of findings."""

from dataclasses import replace

from histories import Maker, step
from paceline.history.detect import judgement
from paceline.report import check_report
from paceline.report.changes import Report
from trees import commit


def report(maker: Maker) -> Report:
    return judgement.check(maker.history())


def test_changes_that_share_a_commit_are_said_to() -> None:
    def factor(number: int, place: int, _: str) -> float:
        return 1.2 if number in {1, 2, 3, 4} and place >= 40 else 1.0

    shown = list(check_report.lines(report(Maker(factor=factor)), ()))
    assert f"One commit may explain 4 of these changes: {commit(40)[:8]}" in shown
    assert shown[-1] == "4 new slowdowns, no improvements"


def test_nothing_found_is_one_line() -> None:
    assert list(check_report.lines(report(Maker()), ())) == ["no new slowdowns, no improvements"]


def test_what_has_no_bound_has_a_question_mark() -> None:
    found = report(Maker(factor=step(3, 40, 1.2))).changes[0]
    assert check_report.size(replace(found, low=0.0)).startswith("+19.")
    assert "(95 %: ? .. +2" in check_report.size(replace(found, low=0.0))
    assert check_report.size(replace(found, high=float("inf"))).endswith(".. ?)")
    assert check_report.size(replace(found, ratio=3.0, left=3.0, low=2.5, high=3.4)) == "3x (95 %: 2.5x .. 3.4x)"


def test_a_partly_recovered_change_shows_the_size_that_is_left() -> None:
    found = replace(report(Maker(factor=step(3, 40, 1.2))).changes[0], ratio=2.75, low=2.73, high=2.77, left=1.057)
    assert check_report.size(found) == "2.75x (95 %: 2.73x .. 2.77x), partly recovered, +5.7 % left"
    assert check_report.size(replace(found, left=2.75)) == "2.75x (95 %: 2.73x .. 2.77x)"


def test_names_make_no_annotations() -> None:
    maker = Maker(factor=step(3, 40, 1.2))
    found = replace(report(maker).changes[0], benchmark="a\n::error::b\x1b[2J", machines=("m\r\u202e",))
    (annotation,) = check_report.github(Report((found,), ()))
    assert "\n" not in annotation
    assert "\r" not in annotation
    assert annotation.count("::") == 2


def test_long_lists_are_cut() -> None:
    def factor(number: int, place: int, _: str) -> float:
        return 1.2 if 30 <= place < 60 and number < 14 else 1.0

    recovered = report(Maker(commits=75, benchmarks=40, factor=factor))
    shown = list(check_report.lines(recovered, ()))
    assert sum(line.startswith("  slower") for line in shown) == check_report.MOST_FOLDED
    assert "  and 4 more (listed by --json)" in shown
