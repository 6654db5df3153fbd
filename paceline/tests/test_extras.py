"""What is not installed is named in one line, and nothing else needs it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from paceline.system import extras
from packaging.requirements import Requirement
from projects import Project

PACELINE = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((PACELINE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BEYOND = sorted({name for names in extras.MODULES.values() for name in names})
#: Makes every module of every extra one that is not installed.
BARE = f"import sys; sys.modules.update(dict.fromkeys({BEYOND!r}))\n"


def bare(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where nothing but pytest and pytest-benchmark is installed."""
    return subprocess.run(
        [sys.executable, "-c", BARE + code, *arguments], capture_output=True, text=True, check=False
    )


def needed(extra: str) -> set[str]:
    """Return the distributions of an extra, those of extras that it names included."""
    found = set()
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        found |= (
            set().union(*map(needed, requirement.extras)) if requirement.name == "paceline" else {requirement.name}
        )
    return found


def test_only_pytest_and_pytest_benchmark_are_always_installed() -> None:
    assert {Requirement(each).name for each in PROJECT["dependencies"]} == {"pytest", "pytest-benchmark"}


def test_modules_are_those_of_the_extras() -> None:
    assert {extra: set(names) for extra, names in extras.MODULES.items()} == {
        extra: needed(extra) for extra in PROJECT["optional-dependencies"]
    }


@pytest.mark.parametrize(
    ("command", "extra", "first"),
    [
        (["check"], "history", "archspec, numpy"),
        (["fetch"], "history", "archspec, numpy"),
        (["import", "a.json"], "history", "archspec, numpy"),
        (["machine"], "history", "archspec, numpy"),
        (["pages"], "history", "archspec, numpy"),
    ],
)
def test_a_command_names_the_extra_that_it_needs(command: list[str], extra: str, first: str) -> None:
    done = bare("from paceline.cli import main; sys.exit(main())", *command)
    assert done.returncode == 4
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ERROR: `paceline {command[0]}` needs {first}, ")
    assert line.endswith(f". Run `pip install 'paceline[{extra}]'`.")


def test_recording_names_the_extra_before_anything_is_timed(project: Project) -> None:
    project.write({"bare.py": BARE})
    run = project.run("--benchmark-record", "-p", "bare", environment={"PYTHONPATH": "."})
    assert run.status == 4
    assert run.error.startswith("ERROR: `pytest --benchmark-record` needs archspec, numpy, ")
    assert run.error.endswith(". Run `pip install 'paceline[history]'`.")


@pytest.mark.parametrize("command", [["--help"], ["check", "--help"], ["calibrate", "--help"], ["doctor"]])
def test_other_commands_need_no_extra(command: list[str]) -> None:
    done = bare("from paceline.cli import main; sys.exit(main())", *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def modules(*folders: str) -> list[str]:
    source = PACELINE / "src"
    files = [file for folder in folders for file in sorted((source / "paceline" / folder).rglob("*.py"))]
    return [".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__") for file in files]


def test_the_gate_needs_no_extra() -> None:
    names = [name for name in modules("gate", "report", "commands") if "suites.asv" not in name]
    names += ["paceline.plugin", "paceline.gate.curve", "paceline.gate.calibration"]
    done = bare(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_that_asks_for_no_gate_imports_the_plugin_alone(project: Project) -> None:
    project.write({"test_speed.py": "import sys\ndef test_it(): print('\\n', *sys.modules)\n"})
    imported = []
    for arguments in ([], ["-p", "no:paceline"]):
        command = [sys.executable, "-m", "pytest", "-s", "-q", *arguments]
        output = subprocess.run(
            command, cwd=project.root, env=project.environment(), capture_output=True, text=True, check=True
        )
        imported.append(set(output.stdout.splitlines()[1].split()))
    assert imported[0] - imported[1] == {
        "paceline",
        "paceline.config",
        "paceline.config.options",
        "paceline.plugin",
    }
