"""The script that adds up gates on identical code runs real ones, and adds up over machines."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import script

SCRIPT = Path(__file__).parents[1] / "thousand_gates.py"


def run(*arguments: str) -> str:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_help_names_the_time() -> None:
    assert "--minutes" in run("--help")


def test_machines_add_up_to_an_exact_bound(tmp_path: Path) -> None:
    one = {"date": "2026-11-20", "machine": "a", "load": 1.0, "benchmarks": 10, "red": False, "unsure": 1}
    one |= {"rounds": 9, "seconds": 20.0}
    other = one | {"date": "2026-11-22", "machine": "b", "red": True}
    kept = tmp_path / "gates.jsonl"
    kept.write_text("".join(f"{json.dumps(each)}\n" for each in [*[one] * 298, other]))
    rows = run("--minutes=0", f"--file={kept}").splitlines()[2:]
    assert rows == [
        "| a | 2026-11-20 | 298 | 0 | 1.0% | 298 of 2980 | 9 | 20 | 1.0 |",
        "| b | 2026-11-22 | 1 | 1 | 100.0% | 1 of 10 | 9 | 20 | 1.0 |",
        "| all | 2026-11-20 to 2026-11-22 | 299 | 1 | 1.6% | 299 of 2990 | 9 | 20 | 1.0 |",
    ]


@pytest.mark.slow
def test_one_gate_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gates, kept = script("thousand_gates"), tmp_path / "gates.jsonl"
    monkeypatch.setattr(gates, "CONTENDERS", ("moments_numpy",))
    gates.collect(argparse.Namespace(minutes=0.001, budget=90.0, file=kept))
    (found,) = map(json.loads, kept.read_text().splitlines())
    assert found["benchmarks"] == 5
    assert found["rounds"] > 0
    assert f"| {found['machine']} | {found['date']} | 1 | {found['red']:d} |" in list(gates.table([found]))[-1]
