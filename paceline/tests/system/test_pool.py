"""Work in processes: its results, its losses, and nothing that stays when it is interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import psutil
import pytest
from paceline.system import pool

KILLS_ITSELF = "__import__('os')._exit(9)"
SLEEPS = "import time; from paceline.system import pool; pool.run(time.sleep, [0, 90], 2, print)"


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pool.CLUSTER, raising=False)


def test_a_killed_process_costs_its_own_result_alone() -> None:
    heard: list[int] = []
    found = pool.run(eval, ["1 + 1", "1 / 0", KILLS_ITSELF, "4"], 2, heard.append)
    assert (found[0], found[3]) == (2, 4)
    assert isinstance(found[1], ZeroDivisionError)
    assert isinstance(found[2], BrokenProcessPool)
    assert heard[-1] == 4


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a group of processes")
def test_ctrl_c_ends_all_processes() -> None:
    """It reaches all processes of a terminal at once."""
    with started() as (process, workers):
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert errors.endswith("\nKeyboardInterrupt\n")
    assert errors.count("Traceback") == 1


def test_processes_end_with_a_killed_parent() -> None:
    with started() as (process, workers):
        process.kill()
    assert psutil.wait_procs(workers, timeout=30)[1] == []


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Start two processes: one works, the other waits for work."""
    command = [sys.executable, "-uc", SLEEPS]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        workers = psutil.Process(process.pid).children()
        assert len(workers) >= 2
        yield process, workers
