"""What people and pages are shown: no number without its doubt, no markup from a name."""

import html
from dataclasses import replace

import pytest
from paceline.config.settings import Settings, combine, fraction, seconds
from paceline.report import annotations
from paceline.report.markdown import escape, page
from paceline.report.terminal import claim, duration, interval, short_names, summary, table
from paceline.report.verdicts import Finding

SAME = Finding("t.py::test_a", "same", 1.002, None, 1.01, 5, "cpu", 1.2e-5, 1.2e-5, 0.021)
SLOWER = Finding("t.py::test_b", "slower", 1.1, 1.05, 1.2, 14, "wall", 2.0, 2.2, 0.01)
NEW = Finding("t.py::test_c", "new", reason="base has no such benchmark")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (2.0, "2 s"),
        (0.0123, "12.3 ms"),
        (1.234e-5, "12.3 us"),
        (6.3e-8, "63 ns"),
        (3e-10, "0.3 ns"),
    ],
)
def test_durations_have_three_digits_and_a_unit(value: float | None, text: str) -> None:
    assert duration(value) == text


def test_intervals_never_claim_a_bound_that_does_not_exist() -> None:
    assert interval(SAME) == "up to 1.010"
    assert interval(SLOWER) == "1.050 to 1.200"
    assert interval(NEW) == "-"


def test_table_has_a_row_for_each_and_a_line_for_each_reason() -> None:
    lines = table([SAME, SLOWER, NEW])
    assert [line.split()[0] for line in lines[:4]] == ["benchmark", "test_b", "test_a", "test_c"]
    assert lines[-1] == "test_c: new: base has no such benchmark"
    assert summary([SAME, SLOWER, SAME], 61.2) == "2 same, 1 slower in 61 s"
    assert "1.100 times as long" in claim(SLOWER)


SUSPECT = Finding(
    "t.py::test_d", "unsure", 1.1, 1.05, 1.2, 8, "cpu", 1.0, 1.1, 0.09, "5 more rounds would settle it", suspect=True
)


def test_suspects_come_before_all_that_is_not_red() -> None:
    unsure = Finding("t.py::test_e", "unsure", 1.0, 0.9, 1.2, 8, "cpu", 1.0, 1.0, 0.1, "spent")
    findings = [SAME, unsure, SUSPECT]
    assert [line.split()[0] for line in table(findings)[1:4]] == ["test_d", "test_e", "test_a"]
    assert "unsure (suspect)" in table(findings)[1]
    assert summary(findings, 3.0) == "1 suspect, 1 same, 1 unsure in 3 s"
    first, *_ = annotations.lines(findings)
    assert "1.050 to 1.200" in first
    assert "5 more rounds would settle it" in first
    rows = [line for line in page(findings, 3.0, []).splitlines() if line.startswith("| test")]
    assert "**unsure (suspect)**" in rows[0]


@pytest.mark.parametrize(
    ("finding", "unsure", "accepted", "red"),
    [
        (SLOWER, "pass", None, True),
        (SLOWER, "pass", "worth it", False),
        (Finding("x", "broken"), "pass", "worth it", True),
        (SUSPECT, "pass", None, False),
        (SUSPECT, "suspects", None, True),
        (SUSPECT, "fail", None, True),
        (Finding("x", "unsure"), "suspects", None, False),
        (Finding("x", "unsure"), "fail", None, True),
        (SAME, "fail", None, False),
    ],
)
def test_what_is_red(finding: Finding, unsure: str, accepted: str | None, *, red: bool) -> None:
    assert finding.judged(unsure, accepted).red is red
    let_through = replace(finding, critical=False).judged(unsure, accepted)
    assert not let_through.red
    assert ("not red: no pattern of `critical`" in str(let_through.reason)) is red or accepted is not None


def test_names_are_shortened_only_if_that_keeps_them_apart() -> None:
    assert short_names([SAME, SLOWER]) == ["test_a", "test_b"]
    twin = Finding("u.py::test_a", "same")
    assert short_names([SAME, twin]) == ["t.py::test_a", "u.py::test_a"]


HOSTILE = [
    "<b>",
    "a|b",
    "[x](y)",
    "`c`",
    "@team",
    "#1",
    "gh-1",
    "a\nb",
    "**b**",
    "https://x.example",
    "www.x.example",
    "$x$",
    "$$x$$",
    "a:tada:b",
    ":+1:",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_names_from_a_pull_request_show_as_themselves(hostile: str) -> None:
    shown = escape(hostile)
    bare = shown.replace("<!-- -->", "").replace("<span>$</span>", "$")
    assert "<" not in bare
    assert "\n" not in shown
    for mark in "|[]`*":
        assert shown.count(mark) == shown.count(f"\\{mark}")
    assert shown.count("$") == shown.count("<span>$</span>"), "GitHub would make a formula of it"
    for start in ("@team", "#1", "gh-1", "://", "www.", ":tada:", ":+1:"):
        assert start not in shown, "GitHub would make a link or a picture of it, or call someone"
    assert html.unescape(bare.replace("\\", "")) == hostile.replace("\n", " ")


def test_what_cannot_be_seen_is_left_out() -> None:
    assert escape("a\u202eb\u200bc\x00d\r\n") == "a b c d  "


def test_annotations_cannot_be_ended_by_a_name() -> None:
    hostile = Finding("t.py::test_x[50%\n::error::no]", "unsure", 1.0, 0.9, 1.1, 14, "cpu", reason="too noisy")
    (line,) = annotations.lines([hostile, SAME])
    assert line.startswith("::warning title=paceline::t.py::test_x[50%25%0A::error::no]: unsure: ")
    assert line.endswith("; too noisy")


def test_annotations_tell_failures_from_doubts_and_stay_below_githubs_limit() -> None:
    many = [Finding(f"t.py::test_{number}", "unsure", reason="spent") for number in range(25)]
    lines = list(annotations.lines([*many, SAME, replace(SLOWER, red=True)]))
    assert [line.split()[0] for line in lines] == ["::error"] + ["::warning"] * 10
    assert lines[-1].endswith("::16 more. See the summary of the run.")


def test_page_begins_with_what_is_red() -> None:
    red = replace(SLOWER, red=True)
    rows = [line for line in page([SAME, NEW, red], 3.0, ["a note"]).splitlines() if "test" in line]
    assert "**slower**" in rows[0]
    assert rows[-1].startswith("- test")


@pytest.mark.parametrize(("text", "value"), [("2%", 0.02), ("2.5 %", 0.025), ("0.02", 0.02), (0.5, 0.5)])
def test_fractions_are_read_with_and_without_a_percent_sign(text: str | float, value: float) -> None:
    assert fraction(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0", "1", "-1%", "nan", "100%", "many"])
def test_impossible_fractions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a fraction between 0 and 1"):
        fraction(text)


def test_infinite_and_negative_seconds_are_refused() -> None:
    assert seconds("1.5") == 1.5
    for text in ("inf", "0", "-1", "nan"):
        with pytest.raises(ValueError, match="positive"):
            seconds(text)


def test_a_slowdown_is_accepted_only_on_the_command_line() -> None:
    accepted = combine({"against": "main", "accept": "worth it"}, {})
    assert accepted is not None
    assert accepted.accept == "worth it"
    setting = combine({"against": "main"}, {"accept": "always"})
    assert setting is not None
    assert setting.accept is None


def test_revision_is_the_command_lines_then_the_projects_then_the_merge_base() -> None:
    def revision(against: str | None, table: dict[str, str], python: str | None = None) -> Settings | None:
        return combine({"against": against, "python": python}, table)

    assert revision(None, {"against": "main"}) is None, "a setting alone starts no gate"
    for given, expected in (
        (revision("v1", {"against": "main"}), "v1"),
        (revision("", {"against": "main"}), "main"),
        (revision("", {}), ""),
        (revision(None, {}, "python3"), None),
    ):
        assert given is not None
        assert given.revision == expected


def test_a_reason_that_many_share_is_said_once() -> None:
    findings = [Finding(f"t.py::test_{letter}", "same", reason="its test file differs") for letter in "abcd"]
    findings.append(Finding("t.py::test_e", "unsure", reason="its test file differs"))
    lines = table(findings)
    assert "4 benchmarks (test_a, test_b, ...): same: its test file differs" in lines
    assert "test_e: unsure: its test file differs" in lines
    assert sum("its test file differs" in line for line in lines) == 2


def test_many_untouched_benchmarks_are_one_line() -> None:
    few = [Finding(f"t.py::test_{number}", "untouched", reason="ran 3 functions") for number in range(20)]
    assert len(table([SAME, *few])) == 1 + 21 + 2
    many = [*few, Finding("t.py::test_x", "untouched", reason="ran 4 functions")]
    line = "21 untouched, not listed: 20 of them ran 3 functions"
    shown = table([SAME, *many])
    assert [text.partition(" ")[0] for text in shown] == ["benchmark", "test_a", "", "21"]
    assert shown[-1] == line
    assert table(many) == [line]
    assert len(table([SAME, *many], fold=False)) == 1 + 22 + 3
    text = page([SAME, *many], 3.0, [])
    assert text.count("\n| ") == 3
    assert f"- {line}\n" in text
    assert "|" not in page(many, 3.0, [])
