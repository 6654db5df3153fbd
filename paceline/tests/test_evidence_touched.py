"""The script that times what commits leave untouched judges real commits, and gives the clone back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from projects import TEST, WORK, Project

SCRIPT = Path(__file__).parents[1] / "evidence_touched.py"
OTHER = "\n\ndef test_other(benchmark):\n    benchmark(sum, range(300))\n"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_is_enough() -> None:
    assert "CLONE" in run("--help").stdout


def test_a_clone_with_changes_is_left_alone(project: Project, tmp_path: Path) -> None:
    (project.root / "work.py").write_text("changed")
    done = run(f"--file={tmp_path / 'kept'}", project.root)
    assert done.returncode == 1
    assert "has uncommitted changes" in done.stderr
    assert (project.root / "work.py").read_text() == "changed"


@pytest.mark.slow
def test_commits_are_judged_once(project: Project, tmp_path: Path) -> None:
    project.commit({"test_speed.py": TEST + OTHER})
    harmless = project.commit({"README": "Text"})
    project.commit({"work.py": WORK.replace("value * value", "value + value")})
    before = project.git("status", "--branch", "--porcelain")
    kept = tmp_path / "touched.jsonl"
    common = (f"--file={kept}", f"--python={sys.executable}", "--commits=2", project.root)
    for _ in range(2):
        assert run("--untimed", *common).returncode == 0
    found = {each["commit"]: each for each in map(json.loads, kept.read_text().splitlines())}
    assert len(found) == len(kept.read_text().splitlines()) == 2
    assert {each["timed"] for each in found.values()} == {None}
    assert found.pop(harmless[:12])["untouched"] == 2
    assert [each["untouched"] for each in found.values()] == [1]
    printed = run("--budget=120", "--minutes=0.001", *common).stdout
    *_, last = map(json.loads, kept.read_text().splitlines())
    assert last["timed"] == last["untouched"]
    assert f"| {project.root.name} | 2 | 0 | 1 | 75% of 4 | {last['timed']} in 1 gates |" in printed
    assert project.git("status", "--branch", "--porcelain") == before
