"""The wheel, as a stranger installs it: into an environment of its own, by pip."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from paceline.system import extras
from projects import Project

SOURCE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of an environment that holds the wheel and what it needs; the latter comes from the registry."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "tests"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(wheel, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    found = folder / "venv" / "bin" / "python"
    (built,) = folder.glob("paceline-*.whl")
    subprocess.run([*pip, "--python", str(found), "install", str(built)], check=True)
    return found


@pytest.mark.slow
def test_nothing_is_installed_but_pytest_pytest_benchmark_and_what_they_need(python: Path) -> None:
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    names = {distribution.metadata["Name"].lower() for distribution in distributions(path=[str(site)])}
    assert {"paceline", "pytest", "pytest-benchmark"} <= names
    assert not names & {name for modules in extras.MODULES.values() for name in modules}


@pytest.mark.slow
def test_a_wheel_without_extras_judges(python: Path, project: Project) -> None:
    project.write({"work.py": (project.root / "work.py").read_text().replace("range(count)", "range(2 * count)")})
    command = [str(python), "-m", "pytest", "--benchmark-only", "--benchmark-against=HEAD"]
    command += [
        "--benchmark-tolerance=50%",
        "--benchmark-alpha=10%",
        "--benchmark-explain=0",
        f"--benchmark-against-json={project.root}/.json",
    ]
    done = subprocess.run(
        command, cwd=project.root, env=project.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    (benchmark,) = json.loads((project.root / ".json").read_text(encoding="utf-8"))["benchmarks"]
    assert benchmark["verdict"] == "slower"
