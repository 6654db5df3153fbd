"""Slowdowns has each change with the place of its series, and counts the gates that went red against themselves."""

import json
from pathlib import Path

import pytest
from paceline.history.asv import store
from paceline.history.detect import judgement
from paceline.pages import overview, slowdowns
from paceline.pages.commits import Commits
from paceline.pages.family import Families
from paceline.report.changes import Report
from sites import History
from trees import row


def examined(history: History) -> tuple[slowdowns.Drawn, Commits, Report]:
    """Return what the pages need of a history."""
    read = store.load(history.results, repository=history.project.root, cache=history.project.root / "cache")
    commits = Commits.of(read, history.project.root, None)
    return slowdowns.Drawn(read, Families.of(read, {}), commits.positions), commits, judgement.check(read)


def with_changes(history: History) -> None:
    """Fill a history with a slowdown at 40, an improvement at 30, and an older version until 20."""
    history.grow(48)
    documents = {}
    for at in range(60):
        levels = {"s.time_up": 1.5 if at >= 40 else 1.0, "s.time_down": 0.7 if at >= 30 else 1.0}
        version = "v1" if at < 20 else "v2"
        rows = {name: row(level * (1 + at % 5 / 500), version=version) for name, level in levels.items()}
        documents[f"{at}.json"] = history.document(at, rows)
    history.write(documents)


def test_change_leads_to_its_series(history: History) -> None:
    with_changes(history)
    drawn, _, report = examined(history)
    shown = {each["benchmark"]: each for each in map(drawn.shown, report.changes)}
    for number, (name, at) in enumerate((("s.time_down", 30), ("s.time_up", 40))):
        assert (shown[name]["family"], shown[name]["at"]) == (number, at)
        (series,) = (drawn.families.curves[name][place].series for place in shown[name]["series"])
        assert series.key.version == "v2"
    assert json.loads(json.dumps(shown)) == shown


def test_overview_tells_recent_slowdowns_from_older_ones(history: History) -> None:
    with_changes(history)
    history.project.git("tag", "v1", history.commits[35])
    drawn, commits, report = examined(history)
    found = overview.places(drawn, commits, report.changes, lambda places: places)
    assert (found["release"][0], found["counts"]) == (
        "v1",
        {"recent": [1, 1], "older": [0, 0], "faster": [1, 1], "surroundings": [0, 0]},
    )
    (place,) = found["places"]["recent"]
    assert (place["at"], place["worst"][0]["name"]) == (history.commits[40], "s.time_up")
    history.project.git("tag", "v2", history.commits[45])
    drawn, commits, report = examined(history)
    found = overview.places(drawn, commits, report.changes, lambda places: places)
    assert found["counts"] == {"recent": [0, 0], "older": [1, 1], "faster": [1, 1], "surroundings": [0, 0]}


def test_cells_show_what_changed_first(history: History) -> None:
    with_changes(history)
    history.write({"other.json": history.document(59, {"s.time_other": row(2.0)})})
    drawn, _, report = examined(history)
    cells, lines = overview.cells(drawn, report.changes)
    assert [cell[0] for cell in cells] == [2, 0, 1]  # up, down, other
    assert [cell[4] for cell in cells] == [40 * overview.WIDTH // 60, 30 * overview.WIDTH // 60, None]
    assert cells[0][3] == pytest.approx(1.5, rel=0.01)
    steady, risen = lines[0][14:26], lines[0][28:]
    assert max(steady) < min(risen)
    assert lines[0].startswith(" " * 13)  # the older version is left out
    assert lines[2].strip() in overview.LEVELS


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
