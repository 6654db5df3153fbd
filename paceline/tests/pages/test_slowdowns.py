"""Slowdowns draws the series of each finding, and counts the gates that went red against themselves."""

import json
from pathlib import Path

import pytest
from paceline.history.asv import store
from paceline.history.detect import judgement
from paceline.pages import slowdowns
from paceline.report import check_report
from sites import History
from trees import row


def test_change_is_where_the_level_changes(history: History) -> None:
    history.grow(48)
    documents = {
        f"{at}.json": history.document(at, {"s.time_it": row((1.0 if at < 40 else 1.5) * (1 + at % 5 / 500))})
        for at in range(60)
    }
    history.write(documents)
    read = store.load(history.results, repository=history.project.root, cache=history.project.root / "cache")
    found = check_report.document(judgement.check(read), ())["findings"]
    (drawn,) = slowdowns.data(read, found, {}, "#")["findings"]
    (series,) = drawn["series"]
    assert series["change"] == 40
    assert series["commits"][40] == history.commits[40][:10]
    assert max(series["values"][:40]) < 1.1
    assert min(series["values"][40:]) > 1.4
    assert len(series["values"]) == len(series["low"]) == len(series["dates"]) == 60


def test_series_is_drawn_around_the_change(history: History) -> None:
    history.grow(2 * slowdowns.AROUND + 100)
    change = slowdowns.AROUND + 50
    documents = {
        f"{at}.json": history.document(at, {"s.time_it": row((1.0 if at < change else 1.5) * (1 + at % 5 / 500))})
        for at in range(len(history.commits))
    }
    history.write(documents)
    read = store.load(history.results, repository=history.project.root, cache=history.project.root / "cache")
    found = check_report.document(judgement.check(read), ())["findings"]
    (series,) = slowdowns.data(read, found, {}, "#")["findings"][0]["series"]
    assert len(series["values"]) == 2 * slowdowns.AROUND
    assert series["commits"][series["change"]] == history.commits[change][:10]


def gate(*verdicts: str) -> str:
    return json.dumps({"schema": 1, "benchmarks": [{"name": "a", "verdict": verdict} for verdict in verdicts]})


def test_gates_that_went_red_are_counted(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(gate("same", "unsure", "faster"))
    (tmp_path / "2.json").write_text(gate("same", "slower", "broken"))
    shown, bad = slowdowns.gates(tmp_path)
    assert (shown["red"], shown["of"], bad) == (1, 2, [])
    assert shown["runs"][1] == {"name": "2", "benchmarks": 3, "red": 2, "unsure": 0}


BROKEN = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "bytes": b"\xff",
    "schema": b'{"schema": 2, "benchmarks": []}',
    "number": b'{"schema": 1, "benchmarks": 1}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_gate_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.json").write_text(gate("same"))
    (tmp_path / "2.json").write_bytes(content)
    shown, bad = slowdowns.gates(tmp_path)
    assert shown["of"] == 1
    assert [each.path.name for each in bad] == ["2.json"]
