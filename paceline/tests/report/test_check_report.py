"""What people are shown of findings."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import Maker, step
from paceline.history.detect import judgement
from paceline.report import check_report
from paceline.report.changes import Quarantined, Report
from paceline.report.places import Place
from trees import commit


def report(maker: Maker) -> Report:
    return judgement.check(maker.history())


def at_40(number: int, place: int, _: str) -> float:
    """Make benchmarks 1 to 4 slower and 5 faster at commit 40, and 6 slower still at commit 20."""
    ratio = {1: 1.2, 2: 1.3, 3: 1.2, 4: 1.1, 5: 0.8}.get(number, 1.0) if place >= 40 else 1.0
    return 1.5 if number == 6 and place >= 20 else ratio


def test_changes_are_grouped_by_place() -> None:
    found = report(Maker(factor=at_40))
    shown = list(check_report.lines(found, ()))
    assert [line for line in shown if line.startswith("SLOWER")] == [
        f"SLOWER  {commit(20)[:8]} of 2023-11-15",
        f"SLOWER  {commit(40)[:8]} of 2023-11-16",
    ]
    assert re.fullmatch(r"  4 slower, median \+\d+\.\d %; 1 faster, median -\d+\.\d %", shown[-10])
    assert [line.strip() for line in shown[-9:-3:2]] == ["test_2", *sorted(["test_1", "test_3"], key=size_in(found))]
    assert shown[-3] == "    and 2 more (listed by --all)"
    assert shown[-1] == "5 new slowdowns, 1 improvement"
    everything = list(check_report.lines(found, (), everything=True))
    assert {f"    test_{number}" for number in range(1, 7)} <= set(everything)


def size_in(found: Report) -> Callable[[str], float]:
    return lambda name: -next(each.left for each in found.changes if each.benchmark == name)


def test_a_place_shows_its_subject_its_link_and_all_its_commits() -> None:
    found = report(Maker(factor=at_40))

    def about(places: Sequence[Place]) -> list[Place]:
        return [replace(place, subject="Check more", count=65, link=f"https://x/{place.at}") for place in places]

    shown = list(check_report.lines(found, (), about=about))
    assert shown[0] == f"SLOWER  {commit(20)[:8]} of 2023-11-15  Check more"
    assert shown[1] == f"  https://x/{commit(20)}"
    assert shown[2] == f"  commits: {commit(19)[:8]}..{commit(20)[:8]} (65 commits, 1 of them measured)"


def test_a_place_shows_where_most_of_its_benchmarks_are() -> None:
    found = report(Maker(factor=at_40))
    for names, said in (
        ({}, []),
        ({"test_1": "a.B.x[1.5]", "test_2": "a.B.y", "test_3": "c.z"}, ["  2 of 5 in a.B"]),
        (dict.fromkeys([f"test_{number}" for number in range(1, 6)], "a.B.x"), ["  all in a.B"]),
    ):
        named = [replace(each, benchmark=names.get(each.benchmark, each.benchmark)) for each in found.changes]
        shown = list(check_report.lines(Report(tuple(named), ()), ()))
        assert [line for line in shown if " in a" in line] == said


def test_one_history_among_many_is_a_short_block() -> None:
    found = report(Maker(factor=at_40))
    headline, *places = check_report.block("a", found, [Quarantined(Path("b"), "is not JSON")])
    assert headline == "a: 5 new slowdowns, 1 improvement, 1 quarantined file"
    assert [line.split(":")[0] for line in places] == [
        f"  {commit(20)[:8]} of 2023-11-15",
        f"  {commit(40)[:8]} of 2023-11-16",
    ]
    nothing = Report((), ("a note",))
    assert list(check_report.block("a", nothing, ())) == []
    everything = list(check_report.block("a", nothing, (), everything=True))
    assert everything == ["a:", "  note: a note", "  no new slowdowns, no improvements"]


def test_one_annotation_for_a_place() -> None:
    def about(places: Sequence[Place]) -> list[Place]:
        return [replace(place, count=65, link=f"https://x/{place.at[:4]}") for place in places]

    older, later = check_report.github(report(Maker(factor=at_40)), about)
    assert older.startswith("::error title=slower%3A test_6::")
    assert later.startswith("::error title=slower%3A test_2 and 4 more::4 slower, median +")
    assert later.count("%0Atest_") == check_report.WORST
    assert "(65 commits, 1 of them measured), most likely" in later
    assert "%0Ahttps://x/0000" in later


def test_many_annotations_end_with_their_number() -> None:
    (one,) = report(Maker(factor=step(3, 40, 1.2))).changes
    many = tuple(replace(one, id=f"{n:012}", at=commit(n), commits=(commit(n),)) for n in range(12))
    shown = list(check_report.github(Report(many, ())))
    assert len(shown) == 10
    assert "3 other places" in shown[-1]


def test_surroundings_have_places_of_their_own_and_are_no_alarm() -> None:
    found = report(Maker(factor=at_40))
    misfits = {"commits": 9.0, "measured": 0.25, "runs": 60}
    changes = [
        replace(each, cause="surroundings", evidence={**each.evidence, "misfits": misfits})
        if each.benchmark in {"test_1", "test_2"}
        else each
        for each in found.changes
    ]
    partly = Report(tuple(changes), ())
    shown = list(check_report.lines(partly, ()))
    assert [line.split("  ")[0] for line in shown if line.startswith(("SLOWER", "NOT"))] == ["SLOWER", "SLOWER"]
    place = shown.index("By the surroundings of the machine, not by code:")
    assert shown[place + 1].startswith(f"  {commit(40)[:8]} of 2023-11-16: 2 slower, median +")
    assert shown[-1] == "3 new slowdowns, 1 improvement, 2 by surroundings"
    everything = list(check_report.lines(partly, (), everything=True))
    assert f"NOT CODE  {commit(40)[:8]} of 2023-11-16" in everything
    assert "  cause: surroundings (misfits of 60 runs: 9 in commit order, 0.25 as measured)" in everything
    levels = [line.split(" ")[0] for line in check_report.github(partly)]
    assert levels == ["::error", "::error", "::notice"]
    places = check_report.document(partly, ())["places"]
    assert [(each["cause"], len(each["findings"])) for each in places] == [
        ("unclear", 1),
        ("surroundings", 2),
        ("unclear", 3),
    ]
    assert places[1]["misfits"] == misfits


@pytest.mark.parametrize(("unit", "word"), [("bytes", "more memory"), ("score", "worse")])
def test_values_that_are_no_times_have_their_own_words(unit: str, word: str) -> None:
    found = report(Maker(factor=at_40, units=dict.fromkeys(range(1, 9), unit)))
    shown = list(check_report.lines(found, ()))
    assert [line.split("  ")[0] for line in shown if line.startswith(word.upper())] == [word.upper()] * 2
    assert any(line.startswith(f"  4 {word}, median +") for line in shown)
    assert any(line.startswith(f"      {word} +") for line in shown)
    assert not any("slower" in line or "SLOWER" in line for line in shown)
    counted = {"bytes": "no new slowdowns, 5 new increases of memory", "score": "5 new slowdowns"}
    assert shown[-1] == f"{counted[unit]}, 1 improvement"


def test_a_time_of_one_of_our_tests_can_be_explained() -> None:
    (found,) = report(Maker(factor=step(3, 40, 1.2))).changes
    ours = replace(found, benchmark="bench.test_it[a b]", engine="pytest-benchmark", parameters=())
    assert ours.explain == f"paceline explain 'bench.test_it[a b]' {ours.before[:10]} {ours.after[:10]}"
    others: list[dict[str, Any]] = [{"engine": "asv"}, {"benchmark": ""}, {"parameters": ("1",)}]
    others.append({"evidence": {"unit": "bytes"}})
    assert {replace(ours, **each).explain for each in others} == {""}


def test_places_beyond_the_first_screen_are_counted() -> None:
    def factor(number: int, place: int, _: str) -> float:
        return 1.2 if number < 8 and place >= 10 + 20 * number else 1.0

    found = report(Maker(commits=180, benchmarks=40, factor=factor, noise=0.003))
    shown = list(check_report.lines(found, ()))
    assert sum(line.startswith("SLOWER") for line in shown) == check_report.MOST_PLACES
    assert "and 3 slowdowns at 3 other places (listed by --all)" in shown


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
    assert "14 recovered (listed by --all)" in list(check_report.lines(recovered, ()))
    shown = list(check_report.lines(recovered, (), everything=True))
    assert sum(line.startswith("  slower") for line in shown) == check_report.MOST_FOLDED
    assert "  and 4 more (listed by --json)" in shown
