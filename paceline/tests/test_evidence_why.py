"""The script that plants slowdowns and asks for explanations simulates them, and adds up real ones."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from paceline.gate.explain import explaining
from paceline.gate.explain.account import ROUNDS, SampledRound, explain
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


def test_what_is_fast_names_one_where_the_explanation_does() -> None:
    why, coins = script("evidence_why"), random.Random(1)
    answers = []
    for planted in [0.0, 0.01, 0.05] * 3:
        rounds = [
            SampledRound(*(why._times(coins, ("f.py", "7"), planted * side) for side in (0, 1)))  # noqa: SLF001
            for _ in range(ROUNDS)
        ]
        answers.append(any(each.named for each in explain(rounds, 0, {}).functions))
        assert why.names_any(rounds) == answers[-1]
    assert {*answers} == {True, False}


@pytest.mark.slow
def test_a_real_one_names_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "LONGEST", explaining.LEAST)
    found = script("evidence_why").record("python", 0.5, None, 300)
    assert found.get("error") is None
    assert found["first"], found
