"""What recording costs once each function has been seen: ratios of times, taken in turn in one process."""

import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import SOURCE, write

CALLS = """
class Thing:
    def __init__(self, size): self.size = size
    def area(self): return self.size * self.size

def numbers(count):
    for number in range(count): yield number

def work():
    total = 0
    for number in numbers(3000): total += Thing(number).area()
    return sorted([total, len(str(total))], key=lambda value: -value)
"""
LOOP = """
def work():
    total = 0
    for number in range(60000): total += number * number % 7
    return total
"""
DRIVER = """
import statistics, sys, time
from paceline.gate.touch.recording import TouchRecorder
from work import work

def seconds():
    started = time.process_time()
    for _ in range(4): work()
    return time.process_time() - started

ratios = []
for _ in range(40):
    work()
    plain = seconds()
    recorder = TouchRecorder([sys.path[0]])
    recorder.start()
    recorder.begin("work")
    work()
    recorded = seconds()
    recorder.end()
    recorder.stop()
    ratios.append(recorded / plain)
print(*ratios)
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="profile functions see every call")
@pytest.mark.parametrize("code", [CALLS, LOOP], ids=["calls", "loop"])
def test_code_that_has_been_seen_costs_next_to_nothing(tmp_path: Path, code: str) -> None:
    write(tmp_path, {"work.py": code, "drive.py": DRIVER})
    command = [sys.executable, str(tmp_path / "drive.py")]
    done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, check=True, capture_output=True, text=True)
    ratios = [float(each) for each in done.stdout.split()]
    print(f"recorded / plain: {statistics.median(ratios):.3f}")  # noqa: T201 - shown by pytest -s
    assert statistics.median(ratios) < 1.10
