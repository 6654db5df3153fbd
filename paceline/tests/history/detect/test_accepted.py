"""What is accepted makes no alarm; whatever is new does."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from histories import Maker, step
from paceline.errors import PacelineError
from paceline.history.detect import accepted, judgement
from paceline.report.changes import Accepted, Change, Report

STEP = Maker(benchmarks=1, factor=step(0, 40, 1.1), noise=0.02)


def accept_all(maker: Maker, path: Path) -> tuple[Accepted, ...]:
    """Accept all that is found."""
    accepted.accept(path, judgement.check(maker.history()).changes, "it was worth it")
    return accepted.read(path)


def states(report: Report) -> list[str]:
    return [each.state for each in report.changes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".paceline" / "accepted.toml"


def test_accepted_changes_are_shown_and_make_no_alarm(path: Path) -> None:
    entries = accept_all(STEP, path)
    report = judgement.check(STEP.history(), entries)
    assert states(report) == ["accepted"]
    assert not report.changes[0].is_alarm
    assert report.changes[0].accepted == entries[0]
    assert entries[0].reason == "it was worth it"


@pytest.mark.parametrize("seed", range(6))
def test_an_entry_holds_as_runs_are_added(path: Path, seed: int) -> None:
    """The place of a small change in much noise moves by some commits."""
    maker = replace(STEP, commits=60, seed=seed)
    entries = accept_all(maker, path)
    assert len(entries) == 1
    longer = replace(STEP, commits=120).history()
    first = maker.history().series[0]
    values = np.concatenate([first.values, longer.series[0].values[60:]])
    one = replace(longer.series[0], values=values)
    assert states(judgement.check(replace(longer, series=(one,)), entries)) == ["accepted"]


@pytest.mark.parametrize("at", [48, 52, 60, 75])
def test_a_second_slowdown_is_new(path: Path, at: int) -> None:
    entries = accept_all(STEP, path)

    def factor(number: int, place: int, where: str) -> float:
        return STEP.factor(number, place, where) * (1.1 if place >= at else 1.0)

    report = judgement.check(replace(STEP, commits=90, factor=factor).history(), entries)
    assert sorted(states(report)) == ["accepted", "new"]
    new = next(each for each in report.changes if each.is_alarm)
    assert int(new.at[:8], 16) == pytest.approx(at, abs=3)


ARM = Maker(machines=("arm", "zen4"), benchmarks=1, factor=step(0, 40, 1.2, "arm"), commits=80)


@pytest.mark.parametrize("at", [30, 40, 42, 60])
def test_an_entry_of_one_class_silences_no_other(path: Path, at: int) -> None:
    entries = accept_all(ARM, path)
    assert entries[0].machines == ("arm",)

    def factor(number: int, place: int, where: str) -> float:
        return ARM.factor(number, place, where) * step(0, at, 1.3, "zen4")(number, place, where)

    report = judgement.check(replace(ARM, factor=factor).history(), entries)
    assert [(each.state, each.machines) for each in report.changes] == [("new", ("zen4",)), ("accepted", ("arm",))]
    assert report.changes[1].low < 1.2 < report.changes[1].high


@pytest.mark.parametrize("machine", ["arm", None])
def test_a_change_that_grew_on_one_class_is_new_whatever_the_other_says(path: Path, machine: str | None) -> None:
    entries = accept_all(replace(ARM, factor=step(0, 40, 1.2, machine)), path)

    def factor(number: int, place: int, where: str) -> float:
        return step(0, 40, 2.4 if where == "arm" else 1.2, machine)(number, place, where)

    report = judgement.check(replace(ARM, factor=factor).history(), entries)
    assert next(each.machines for each in report.changes if each.is_alarm) == ("arm",)


def test_a_larger_change_at_the_same_place_is_new(path: Path) -> None:
    entries = accept_all(STEP, path)
    larger = replace(STEP, factor=step(0, 40, 1.3))
    assert states(judgement.check(larger.history(), entries)) == ["new"]


def test_a_change_the_other_way_is_not_the_accepted_one(path: Path) -> None:
    entries = accept_all(STEP, path)
    faster = judgement.check(replace(STEP, factor=step(0, 40, 0.8)).history(), entries)
    assert [(each.kind, each.state) for each in faster.changes] == [("faster", "new")]


def test_an_entry_speaks_of_one_benchmark(path: Path) -> None:
    entries = accept_all(STEP, path)
    both = Maker(benchmarks=2, factor=lambda _, place, __: 1.1 if place >= 40 else 1.0)
    found = {each.benchmark: each.state for each in judgement.check(both.history(), entries).changes}
    assert found == {"test_0": "accepted", "test_1": "new"}


def test_known_changes_loosen_no_bar(path: Path) -> None:
    """Beside four gross changes a mediocre one is found; once those are accepted, it is measured by the full bar."""
    rng = np.random.default_rng(8)

    def factor(number: int, place: int, _: str) -> float:
        return 1.5 if 0 < number <= 4 and place >= 30 else 1.0

    maker = Maker(commits=90, benchmarks=500, factor=factor, noise=0.02)
    history = maker.history()
    mediocre = 1e-3 * np.exp(rng.normal(0, 0.02, 90) + 0.045 * (np.arange(90) >= 82))
    history = replace(history, series=(replace(history.series[0], values=mediocre), *history.series[1:]))
    open_ones = judgement.check(history)
    assert {each.benchmark for each in open_ones.changes} == {f"test_{number}" for number in range(5)}
    accepted.accept(path, [each for each in open_ones.changes if each.benchmark != "test_0"], "they are four")
    report = judgement.check(history, accepted.read(path))
    assert states(report) == ["accepted"] * 4


def test_suites_are_accepted_too(path: Path) -> None:
    maker = Maker(machines=("zen4", "arm"), factor=lambda _, place, __: 1.1 if place >= 30 else 1.0)
    entries = accept_all(maker, path)
    assert [entry.kind for entry in entries] == ["suite-slower"]
    assert states(judgement.check(maker.history(), entries)) == ["accepted"]
    worse = replace(maker, factor=lambda _, place, __: 1.4 if place >= 30 else 1.0)
    assert states(judgement.check(worse.history(), entries)) == ["new"]


def test_a_commit_that_is_gone_is_told(path: Path) -> None:
    entry = replace(accept_all(STEP, path)[0], commit="f" * 40)
    report = judgement.check(STEP.history(), (entry,))
    assert states(report) == ["new"]
    assert any("ffffffff is not in the history" in notice for notice in report.notices)


def finding(**changed: object) -> Change:
    return replace(judgement.check(STEP.history()).changes[0], **changed)  # type: ignore[arg-type]


def test_whatever_the_names_the_file_can_be_read(path: Path) -> None:
    strange = 'a"b\\c\nd\x7f\x00\x1b[31m\u2028\U0001f600 # x = [[accepted]]'
    one = finding(benchmark=strange, parameters=("'\"'", "\n"), environment=strange)
    accepted.accept(path, [one], strange)
    entry = accepted.read(path)[0]
    assert (entry.benchmark, entry.parameters, entry.environment) == (strange, ("'\"'", "\n"), strange)
    assert entry.reason == strange.strip()


def test_what_is_in_the_file_stays(path: Path) -> None:
    accept_all(STEP, path)
    text = path.read_text(encoding="utf-8") + "# mine, and no newline at its end"
    path.write_text(text, encoding="utf-8")
    accepted.accept(path, [finding(benchmark="other")], "why not")
    after = path.read_text(encoding="utf-8")
    assert after.startswith(text)
    assert [entry.benchmark for entry in accepted.read(path)] == ["test_0", "other"]
    assert [each.name for each in path.parent.iterdir()] == ["accepted.toml"]


def test_no_reason_no_entry(path: Path) -> None:
    with pytest.raises(PacelineError, match="--reason"):
        accepted.accept(path, [finding()], "  ")
    assert not path.exists()


def test_an_entry_of_a_machine_that_got_another_name_still_holds(path: Path) -> None:
    entries = accept_all(STEP, path)
    history = STEP.history()
    (name,) = entries[0].machines
    former = replace(entries[0], machines=("its-former-name",))
    assert states(judgement.check(history, [former])) == ["new"]
    assert states(judgement.check(replace(history, renamed={"its-former-name": name}), [former])) == ["accepted"]


def test_no_file_no_entries(path: Path) -> None:
    assert accepted.read(path) == ()


ENTRY = """
[[accepted]]
id = "x"
kind = "slower"
benchmark = "b"
parameters = []
engine = ""
environment = ""
machines = []
commit = "c"
ratio = 1.5
reason = "r"
date = 2026-11-22
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[accepted]", "cannot read"),
        ("\x00", "cannot read"),
        ("accepted = 3", r"expected only \[\[accepted\]\] entries, got a single"),
        ("accepted = [3]", "entry 1: expected a table, got 3"),
        ("other = 1", "got 'other'"),
        ("[[accepted]]", "id: expected a string, got None"),
        (ENTRY + "extra = 1", "no field 'extra'"),
        (ENTRY + ENTRY.replace("1.5", '"1.5"'), "entry 2: ratio: expected a positive number, got '1.5'"),
        (ENTRY.replace("1.5", "nan"), "ratio: expected a positive number, got nan"),
        (ENTRY.replace("1.5", "1" + "0" * 400), "ratio: expected a positive number, got 1000"),
        (
            ENTRY.replace("1.5", "0x" + "f" * 5000),
            "ratio: expected a positive number, got a number of thousands of digits",
        ),
        (
            ENTRY.replace('"slower"', "0x" + "f" * 5000),
            "kind: expected a string, got a number of thousands of digits",
        ),
        (ENTRY.replace("1.5", "true"), "ratio: expected a positive number, got True"),
        (ENTRY.replace('"slower"', '"bad"'), "kind: expected one of .*, got 'bad'"),
        (ENTRY.replace("parameters = []", "parameters = [1]"), "parameters: expected a list of strings, got .1."),
        (ENTRY.replace("2026-11-22", "2026-11-22T00:00:00Z"), "expected a date like"),
    ],
)
def test_a_malformed_file_is_one_line(path: Path, text: str, said: str) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PacelineError, match=said) as caught:
        accepted.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_bad_bytes_are_one_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PacelineError, match="cannot read"):
        accepted.read(path)


def test_the_sample_entry_is_sound(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(ENTRY, encoding="utf-8")
    assert accepted.read(path)[0].ratio == tomllib.loads(ENTRY)["accepted"][0]["ratio"]


def test_the_former_file_is_read_and_named_in_a_notice(tmp_path: Path) -> None:
    former = tmp_path / ".paceline" / "known.toml"
    former.parent.mkdir()
    former.write_text(ENTRY.replace("[[accepted]]", "[[known]]"), encoding="utf-8")
    assert accepted.file_of(tmp_path) == former
    accepted.accept(former, [finding()], "as well")
    assert [each.reason for each in accepted.read(former)] == ["r", "as well"]
    (notice,) = accepted.notices(former)
    assert "Rename it to accepted.toml" in notice
    now = former.rename(former.with_name("accepted.toml"))
    assert accepted.file_of(tmp_path) == now
    assert accepted.notices(now) == ()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes among files")
@pytest.mark.parametrize("kind", ["pipe", "300 MB", "folder"])
def test_a_file_that_nobody_can_read_to_its_end_is_one_line(path: Path, kind: str) -> None:
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(300 * 2**20)
    said = "is larger than 4 MiB" if kind == "300 MB" else "is not a regular file"
    for act in (lambda: accepted.read(path), lambda: accepted.accept(path, [finding()], "x")):
        with pytest.raises(PacelineError) as caught:
            act()
        assert str(caught.value) == f"cannot read {path}: {said}. Restore the file from git."


def test_no_file_of_accepted_changes_at_all_can_be_asked_for() -> None:
    assert accepted.read(Path(os.devnull)) == ()
