"""The columns change how long it takes to read a history, and never what is read."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from paceline.config import project
from paceline.history.asv import columns
from paceline.history.asv.store import load
from paceline.history.model import History
from paceline.system import sealed
from pyarrow import parquet
from trees import ours, result, row, write

OPENED = """
import sys
def tell(event, arguments):
    name = str(arguments[0]) if event == "open" else ""
    if name.startswith(sys.argv[1]) and name.endswith(".json") and not name.endswith("machine.json"):
        print("opened", name)
sys.addaudithook(tell)
"""

READ = """
import sys
from pathlib import Path
from paceline.history.asv.store import load
history = load(Path(sys.argv[1]), repository=None, cache=Path(sys.argv[2]))
print(len(history.runs), sum(series.values.sum() for series in history.series))
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Twenty results, two of them broken."""
    rows = {"a.time_it": row(1.0, [["1", "2"]]), "b.time_it": row(2.0)}
    documents = {f"{number}.json": result(number, rows) for number in range(10)}
    documents |= {f"{number}.json": ours(number) for number in range(10, 18)}
    write(tmp_path / "results", documents | {"broken.json": [], "older.json": {"version": 1}})
    return tmp_path / "results"


def age(folder: Path) -> None:
    """Wait until the files are no longer new; their times could be set, but not when they were changed."""
    newest = max(path.stat().st_ctime_ns for path in folder.iterdir())
    time.sleep(max(0.0, (newest + columns.RACY - time.time_ns()) / 1e9) + 0.01)


def read(results: Path) -> History:
    return load(results, repository=None, cache=results.parent / "cache")


def same(one: History, other: History) -> bool:
    """Whether they are equal; NaN equals NaN."""
    arrays = zip(one.series, other.series, strict=True)
    assert all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for a, b in arrays
        for name in ("runs", "values", "low", "high")
    )
    keys = [[each.key for each in history.series] for history in (one, other)]
    return (one.runs, one.benchmarks, one.quarantined, keys[0]) == (
        other.runs,
        other.benchmarks,
        other.quarantined,
        keys[1],
    )


def kept(results: Path) -> list[Path]:
    return sorted((results.parent / "cache").glob("*.parquet"))


def rows(results: Path) -> list[tuple[str, float]]:
    """Return the file and the value of each kept row."""
    tables = [parquet.read_table(path) for path in kept(results)]
    return sorted(
        row for each in tables for row in zip(each["file"].to_pylist(), each["value"].to_pylist(), strict=True)
    )


def test_warm_read_opens_no_result(results: Path) -> None:
    age(results / "lab")
    command = [sys.executable, "-c", OPENED + READ, str(results), str(results.parent / "cache")]
    cold, warm = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert cold.count("opened ") == 20
    assert warm == cold.splitlines(keepends=True)[-1]


def test_warm_read_is_the_same(results: Path) -> None:
    age(results / "lab")
    cold = read(results)
    assert same(cold, read(results))
    kept(results)[0].unlink()
    assert same(cold, read(results))


def test_changed_file_is_read_again_whatever_its_times_say(results: Path) -> None:
    age(results / "lab")
    read(results)
    path = results / "lab" / "3.json"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"[1.0, 1.0]", b"[7.0, 7.0]"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert any(7.0 in series.values for series in read(results).series)


def test_file_that_changes_within_a_tick_is_read_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "results", {"a.json": result(1)})
    for value in range(1, 30):
        (folder / "a.json").write_bytes(b'{"version": %d}' % (100 + value))
        history = read(tmp_path / "results")
        assert f"version: expected 2, got {100 + value}" in history.quarantined[0].reason


def test_added_run_adds_a_small_file(results: Path) -> None:
    read(results)
    (first,) = kept(results)
    write(results, {"more.json": ours(30)})
    cold = read(results)
    added = {*kept(results)} - {first}
    assert len(added) == 1
    assert added.pop().stat().st_size < first.stat().st_size
    assert same(cold, read(results))
    assert same(cold, load(results, repository=None, cache=results.parent / "other"))


def test_unknown_start_and_odd_names_are_kept(results: Path) -> None:
    cells = row(2.0)
    cells[3] = None
    write(results, {"odd.json": result(30, {"b.time_\0 \u00e9": cells, "b.time_failed": [None]})})
    cold = read(results)
    assert same(cold, read(results))
    assert same(cold, load(results, repository=None, cache=results.parent / "other"))
    starts = [each for path in kept(results) for each in parquet.read_table(path)["started"].to_pylist()]
    assert starts.count(None) == 1


def test_many_small_files_are_joined(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_FILES", 3)
    counts = []
    for number in range(30, 35):
        write(results, {f"{number}.json": ours(number)})
        read(results)
        counts.append(len(kept(results)))
    assert max(counts) == 3
    assert counts[-1] < 3
    assert same(read(results), load(results, repository=None, cache=results.parent / "other"))


def test_rows_are_those_of_the_folder(results: Path) -> None:
    """Also if files were removed, changed or moved, so that other engines need not ask which rows count."""
    read(results)
    before = rows(results)
    (results / "lab" / "3.json").rename(results / "lab" / "moved.json")
    (results / "lab" / "4.json").unlink()
    (results / "lab" / "5.json").write_bytes(b"{}")
    read(results)
    expected = [(file.replace("/3.", "/moved."), value) for file, value in before]
    assert rows(results) == sorted(row for row in expected if row[0] not in {"lab/4.json", "lab/5.json"})


def test_two_results_folders_share_no_rows(results: Path) -> None:
    assert project.columns_folder(results) != project.columns_folder(results.parent / "aa")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file_is_replaced(results: Path, share: float) -> None:
    cold = read(results)
    (file,) = kept(results)
    os.truncate(file, int(file.stat().st_size * share))
    assert same(cold, read(results))
    assert [sealed.digest(path.read_bytes()) for path in kept(results)] == [path.stem for path in kept(results)]


def test_damaged_file_is_replaced(results: Path) -> None:
    cold = read(results)
    draw = random.Random(0)
    for _ in range(20):
        (file,) = kept(results)
        damaged = bytearray(file.read_bytes())
        for _ in range(draw.choice((1, 10, 300))):
            damaged[draw.randrange(len(damaged))] ^= draw.randrange(1, 256)
        file.write_bytes(damaged)
        assert same(cold, read(results))
        assert [sealed.digest(path.read_bytes()) for path in kept(results)] == [path.stem for path in kept(results)]


def test_folder_that_cannot_be_written_is_done_without(results: Path) -> None:
    (results.parent / "cache").write_text("a file in the way", encoding="utf-8")
    assert same(read(results), read(results))


#: Reads twice, the second time with columns that it has no right to.
DENIED = """
import os, sys
from pathlib import Path
from paceline.history.asv.store import load
results, cache = map(Path, sys.argv[1:])
before = load(results, repository=None, cache=cache)
cache.chmod(0)
if os.geteuid() == 0:
    os.seteuid(65534)
after = load(results, repository=None, cache=cache)
assert len(after.runs) == len(before.runs) == 18
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_folder_of_another_user_is_done_without(results: Path) -> None:
    for folder in (results, results / "lab", *results.parents):
        if folder.owner() == results.owner():
            folder.chmod(folder.stat().st_mode | 0o055)
    folder = results.parent / "cache"
    subprocess.run([sys.executable, "-c", DENIED, str(results), str(folder)], check=True)
    folder.chmod(0o755)


def test_file_of_another_version_is_replaced(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = read(results)
    (ours,) = kept(results)
    with monkeypatch.context() as other:
        other.setattr(columns, "METADATA", b"another version")
        assert same(cold, read(results))
        assert len(kept(results)) == 1
        assert kept(results) != [ours]
    assert same(cold, read(results))
    assert kept(results) == [ours]


def test_columns_are_not_for_git(results: Path) -> None:
    read(results)
    assert (results.parent / "cache" / ".gitignore").read_text(encoding="utf-8").endswith("*\n")


@pytest.mark.slow
def test_processes_at_once_and_killed_ones(results: Path) -> None:
    age(results / "lab")
    command = [sys.executable, "-c", READ, str(results), str(results.parent / "cache")]
    expected = subprocess.run([*command[:-1], str(results.parent / "x")], capture_output=True, text=True, check=True)
    draw = random.Random(1)
    for _ in range(4):
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        time.sleep(draw.uniform(0.1, 0.5))
        running[0].send_signal(signal.SIGKILL)
        said = [process.communicate(timeout=60)[0] for process in running]
        assert said[1:] == [expected.stdout] * 3
