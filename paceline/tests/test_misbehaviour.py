"""Benchmarks that do what they should not, all in one run: each ends in a clear line, none harms another."""

import socket
from collections.abc import Callable

import pytest
from projects import WORK, Project, processes

MISDEEDS = """
import ctypes, multiprocessing, os, subprocess, sys, threading, time
import pytest
import work

AT_HEAD = os.path.exists("at_head")

@pytest.fixture(params=["first", "last"])
def bystander(request):
    return request.param

def test_honest(benchmark, bystander):
    assert benchmark(work.total, 300) > 0

def test_hangs(benchmark):
    benchmark(time.sleep, 3600)

def test_hangs_in_setup(benchmark):
    time.sleep(3600)

def test_exits(benchmark):
    benchmark(os._exit, 3)

def test_segfaults(benchmark):
    benchmark(ctypes.string_at, 0)

def test_leaks(benchmark):
    kept = []
    benchmark(lambda: kept.append(bytearray(10_000)))

def test_prints(benchmark, capfd):
    def noise():
        print("x" * 2000)
        os.write(1, b"y" * 2000)
        sys.stderr.write("z" * 2000)
    benchmark(noise)

def test_changes_directory(benchmark, tmp_path):
    def move():
        os.chdir(tmp_path)
        return work.total(100)
    benchmark(move)
    os.chdir("/")

def test_closes_descriptors(benchmark):
    def close():
        os.closerange(3, 256)
        return work.total(300)
    benchmark(close)

def test_starts_threads(benchmark):
    def threads():
        thread = threading.Thread(target=work.total, args=(300,))
        thread.start()
        thread.join()
    benchmark(threads)

def test_starts_processes(benchmark):
    benchmark(subprocess.run, [sys.executable, "-S", "-c", ""])

def test_leaves_a_process(benchmark):
    name = "left-behind-%s" % os.environ["MARK"]
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", name])
    benchmark(work.total, 300)

def test_clock_jumps(benchmark, monkeypatch):
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    monkeypatch.setattr(time, "process_time_ns", lambda: -1)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    benchmark(work.total, 300)

def test_nanoseconds(benchmark):
    benchmark(len, "")

def test_a_second(benchmark):
    benchmark(time.sleep, 1.1)

def test_raises_in_a_later_call(benchmark):
    calls = []
    def fragile():
        calls.append(1)
        if len(calls) > 3 and AT_HEAD:
            raise RuntimeError("worn out")
    benchmark(fragile)

def test_stops_pytest(benchmark):
    pytest.exit("enough")
"""


@pytest.mark.slow
def test_each_misdeed_ends_in_a_clear_line(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"work.py": WORK, "test_misdeeds.py": MISDEEDS})
    project.write({"at_head": ""})
    mark = str(project.root)
    run = project.judge("--benchmark-timeout=2.5", environment={"MARK": mark})
    reasons = {name: finding["reason"] for name, finding in run.findings.items()}
    assert run.status == 1, run.output
    told = {
        "test_hangs": "both sides hung",
        "test_hangs_in_setup": "both sides hung",
        "test_exits": "both sides crashed: the interpreter ended with status 3",
        "test_segfaults": "both sides crashed: killed by SIGSEGV",
        "test_closes_descriptors": "both sides crashed: closed the gate's channel",
        "test_raises_in_a_later_call": "head failed: RuntimeError: worn out",
        "test_stops_pytest": "both sides crashed",
    }
    for name, words in told.items():
        assert words in reasons[name], (name, reasons[name])
    broken = {"test_raises_in_a_later_call"}
    assert {name for name, verdict in run.verdicts.items() if verdict == "broken"} == broken
    for name, verdict in run.verdicts.items():
        if name not in told:
            assert verdict == "same", (name, verdict, reasons[name])
    clocks = {name: finding["clock"] for name, finding in run.findings.items()}
    for name in ("test_starts_threads", "test_starts_processes", "test_a_second", "test_leaves_a_process"):
        assert clocks[name] == "wall", name
    assert project.leftovers == []
    assert f"left-behind-{mark}" not in processes()


RIVALS = """
import os, signal, socket
import pytest
import work

@pytest.fixture(scope="session")
def port():
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
        yield server

def test_port(benchmark, port):
    benchmark(work.total, 300)

def test_killed_once(benchmark):
    try:
        os.close(os.open(os.environ["KILLED"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        benchmark(work.total, 300)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_sides_that_want_one_port_and_one_kill_are_not_red(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"work.py": WORK, "test_rivals.py": RIVALS})
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    run = project.judge(environment={"PORT": str(port), "KILLED": str(project.temporary / "killed")})
    assert run.status == 0, run.output
    assert run.verdicts == {"test_port": "unavailable", "test_killed_once": "same"}
    assert "Address already in use" in run.findings["test_port"]["reason"]
