"""Small projects, recorded in real processes: one for each side and pass."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from paceline.gate.touch.comparison import Touch, compare
from paceline.gate.touch.recording import Recording

SOURCE = Path(__file__).parents[1] / "src"
DRIVER = """
import json, linecache, sys
from paceline.gate.touch.recording import TouchRecorder

root, order, watched = sys.argv[1], sys.argv[2], sys.argv[3].split()
sys.path.insert(0, root)


def called(function):
    try:
        return repr(function())
    except Exception as error:
        return repr(error)


def traced(function):
    lines = []

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(root):
            return None
        if event == "line":
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).partition("#")[0].strip()
            lines.append([frame.f_code.co_name, line])
        return trace

    sys.settrace(trace)
    try:
        return [lines, called(function)]
    finally:
        sys.settrace(None)


recorder = TouchRecorder([root], watched)
recorder.start()
try:
    import bench
except Exception as error:
    sys.exit(f"bench.py cannot be imported: {error}")
names = [name for name in vars(bench) if name.startswith("bench_")]
for name in names if order == "forward" else reversed(names):
    recorder.begin(name)
    called(vars(bench)[name])
    recorder.end()
found = recorder.stop()
traces = {name: traced(vars(bench)[name]) for name in names}
json.dump({"recording": found, "traces": traces}, sys.stdout)
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a project."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(root: Path, order: str = "forward", watched: str = "") -> dict[str, Any]:
    """Run all `bench_*` functions of the project's `bench.py` once in a process.

    Returns the `recording`, and `traces`: the lines that each ran when it was called again, and its value. Raises
    ImportError if `bench.py` cannot be imported.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "1"}
    driver = write(root.parent / "_pytest", {"drive.py": DRIVER}) / "drive.py"  # that imports as pytest does
    command = [sys.executable, str(driver), str(root), order, watched]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if "bench.py cannot be imported" in done.stderr:
        raise ImportError(done.stderr)
    assert not done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def record(root: Path, files: dict[str, str], order: str = "forward") -> Recording:
    """Write a project, and return what its benchmarks run."""
    found: Recording = run(write(root, files), order)["recording"]
    return found


def touches(folder: Path, base: dict[str, str], head: dict[str, str], *, passes: int = 1) -> dict[str, Touch]:
    """Record two versions of a project, and return what the change touches."""
    orders = ("forward", "backward")[:passes]
    found = [
        [record(folder / name, files, order) for order in orders] for name, files in (("base", base), ("head", head))
    ]
    return compare(found[0], found[1])
