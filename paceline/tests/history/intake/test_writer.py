"""Whoever writes at once, and whatever kills a writer: the folder is readable, and finished runs are all there."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path

import pytest
from paceline.errors import PacelineError
from paceline.history.asv.asv_files import DEEPEST, result_file
from paceline.history.asv.store import sound
from paceline.history.intake import writer
from paceline.history.intake.document import Environment, Measured, result_document
from paceline.history.intake.provenance import Provenance
from paceline.history.intake.writer import listed, record
from paceline.system import locks

KILLS = 70  # of each of three writers at once

WRITE = """
import sys
from pathlib import Path
from paceline.history.intake.document import Environment, Measured, result_document
from paceline.history.intake.provenance import Provenance
from paceline.history.intake.writer import record

results, writer = Path(sys.argv[1]), sys.argv[2]
environment = Environment({"machine": "lab"}, "pytest-benchmark 5", "3.11", {}, {"writer": writer})
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    measured = [
        Measured(f"test_{writer}.py::test_{number}", [1.0] * 40, (1.0, 1.0, 1.0), 1, 40),
        Measured("test_all.py::test_it", [1.0] * 40, (1.0, 1.0, 1.0), 1, 40),
    ]
    document = result_document(measured, Provenance(f"{number:040x}", 1000 * number), environment)
    print(record(results, document, measured, environment.machine).name, flush=True)
"""


#: Brings forth a writer, and another when that one was killed: none has to import anything.
NURSERY = """
import itertools
import os
import signal
from paceline.history.intake.document import interval
interval([1.0])
""" + WRITE.replace(
    "for number in range(int(sys.argv[3])):",
    """
for birth in range(int(sys.argv[3])):
    child = os.fork()
    if child == 0:
        break
    os.waitpid(child, 0)
else:
    sys.exit()
print("born", os.getpid(), sep="\\n", flush=True)
births = range(10 * birth, 10 * birth + 3)  # then wait for the end: more would make every later write longer
for number in itertools.chain(births, iter(signal.pause, None)):
""",
)


def start(code: str, results: Path, writer: str, runs: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(results), writer, str(runs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def check(results: Path, finished: set[str], cache: Path) -> set[str]:
    """Everything is sound, all finished runs are there, and `benchmarks.json` names whatever any of them measured."""
    found = sound(results, cache)
    assert found.quarantined == ()
    names = {path.name for path, _ in found.results}
    assert names >= finished
    measured = {row[0] for _, result in found.results for row in json.loads(result.shared.rows)}
    assert measured <= set(found.benchmarks)
    return names


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    running = [start(WRITE, results, str(number), 25) for number in range(6)]
    for process in running:
        go(process)
    finished = [name for process in running for name in process.communicate(timeout=120)[0].split()]
    assert len(set(finished)) == 150
    assert check(results, set(finished), tmp_path / "cache") == set(finished)
    assert len(sound(results, tmp_path / "cache").benchmarks) == 6 * 25 + 1
    assert not list(results.rglob(".unfinished-*"))


@pytest.mark.slow
def test_hundreds_of_kills_lose_nothing_that_was_finished(tmp_path: Path) -> None:
    results = tmp_path / "results"
    draw = random.Random(0)
    finished: set[str] = set()
    parents = [start(NURSERY, results, str(number), KILLS) for number in range(3)]
    for parent in parents:
        go(parent)
    for kill in range(KILLS):
        for parent in parents:
            assert parent.stdout
            lines = iter(parent.stdout.readline, "")
            # The one that was killed may have left half a line, which the next one's word then ends.
            finished |= {*takewhile(lambda line: not line.endswith("born\n"), lines)}
            writer = int(next(lines))
            finished |= {next(lines) for _ in range(draw.randrange(3))}  # however slow the disk is
            time.sleep(draw.uniform(0.0, 0.01))
            os.kill(writer, signal.SIGKILL)
        if kill % 10 == 0:
            check(results, {name.strip() for name in finished}, tmp_path / "cache")
    for parent in parents:
        finished |= set(parent.communicate(timeout=60)[0].splitlines(keepends=True))
    check(results, {name.strip() for name in finished}, tmp_path / "cache")
    assert len(finished) >= KILLS
    assert list(results.rglob(".unfinished-*"))  # else no kill fell into a write


#: Measures a version of its own, for commits of a date of its own, that take turns with those of other writers.
VERSIONED = WRITE.replace("1, 40)", "1, 40, version=writer)").replace("1000 * number", "1000 * int(writer)")


def add(results: Path, name: str, version: str, date: int, *, dirty: bool = False) -> None:
    """Record a run of one benchmark."""
    measured = [Measured(f"{name}.py::{name}", [1.0], (1.0, 1.0, 1.0), 1, 1, version=version)]
    environment = Environment({"machine": "lab"}, "pytest-benchmark 5", "3.11", {}, {})
    document = result_document(measured, Provenance(f"{date:040x}", date, dirty=dirty), environment)
    record(results, document, measured, environment.machine)


def versions(results: Path) -> dict[str, str]:
    """What `benchmarks.json` says, by name."""
    listed = json.loads((results / "benchmarks.json").read_text(encoding="utf-8"))
    return {name.partition(".")[0]: entry["version"] for name, entry in listed.items() if name != "version"}


def test_uncommitted_changes_replace_nothing_that_is_listed(tmp_path: Path) -> None:
    """Else asv would look for results of a version that no commit has."""
    add(tmp_path, "a", "1", date=1)
    add(tmp_path, "a", "2", date=1, dirty=True)
    add(tmp_path, "b", "2", date=1, dirty=True)
    assert versions(tmp_path) == {"a": "1", "b": "2"}
    add(tmp_path, "b", "1", date=1)
    assert versions(tmp_path) == {"a": "1", "b": "1"}


def test_older_commits_replace_nothing_that_newer_ones_measured(tmp_path: Path) -> None:
    add(tmp_path, "a", "2", date=2)
    add(tmp_path, "b", "3", date=3, dirty=True)
    for name in "ab":
        add(tmp_path, name, "1", date=1)
    assert versions(tmp_path) == {"a": "2", "b": "1"}
    for name in "ab":
        add(tmp_path, name, "4", date=4)
    assert versions(tmp_path) == {"a": "4", "b": "4"}


def test_lost_list_is_made_of_the_newest_commits(tmp_path: Path) -> None:
    add(tmp_path, "a", "2", date=2)
    add(tmp_path, "a", "1", date=1)
    add(tmp_path, "a", "3", date=3, dirty=True)
    for dirty in (True, False):
        (tmp_path / "benchmarks.json").unlink()
        add(tmp_path, "a", "1", date=1, dirty=dirty)
        assert versions(tmp_path) == {"a": "2"}


def test_writers_of_several_versions_leave_that_of_the_newest_commit(tmp_path: Path) -> None:
    running = [start(VERSIONED, tmp_path, str(number), 8) for number in range(1, 4)]
    for process in running:
        go(process)
    for process in running:
        assert len(process.communicate(timeout=120)[0].split()) == 8
    assert versions(tmp_path)["test_all"] == "3"


def test_nested_list_of_benchmarks_loses_no_run(tmp_path: Path) -> None:
    add(tmp_path, "a", "1", date=1)
    for depth in (DEEPEST - 1, DEEPEST, *range(900, 1030, 10)):
        nested = "[" * depth + "]" * depth
        entry = f'{{"name": "x", "version": "1", "params": [], "param_names": [], "more": {nested}}}'
        (tmp_path / "benchmarks.json").write_text(f'{{"version": 2, "x": {entry}}}', encoding="utf-8")
        add(tmp_path, "a", "1", date=1)
        assert versions(tmp_path) == {"a": "1"} | ({"x": "1"} if depth < DEEPEST else {})


def spoil(kind: str, path: Path) -> None:
    """Put something in the place of a file that can neither be read nor replaced, or that no reader gets through."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        (path / "inside").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(3 * 2**30)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes among files")
@pytest.mark.parametrize("kind", ["pipe", "3 GB", "folder"])
@pytest.mark.parametrize("name", ["benchmarks.json", "lab/machine.json", ".benchmarks.lock"])
def test_a_run_is_written_whatever_lies_around_it(tmp_path: Path, name: str, kind: str) -> None:
    spoil(kind, tmp_path / name)
    told: list[str] = []
    path = measure(tmp_path, told)
    assert result_file(path.read_bytes())
    assert all(str(tmp_path / name) in line for line in told)
    assert not list(tmp_path.rglob(".unfinished-*"))
    if kind != "folder" and sys.platform == "linux":  # elsewhere a pipe cannot be locked
        assert not told
        assert "test_a.test_a" in (listed(tmp_path) or {})


def measure(results: Path, told: list[str]) -> Path:
    measured = [Measured("test_a.py::test_a", [1.0], (1.0, 1.0, 1.0), 1, 1)]
    environment = Environment({"machine": "lab"}, "pytest-benchmark 5", "3.11", {}, {})
    document = result_document(measured, Provenance("a" * 40, 1), environment)
    return record(results, document, measured, environment.machine, told.append)


#: Holds a lock until its input ends.
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows locks otherwise")
def test_a_lock_that_is_never_given_back_loses_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a process that was stopped: nobody may wait for it for ever."""
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    command = [sys.executable, "-c", HOLD, str(tmp_path / writer.LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        told: list[str] = []
        path = measure(tmp_path, told)
        holder.communicate()
    assert result_file(path.read_bytes())
    assert len(told) == 1
    assert "another process holds the lock" in told[0]
    measure(tmp_path, told)
    assert len(told) == 1
    assert "test_a.test_a" in (listed(tmp_path) or {})


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_run_that_has_no_place_is_kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "results" / "lab"
    place.parent.mkdir()
    if kind == "link":
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.touch()
    with pytest.raises(PacelineError) as error:
        measure(tmp_path / "results", [])
    (kept,) = (tmp_path / "elsewhere").rglob("*.json")
    remedy = f"The run was saved as {kept}. Move it to {place} when that is writable."
    assert str(error.value) == f"cannot write to {place}: File exists. {remedy}"
    place.unlink()
    place.mkdir()
    kept.rename(place / kept.name)
    assert len(sound(tmp_path / "results", tmp_path / "cache").results) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make a small disk")
@pytest.mark.parametrize("free", [0, 8])
def test_a_disk_that_fills_while_recording(tmp_path: Path, free: int) -> None:
    """With 8 KiB there is place for the run and its folder, and not for what is around it."""
    disk, fill = tmp_path / "disk", 64 - free
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (disk / "fill").write_bytes(b"x" * 1024 * fill)
        told: list[str] = []
        if free:
            assert result_file(measure(disk / "results", told).read_bytes())
            assert "No space left on device" in told[0]
        else:
            with pytest.raises(PacelineError, match=r"No space left on device.* The run was saved as "):
                measure(disk / "results", told)
        assert not list(disk.rglob(".unfinished-*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
