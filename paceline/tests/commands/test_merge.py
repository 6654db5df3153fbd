"""Shards of a gate are joined if they are all of one, and give its table, JSON and exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paceline.cli import main
from paceline.config.shard import Shard
from paceline.report import json_file
from paceline.report.outcome import Outcome, Part
from paceline.report.verdicts import Finding

WRONG_USE = 4
BASE = {"revision": "main", "commit": "1" * 40, "dirty": False, "python": "3.11.7"}
HEAD = {"revision": None, "commit": "2" * 40, "dirty": True, "python": "3.11.7"}
MACHINE = {"system": "Linux", "cpus": 2, "pinning": True}


def outcome(number: int, *findings: Finding, count: int = 2, **changed: Any) -> Outcome:
    about = {
        "base": BASE,
        "head": HEAD,
        "machine": MACHINE,
        "alpha": 0.01,
        "tolerance": 0.03,
        "seconds": 9.0 + number,
    }
    rest: dict[str, Any] = {"notices": ["of all", f"of {number}"], "part": Part(Shard(number, count), 2, "a" * 16)}
    return Outcome(**{**about, "findings": findings, "values": [], **rest, **changed})


FAST, SLOW = (
    Finding("t.py::test_a", "same"),
    Finding("t.py::test_b \u00e9", "slower", 1.2, 1.1, 1.3, 9, "cpu", red=True),
)
Write = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes outcomes as files, and returns their names."""

    def write(*outcomes: Outcome) -> list[str]:
        paths = [tmp_path / f"gate-{number}.json" for number in range(len(outcomes))]
        for path, each in zip(paths, outcomes, strict=True):
            json_file.write(each, path)
        return [*map(str, paths)]

    return write


def test_all_shards_of_a_gate_are_one_gate(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(outcome(2, SLOW), outcome(1, FAST))
    assert main(["merge", *files, f"--json={tmp_path / 'all.json'}"]) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith("head against main (111111111111)")
    assert "1 same, 1 slower in 11 s" in printed
    assert "note: of all\nnote: shard 1/2: of 1\nnote: shard 2/2: of 2\n" in printed
    document = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in document["benchmarks"]] == [FAST.name, SLOW.name]
    assert "shard" not in document
    assert json_file.read((tmp_path / "all.json").read_bytes(), "all.json").findings == [FAST, SLOW]


def test_nothing_red(write: Write) -> None:
    assert main(["merge", *write(outcome(1, FAST), outcome(2))]) == 0


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([outcome(1, count=3)], "missing: shard 2/3, 3/3"),
        ([outcome(1), outcome(1)], "shard 1/2 is there twice"),
        ([outcome(1), outcome(2, count=3)], "differ in number of shards"),
        ([outcome(1), outcome(2, head={**HEAD, "commit": "3" * 40})], "differ in head"),
        ([outcome(1), outcome(2, alpha=0.05)], "differ in alpha: 0.01 in"),
        ([outcome(1), outcome(2, part=Part(Shard(2, 2), 2, "b" * 16))], "differ in set of benchmarks"),
        ([outcome(1), outcome(2, part=None)], "gate-1.json is of a whole gate"),
    ],
)
def test_what_is_not_one_gate_is_refused_in_one_line(
    write: Write, capsys: pytest.CaptureFixture[str], outcomes: list[Outcome], said: str
) -> None:
    assert main(["merge", *write(*outcomes)]) == WRONG_USE
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_machines_that_differ_are_a_notice(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", *write(outcome(1, FAST), outcome(2, machine={"system": "Linux", "cpus": 4}))]) == 0
    assert "the shards ran on machines that differ" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 1}', "[" * 100_000])
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "gate.json").write_text(content, encoding="utf-8")
    for name in ("gate.json", "missing.json"):
        assert main(["merge", str(tmp_path / name)]) == WRONG_USE
        error = capsys.readouterr().err
        assert f"cannot read {tmp_path / name}" in error
        assert error.count("\n") == 1
