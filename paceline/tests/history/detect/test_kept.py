"""What is kept changes how many values are scanned, and never what is found."""

from dataclasses import replace
from pathlib import Path

import pytest
from histories import Maker, step
from paceline.history.detect import judgement, kept, scan
from paceline.history.model import History

WHOLE = Maker(commits=60, factor=step(3, 25, 1.3)).history()


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Length of each panel that is scanned."""
    lengths: list[int] = []
    scanning = scan.scanned

    def count(panel: scan.Panel) -> kept.Found:
        lengths.append(panel.values.size)
        return scanning(panel)

    monkeypatch.setattr(scan, "scanned", count)
    return lengths


def first(count: int) -> History:
    """Return the history of the first commits."""
    cut = [
        replace(each, **{name: getattr(each, name)[:count] for name in ("runs", "values", "low", "high")})
        for each in WHOLE.series
    ]
    return replace(WHOLE, runs=WHOLE.runs[:count], series=tuple(cut))


def test_same_values_are_scanned_once(tmp_path: Path, scanned: list[int]) -> None:
    report = judgement.check(WHOLE, folder=tmp_path)
    assert report.changes
    assert scanned
    scanned.clear()
    assert judgement.check(WHOLE, folder=tmp_path) == report == judgement.check(WHOLE, folder=tmp_path)
    assert scanned == []


def test_added_run_scans_only_values_that_are_new(tmp_path: Path, scanned: list[int]) -> None:
    judgement.check(first(59), folder=tmp_path)
    scanned.clear()
    added = judgement.check(WHOLE, folder=tmp_path)
    again = scanned.copy()
    assert added == judgement.check(WHOLE)
    assert 25 not in again  # the values before the change
    assert 25 in scanned[len(again) :]


@pytest.mark.parametrize("damage", [b"", b"too short", b"\xff" * 400])
def test_damaged_file_is_replaced(tmp_path: Path, damage: bytes, scanned: list[int]) -> None:
    report = judgement.check(WHOLE, folder=tmp_path)
    next(tmp_path.glob("*.scans")).write_bytes(damage)
    assert judgement.check(WHOLE, folder=tmp_path) == report
    scanned.clear()
    assert judgement.check(WHOLE, folder=tmp_path) == report
    assert scanned == []


def test_another_version_of_the_detector_scans_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scanned: list[int]
) -> None:
    report = judgement.check(WHOLE, folder=tmp_path)
    count = len(scanned)
    other = kept.detector().copy()
    other.update(b"another source")
    monkeypatch.setattr(kept, "detector", lambda: other)
    assert judgement.check(WHOLE, folder=tmp_path) == report
    assert len(scanned) == 2 * count


def test_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert judgement.check(WHOLE, folder=tmp_path / "file") == judgement.check(WHOLE)
