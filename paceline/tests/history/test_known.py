"""What is accepted makes no alarm; whatever is new does."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from histories import Maker, step
from paceline.errors import PacelineError
from paceline.history import check, known
from paceline.history.finding import Finding, Report
from paceline.history.known import Known

STEP = Maker(benchmarks=1, factor=step(0, 40, 1.1), noise=0.02)


def accepted(maker: Maker, path: Path) -> tuple[Known, ...]:
    """Accept all that is found."""
    known.accept(path, check.check(maker.history()).findings, "it was worth it")
    return known.read(path)


def states(report: Report) -> list[str]:
    return [each.state for each in report.findings]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".paceline" / "known.toml"


def test_accepted_changes_are_shown_and_make_no_alarm(path: Path) -> None:
    entries = accepted(STEP, path)
    report = check.check(STEP.history(), entries)
    assert states(report) == ["known"]
    assert not report.findings[0].is_alarm
    assert report.findings[0].known == entries[0]
    assert entries[0].reason == "it was worth it"


@pytest.mark.parametrize("seed", range(6))
def test_an_entry_holds_as_runs_are_added(path: Path, seed: int) -> None:
    """The place of a small change in much noise moves by some commits."""
    maker = replace(STEP, commits=60, seed=seed)
    entries = accepted(maker, path)
    assert len(entries) == 1
    longer = replace(STEP, commits=120).history()
    first = maker.history().series[0]
    values = np.concatenate([first.values, longer.series[0].values[60:]])
    one = replace(longer.series[0], values=values)
    assert states(check.check(replace(longer, series=(one,)), entries)) == ["known"]


@pytest.mark.parametrize("at", [48, 52, 60, 75])
def test_a_second_slowdown_is_new(path: Path, at: int) -> None:
    entries = accepted(STEP, path)

    def factor(number: int, place: int, where: str) -> float:
        return STEP.factor(number, place, where) * (1.1 if place >= at else 1.0)

    report = check.check(replace(STEP, commits=90, factor=factor).history(), entries)
    assert sorted(states(report)) == ["known", "new"]
    new = next(each for each in report.findings if each.is_alarm)
    assert int(new.at[:8], 16) == pytest.approx(at, abs=3)


ARM = Maker(machines=("arm", "zen4"), benchmarks=1, factor=step(0, 40, 1.2, "arm"), commits=80)


@pytest.mark.parametrize("at", [30, 40, 42, 60])
def test_an_entry_of_one_class_silences_no_other(path: Path, at: int) -> None:
    entries = accepted(ARM, path)
    assert entries[0].machines == ("arm",)

    def factor(number: int, place: int, where: str) -> float:
        return ARM.factor(number, place, where) * step(0, at, 1.3, "zen4")(number, place, where)

    report = check.check(replace(ARM, factor=factor).history(), entries)
    assert [(each.state, each.machines) for each in report.findings] == [("new", ("zen4",)), ("known", ("arm",))]
    assert report.findings[1].low < 1.2 < report.findings[1].high


@pytest.mark.parametrize("machine", ["arm", None])
def test_a_change_that_grew_on_one_class_is_new_whatever_the_other_says(path: Path, machine: str | None) -> None:
    entries = accepted(replace(ARM, factor=step(0, 40, 1.2, machine)), path)

    def factor(number: int, place: int, where: str) -> float:
        return step(0, 40, 2.4 if where == "arm" else 1.2, machine)(number, place, where)

    report = check.check(replace(ARM, factor=factor).history(), entries)
    assert next(each.machines for each in report.findings if each.is_alarm) == ("arm",)


def test_a_larger_change_at_the_same_place_is_new(path: Path) -> None:
    entries = accepted(STEP, path)
    larger = replace(STEP, factor=step(0, 40, 1.3))
    assert states(check.check(larger.history(), entries)) == ["new"]


def test_a_change_the_other_way_is_not_the_accepted_one(path: Path) -> None:
    entries = accepted(STEP, path)
    faster = check.check(replace(STEP, factor=step(0, 40, 0.8)).history(), entries)
    assert [(each.kind, each.state) for each in faster.findings] == [("faster", "new")]


def test_an_entry_speaks_of_one_benchmark(path: Path) -> None:
    entries = accepted(STEP, path)
    both = Maker(benchmarks=2, factor=lambda _, place, __: 1.1 if place >= 40 else 1.0)
    found = {each.benchmark: each.state for each in check.check(both.history(), entries).findings}
    assert found == {"test_0": "known", "test_1": "new"}


def test_known_changes_loosen_no_bar(path: Path) -> None:
    """Beside four gross changes a mediocre one is found; once those are accepted, it is measured by the full bar."""
    rng = np.random.default_rng(8)

    def factor(number: int, place: int, _: str) -> float:
        return 1.5 if 0 < number <= 4 and place >= 30 else 1.0

    maker = Maker(commits=90, benchmarks=500, factor=factor, noise=0.02)
    history = maker.history()
    mediocre = 1e-3 * np.exp(rng.normal(0, 0.02, 90) + 0.045 * (np.arange(90) >= 82))
    history = replace(history, series=(replace(history.series[0], values=mediocre), *history.series[1:]))
    open_ones = check.check(history)
    assert {each.benchmark for each in open_ones.findings} == {f"test_{number}" for number in range(5)}
    known.accept(path, [each for each in open_ones.findings if each.benchmark != "test_0"], "they are four")
    report = check.check(history, known.read(path))
    assert states(report) == ["known"] * 4


def test_suites_are_accepted_too(path: Path) -> None:
    maker = Maker(machines=("zen4", "arm"), factor=lambda _, place, __: 1.1 if place >= 30 else 1.0)
    entries = accepted(maker, path)
    assert [entry.kind for entry in entries] == ["suite-slower"]
    assert states(check.check(maker.history(), entries)) == ["known"]
    worse = replace(maker, factor=lambda _, place, __: 1.4 if place >= 30 else 1.0)
    assert states(check.check(worse.history(), entries)) == ["new"]


def test_a_commit_that_is_gone_is_told(path: Path) -> None:
    entry = replace(accepted(STEP, path)[0], commit="f" * 40)
    report = check.check(STEP.history(), (entry,))
    assert states(report) == ["new"]
    assert any("ffffffff, which the history does not have" in notice for notice in report.notices)


def finding(**changed: object) -> Finding:
    return replace(check.check(STEP.history()).findings[0], **changed)  # type: ignore[arg-type]


def test_whatever_the_names_the_file_can_be_read(path: Path) -> None:
    strange = 'a"b\\c\nd\x7f\x00\x1b[31m\u2028\U0001f600 # x = [[known]]'
    one = finding(benchmark=strange, parameters=("'\"'", "\n"), environment=strange)
    known.accept(path, [one], strange)
    entry = known.read(path)[0]
    assert (entry.benchmark, entry.parameters, entry.environment) == (strange, ("'\"'", "\n"), strange)
    assert entry.reason == strange.strip()


def test_what_is_in_the_file_stays(path: Path) -> None:
    accepted(STEP, path)
    text = path.read_text(encoding="utf-8") + "# mine, and no newline at its end"
    path.write_text(text, encoding="utf-8")
    known.accept(path, [finding(benchmark="other")], "why not")
    after = path.read_text(encoding="utf-8")
    assert after.startswith(text)
    assert [entry.benchmark for entry in known.read(path)] == ["test_0", "other"]
    assert [each.name for each in path.parent.iterdir()] == ["known.toml"]


def test_no_reason_no_entry(path: Path) -> None:
    with pytest.raises(PacelineError, match="--reason"):
        known.accept(path, [finding()], "  ")
    assert not path.exists()


def test_no_file_no_entries(path: Path) -> None:
    assert known.read(path) == ()


ENTRY = """
[[known]]
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
        ("[[known]", "cannot read"),
        ("\x00", "cannot read"),
        ("known = 3", r"\[\[known\]\] entries only"),
        ("known = [3]", "entry 1 is no table"),
        ("other = 1", "has 'other'"),
        ("[[known]]", "id is None, not a text"),
        (ENTRY + "extra = 1", "'extra', which is no field"),
        (ENTRY + ENTRY.replace("1.5", '"1.5"'), "entry 2: ratio is '1.5', not a positive number"),
        (ENTRY.replace("1.5", "nan"), "ratio is nan"),
        (ENTRY.replace("1.5", "1" + "0" * 400), "ratio is 1000"),
        (ENTRY.replace("1.5", "0x" + "f" * 5000), "ratio is a number of thousands of digits"),
        (ENTRY.replace('"slower"', "0x" + "f" * 5000), "kind is a number of thousands of digits"),
        (ENTRY.replace("1.5", "true"), "ratio is True"),
        (ENTRY.replace('"slower"', '"bad"'), "kind is 'bad', not one of"),
        (ENTRY.replace("parameters = []", "parameters = [1]"), "parameters is .1., not a list of texts"),
        (ENTRY.replace("2026-11-22", "2026-11-22T00:00:00Z"), "not a date like"),
    ],
)
def test_a_malformed_file_is_one_line(path: Path, text: str, said: str) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PacelineError, match=said) as caught:
        known.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_bad_bytes_are_one_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PacelineError, match="cannot read"):
        known.read(path)


def test_the_sample_entry_is_sound(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(ENTRY, encoding="utf-8")
    assert known.read(path)[0].ratio == tomllib.loads(ENTRY)["known"][0]["ratio"]


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
    for act in (lambda: known.read(path), lambda: known.accept(path, [finding()], "x")):
        with pytest.raises(PacelineError) as caught:
            act()
        assert str(caught.value) == f"cannot read {path}: {said}. Restore the file from git."


def test_no_file_of_accepted_changes_at_all_can_be_asked_for() -> None:
    assert known.read(Path(os.devnull)) == ()
