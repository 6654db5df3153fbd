"""What tests do to the processes that they run in, for real: none harms another test, and each end has a reason."""

import random
from pathlib import Path

import numpy as np
import pytest
from paceline.config.options import SIDES
from paceline.gate.side_process import MOST_PRINTED
from paceline.gate.visit import Visit
from paceline.gate.worker import process
from pairs import both, started, visit

WORK = """
def work():
    return sum(range(1000))
"""

# What pyfakefs, mocker and their like do; they are not needed for it.
MOCKS = (
    WORK
    + """
import builtins, io, json, os, resource, socket, time
from unittest import mock

def missing(*args, **kwargs):
    raise FileNotFoundError("in a fake file system")

def test_fake_files(benchmark, monkeypatch):
    with monkeypatch.context() as fake:
        for name in ("fstat", "listdir", "stat"):
            fake.setattr(os, name, missing)
        fake.setattr(builtins, "open", missing)
        fake.setattr(io, "open", missing)
        benchmark(work)

def test_mocks(benchmark):
    names = ("json.dumps", "json.loads", "os.times", "os.getpid", "os.fstat", "os.sched_setaffinity", "socket.socket")
    names += ("time.monotonic", "time.perf_counter_ns", "time.thread_time_ns", "resource.getrusage")
    patches = [mock.patch(name) for name in names]
    for patch in patches:
        patch.start()
    benchmark(work)
    for patch in patches:
        patch.stop()

def test_default_timeout(benchmark):
    socket.setdefaulttimeout(0.0)
    benchmark(work)
"""
)


def test_mocks_stop_at_the_worker(tmp_path: Path) -> None:
    found = visit(tmp_path, MOCKS, timeout=10)
    names = ("test_fake_files", "test_mocks", "test_default_timeout")
    assert ends(found) == {name: {"passed"} for name in names}
    assert {name: each.clock for name, each in found.items()} == dict.fromkeys(names, "cpu")


CHANNEL = (
    WORK
    + """
import os, stat

def channel():
    sockets = [number for number in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{number}")]
    numbers = [int(number) for number in sockets]
    return next(number for number in numbers if number > 2 and stat.S_ISSOCK(os.fstat(number).st_mode))

def test_rubbish(benchmark):
    benchmark(os.write, channel(), b"rubbish\\n")

def test_out_of_turn(benchmark):
    benchmark(os.write, channel(), b'{"event": "pinned"}\\n')

def test_closes_all(benchmark):
    benchmark(os.closerange, 3, 4096)

def test_forks(benchmark):
    benchmark(work)
    if os.fork():
        os.wait()

def test_forks_in_a_burst(benchmark):
    benchmark(lambda: os.fork() and os.wait())

def test_honest(benchmark):
    benchmark(work)
"""
)


def ends(found: dict[str, Visit]) -> dict[str, set[str]]:
    """Return how each test ended, on either side."""
    return {
        name: {f"{end.outcome}: {end.reason}" if end.reason else end.outcome for end in each.ends.values()}
        for name, each in found.items()
    }


@pytest.mark.slow
def test_channel_is_no_test_s_to_use(tmp_path: Path) -> None:
    found = ends(visit(tmp_path, CHANNEL, timeout=10))
    assert found == {
        "test_rubbish": {"crashed: sent the gate something that is not a message"},
        "test_out_of_turn": {"crashed: sent the gate an unexpected 'pinned'"},
        "test_closes_all": {"crashed: closed the gate's channel"},
        "test_forks": {"passed"},
        "test_forks_in_a_burst": {"passed"},
        "test_honest": {"passed"},
    }


BOUNDS = (
    WORK
    + """
import resource, signal

def test_limits_cpu(benchmark):
    resource.setrlimit(resource.RLIMIT_CPU, (3600, resource.RLIM_INFINITY))
    benchmark(work)

def test_limits_memory(benchmark):
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
    benchmark(work)

def test_sets_an_alarm(benchmark):
    signal.alarm(3600)
    benchmark(work)

def test_raises_a_limit(benchmark):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft + 1, hard), hard))
    benchmark(work)
"""
)


def test_process_with_less_than_before_runs_no_other_test(tmp_path: Path) -> None:
    found = visit(tmp_path, BOUNDS)
    spoilt = {name for name, each in found.items() if any(end.spoilt for end in each.ends.values())}
    assert spoilt == {"test_limits_cpu", "test_limits_memory", "test_sets_an_alarm"}


def test_sides_share_no_basetemp(tmp_path: Path) -> None:
    """By way of addopts, as the command line could be translated."""
    base = tmp_path / "made" / "here"
    text = WORK + "\ndef test_it(benchmark, tmp_path):\n    benchmark(work)\n    assert tmp_path.is_dir()\n"
    found = visit(tmp_path, text, PYTEST_ADDOPTS=f"--basetemp={base}")
    assert ends(found) == {"test_it": {"passed"}}
    assert sorted(each.name for each in base.iterdir()) == ["a", "b"]


OUTPUT = """
import os
def test_writes(benchmark, request):
    calls = []
    def write():
        calls.append(os.write(1, b"x" * (1 << 20)))
    benchmark(write)
    with open(os.environ["SIDE"], "w") as file:
        file.write(str(sum(calls)))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert not capture.is_globally_capturing() or len(capture.read_global_capture().out) < sum(calls) / 4
"""


@pytest.mark.parametrize("option", ["--capture=fd", "--capture=no"])
def test_output_does_not_add_up(tmp_path: Path, option: str) -> None:
    """Neither in what pytest captures nor, where it does not, in the gate's log."""
    assert ends(visit(tmp_path, OUTPUT, option)) == {"test_writes": {"passed"}}
    for side in SIDES:
        written = int((tmp_path / side).read_text(encoding="utf-8"))
        assert written > 4 * MOST_PRINTED
        assert (tmp_path / "logs" / side).stat().st_size < written / 4


DAEMON = (
    WORK
    + """
import os, subprocess, sys, time
def test_leaves_a_daemon(benchmark):
    sleeper = [sys.executable, "-c", "import time; time.sleep(3600)"]
    options = "start_new_session=True, stdout=-3, stderr=-3"
    starter = f"import subprocess; print(subprocess.Popen({sleeper}, {options}).pid)"
    found = subprocess.run([sys.executable, "-c", starter], env={}, capture_output=True, text=True, check=True)
    with open(os.environ["SIDE"], "w") as file:
        file.write(found.stdout)
    benchmark(work)
"""
)


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_daemons_end_with_their_pair(tmp_path: Path) -> None:
    assert ends(visit(tmp_path, DAEMON)) == {"test_leaves_a_daemon": {"passed"}}
    pids = [int((tmp_path / side).read_text(encoding="utf-8")) for side in SIDES]
    assert not any(map(is_running, pids))


ODD = (
    WORK
    + """
import os, sys, threading, tracemalloc, types

def test_odd_modules(benchmark):
    class Odd:
        @property
        def __file__(self):
            raise RuntimeError("no file")
    nowhere = types.ModuleType("nowhere")
    nowhere.__file__ = "a\\0b"
    sys.modules.update({"odd": Odd(), "nowhere": nowhere, 3: nowhere})
    benchmark(work)

def test_numpy_of_its_own(benchmark):
    sys.modules["numpy"] = types.SimpleNamespace(random=3)
    os.environ["PYTHONHASHSEED"] = "\u00b2"
    benchmark(work)

def test_traces_memory(benchmark):
    tracemalloc.start(25)
    benchmark(work)
    tracemalloc.take_snapshot()

def test_version(benchmark):
    class Version:
        def __repr__(self):
            raise RuntimeError("no text")
    benchmark(work)
    benchmark.extra_info["version"] = Version()

def test_thread(benchmark):
    begun = threading.Event()
    def target():
        begun.set()
        threading.Event().wait()
    threading.Thread(target=benchmark, args=(target,), daemon=True).start()
    begun.wait()
"""
)


def test_odd_things_are_survived_or_told(tmp_path: Path) -> None:
    found = visit(tmp_path, ODD)
    assert ends(found) == {
        "test_odd_modules": {"passed"},
        "test_numpy_of_its_own": {"passed"},
        "test_traces_memory": {"passed"},
        "test_version": {'failed: extra_info["version"] cannot be read: RuntimeError'},
        "test_thread": {"failed: benchmark(...) was called in a thread that the test did not wait for"},
    }
    slowed = found["test_traces_memory"].base_seconds("cpu") / found["test_odd_modules"].base_seconds("cpu")
    assert slowed < 10  # it is some 700 where memory is traced


def draws(number: str) -> tuple[float, float]:
    process.seed(number)
    return random.random(), np.random.random()  # noqa: NPY002


def test_same_numbers_for_the_same_round() -> None:
    first = draws(str(2**32 - 2))
    assert draws(str(2**32 - 2)) == first
    assert all(new != old for new, old in zip(draws("7"), first, strict=True))


def test_without_a_drawn_seed_nothing_is_seeded() -> None:
    assert draws("random") != draws("random")


def test_importing_each_file_is_timed(tmp_path: Path) -> None:
    """On the slower side."""
    (tmp_path / "test_quick.py").write_text("def test_it(benchmark):\n    benchmark(len, '')\n", encoding="utf-8")
    slow = "import os\nif os.environ['SIDE'] == 'head':\n    sum(range(10**7))\n"
    (tmp_path / "test_slow.py").write_text(
        slow + "def test_it(benchmark):\n    benchmark(len, '')\n", encoding="utf-8"
    )
    with started(tmp_path, both(tmp_path)) as pair:
        assert pair.files.keys() == {"test_quick.py", "test_slow.py"}
        assert pair.files["test_slow.py"] > 3 * pair.files["test_quick.py"]
