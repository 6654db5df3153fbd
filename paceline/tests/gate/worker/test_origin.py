"""The finder and the proof, in interpreters of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paceline.gate.worker import origin


def run(script: str, folder: Path, served: dict[str, Any]) -> str:
    (folder / "served.json").write_text(json.dumps(served), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", f"import paceline.gate.worker.origin as origin; origin.serve()\n{script}"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "elsewhere"), origin.SERVED: str(folder / "served.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "site/work/__init__.py": "place = 'site'",
        "site/family/member/__init__.py": "place = 'site'",
        "elsewhere/work/__init__.py": "place = 'elsewhere'",
        "elsewhere/work/more.py": "",
        "elsewhere/gone.py": "",
        "elsewhere/family/member/__init__.py": "place = 'elsewhere'",
        "elsewhere/family/elder.py": "place = 'elsewhere'",
        "work/__init__.py": "place = 'here'",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


SERVED = {"folders": ["site"], "names": ["work", "family.member", "gone"]}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import work; print(work.place)", "site"),
        ("from family import member, elder; print(member.place, elder.place)", "site elsewhere"),
        ("import gone", "ModuleNotFoundError: No module named 'gone'"),
        ("import work.more", "ModuleNotFoundError: No module named 'work.more'"),
        ("import sys; sys.path.insert(0, 'elsewhere'); import work; print(work.place)", "site"),
        ("print(origin.origin('gone'))", "None"),
        ("print(origin.lacks('work._fast'))", "False"),
        ("import work; print(origin.lacks('work._fast'))", "True"),
    ],
)
def test_names_are_served_from_one_folder_alone(folder: Path, script: str, expected: str) -> None:
    assert run(script, folder, SERVED) == expected


def test_what_a_process_loaded_is_told_apart(folder: Path) -> None:
    task = {
        "names": ["work", "family.member"],
        "homes": [str(folder / "site")],
        "own": [str(folder / "site")],
        "foreign": [str(folder)],
        "exempt": [],
        "compiled": ["work._fast"],
    }
    script = f"""
import json, sys
sys.path.insert(0, 'elsewhere')
from family import elder, member
import work
import types
sys.modules['odd'] = types.ModuleType('odd')
sys.modules['odd'].__file__ = 'site/_odd.py'  # of no file, as PyTorch has it: it would be the tree's
task = json.loads({json.dumps(json.dumps(task))})
loaded = dict(origin.loaded_modules())
print(json.dumps([list(origin.foreign_modules(task, loaded)), origin.own_code(task, loaded, set())]))
"""
    foreign, code = json.loads(run(script, folder, SERVED))
    assert foreign == [["family.elder", str(folder / "elsewhere" / "family" / "elder.py")]]
    assert code == {"code": ["family.member", "work"], "native": [], "lacking": ["work._fast"], "elsewhere": []}
    foreign, code = json.loads(run(script, folder, SERVED | {"names": []}))
    assert {name for name, _ in foreign} == {"family.elder", "family.member", "work"}
    assert code["code"] == []
    assert set(code["elsewhere"]) >= {"family", "work"}
