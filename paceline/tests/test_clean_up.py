"""However a gate ends, no process, no worktree and no temporary file stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import QUICK, Project, processes

SLOW = """
import os, pathlib, time, work
def slow():
    pathlib.Path(os.environ["TMPDIR"], "timing").touch()
    time.sleep(30)
def test_slow(benchmark):
    benchmark(slow)
def test_fast(benchmark):
    benchmark(work.total, 300)
"""


def wait_until(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.05)


def is_timing(project: Project) -> bool:
    return (project.temporary / "timing").exists()


def has_worker(project: Project) -> bool:
    return str(project.temporary) in processes()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_timing(project: Project, sent: signal.Signals) -> None:
    """What is known by then is printed."""
    project.commit({"test_speed.py": SLOW})
    process = project.start(*QUICK, "--benchmark-against=HEAD", "-k", "fast or slow")
    wait_until(lambda: is_timing(project), "the slow call runs")
    process.send_signal(sent)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2, output
    assert "test_slow" in output
    assert project.leftovers == []
    assert not has_worker(project)
    assert project.git("worktree", "list").count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.4, 0.7, 1.0, 1.4, 2.0])
def test_interrupted_at_any_moment(project: Project, after: float) -> None:
    project.commit({"test_speed.py": SLOW})
    process = project.start(*QUICK, "--benchmark-against=HEAD")
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert project.leftovers == []
    assert not has_worker(project)


@pytest.mark.slow
def test_killed_gate_takes_its_workers_along_and_the_next_one_cleans_up(project: Project) -> None:
    project.commit({"test_speed.py": SLOW})
    process = project.start(*QUICK, "--benchmark-against=HEAD", "-k", "slow")
    wait_until(lambda: is_timing(project), "the slow call runs")
    process.kill()
    process.communicate()
    wait_until(lambda: not has_worker(project), "the workers are gone")
    assert len(project.leftovers) == 1
    assert project.judge("-k", "fast").verdicts == {"test_fast": "same"}
    assert project.leftovers == []


@pytest.mark.slow
def test_two_gates_at_once_in_one_checkout(project: Project) -> None:
    processes_of_both = [project.start(*QUICK, "--benchmark-against=HEAD", early=True) for _ in range(2)]
    for process in processes_of_both:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert "1 same" in output
    assert project.leftovers == []


@pytest.mark.slow
def test_leftovers_are_told_by_their_lock_alone(project: Project) -> None:
    """A folder without an owner may be in the making; a stranger's is none of ours."""
    strange = project.temporary / "paceline-of-somebody"
    strange.mkdir()
    dead = project.temporary / "paceline-dead"
    dead.mkdir()
    (dead / "owner").write_text(f"{os.getpid()}\n", encoding="utf-8")
    read_only = dead / "tree"
    read_only.mkdir()
    (read_only / "file").write_text("", encoding="utf-8")
    read_only.chmod(0o500)
    project.judge("--benchmark-against=HEAD")
    assert project.leftovers == [strange]


@pytest.mark.slow
def test_working_tree_is_not_touched(project: Project) -> None:
    def snapshot() -> dict[str, tuple[int, int]]:
        # pytest-benchmark itself refreshes git's index, by `git describe --dirty`.
        files = [path for path in project.root.rglob("*") if path.is_file() and path.name != "index"]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(files)}

    before = snapshot()
    project.judge("-p", "no:cacheprovider", environment={"PYTHONDONTWRITEBYTECODE": "1"})
    assert snapshot() == before
    assert Path(project.root / ".git" / "worktrees").exists() is False


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("while_judging", [False, True])
def test_interrupted_calibration(tmp_path: Path, sent: signal.Signals, *, while_judging: bool) -> None:
    """The signal reaches the command alone, which must take the gate that it runs along."""
    command = [sys.executable, "-m", "paceline.cli", "calibrate"]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    wait_until(lambda: list(tmp_path.iterdir()), "the project is written")
    if while_judging:
        wait_until(lambda: str(tmp_path) in processes(), "the gate has workers")
    process.send_signal(sent)
    assert process.wait(timeout=60) == 130
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in processes()
