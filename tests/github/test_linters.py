"""What others know of workflows: zizmor at its strictest, the schemas, shellcheck; each shown to find something."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.github.workflows import ROOT, actions, workflows

BINARIES = Path(sys.executable).parent
FOLDER = ROOT / ".github"


def tool(name: str, *arguments: str, content: str = "") -> subprocess.CompletedProcess[str]:
    """Run a tool of the environment."""
    command = [str(BINARIES / name), *arguments]
    return subprocess.run(command, input=content, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


ZIZMOR = ("--offline", "--no-progress", "--no-config", "--persona=auditor", "--strict-collection", "--collect=all")


def test_zizmor_finds_nothing() -> None:
    done = tool("zizmor", *ZIZMOR, str(FOLDER))
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout + done.stderr


def test_zizmor_is_awake(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (FOLDER / "workflows" / "bench-comment.yml").read_text(encoding="utf-8")
    (folder / "x.yml").write_text(re.sub(r" # zizmor.*", "", text), encoding="utf-8")
    done = tool("zizmor", *ZIZMOR, str(tmp_path))
    assert done.returncode > 10
    assert "dangerous-triggers" in done.stdout


def test_every_ignore_has_its_reason() -> None:
    ignores = [line for flow in [*workflows(), *actions()] for line in flow.text.splitlines() if "zizmor:" in line]
    assert len(ignores) == 3
    for line in ignores:
        assert re.search(r"# zizmor: ignore\[[a-z-]+\] \w+( \S+){5,}$", line), line


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", sorted(FOLDER.glob("workflows/*.yml"))),
        ("vendor.github-actions", sorted(FOLDER.glob("actions/*/action.yml"))),
        ("vendor.dependabot", [FOLDER / "dependabot.yml"]),
    ],
    ids=["workflows", "actions", "dependabot"],
)
def test_files_are_of_their_schema(schema: str, paths: list[Path], tmp_path: Path) -> None:
    done = tool("check-jsonschema", f"--builtin-schema={schema}", *map(str, paths))
    assert done.returncode == 0, done.stdout
    spoiled = tmp_path / "spoiled.yml"
    spoiled.write_text("unheard: of\n" + paths[0].read_text(encoding="utf-8"), encoding="utf-8")
    spoiled.write_text(spoiled.read_text(encoding="utf-8").replace("runs", "walks").replace("version:", "edition:"))
    assert tool("check-jsonschema", f"--builtin-schema={schema}", str(spoiled)).returncode == 1


def test_shellcheck_finds_nothing_in_the_lines_that_are_run() -> None:
    lines = [step["run"] for flow in [*workflows(), *actions()] for _, step in flow.steps() if "run" in step]
    assert len(lines) > 15
    for line in lines:
        done = tool("shellcheck", "--shell=bash", "-", content=line + "\n")
        assert done.returncode == 0, done.stdout


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    scripts = [ROOT / ".ci" / "run", *ROOT.glob(".github/**/*.sh")]
    done = tool("shellcheck", *map(str, scripts))
    assert done.returncode == 0, done.stdout


def test_shellcheck_is_awake() -> None:
    assert tool("shellcheck", "--shell=bash", "-", content="rm $1\n").returncode == 1
