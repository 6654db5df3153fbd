"""A lock is one process's at a time, and ends with it, however it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paceline.system import locks

HOLD = """
import sys
from pathlib import Path
from paceline.system import locks
with locks.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_refused_while_it_is_held_and_ends_with_a_killed_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OSError, match="another process holds the lock") as caught, locks.held(path):
            pass
        assert caught.value.filename == str(path)
        process.kill()
        process.wait()
        with locks.held(path):
            pass


def test_a_lock_that_is_closed_is_free(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert locks.is_taken(first)
    assert not locks.is_taken(second)
    os.close(first)
    assert locks.is_taken(second)
    os.close(second)
