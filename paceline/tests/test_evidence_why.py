"""The script that plants slowdowns and asks for explanations simulates them, and adds up real ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from paceline.gate.explain import explaining
from scripts import script

SCRIPT = Path(__file__).parents[1] / "evidence_why.py"
REAL = {"kind": "yaml", "planted": 0.1, "first": True, "found": True, "wrong": [], "covered": True}


def run(*arguments: str) -> list[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_real_and_simulated_ones_add_up(tmp_path: Path) -> None:
    kept = tmp_path / "why.jsonl"
    found = [
        REAL,
        REAL | {"first": False, "wrong": ["f"], "covered": False},
        REAL | {"planted": 0.0, "covered": None},
    ]
    found = [{**each, "seconds": 60, "load": 1.0} for each in found] + [
        {"kind": "yaml", "planted": 0.1, "error": "x"}
    ]
    kept.write_text("".join(f"{json.dumps(each)}\n" for each in found))
    *_, first, second = run("--simulate=1", f"--file={kept}")[2:4]
    assert first == "| real | identical code | 1 |  |  | 0 (at most 95.0%) |  |"
    assert second == "| real | +10% | 2 | 50% | 100% | 1 (at most 97.5%) | 1 of 2 |"
    simulated = [json.loads(line) for line in kept.read_text().splitlines() if "simulated" in line]
    assert [each["planted"] for each in simulated] == [0.0, 0.03, 0.05, 0.1, 0.2]
    assert {each["count"] for each in simulated} == {1}


@pytest.mark.slow
def test_a_real_one_names_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "LONGEST", explaining.LEAST)
    found = script("evidence_why").record("python", 0.5, None, 300)
    assert found["first"], found
