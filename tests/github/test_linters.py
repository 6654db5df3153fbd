"""What others know of workflows: zizmor at its strictest, the schemas, shellcheck; each shown to find something."""

from __future__ import annotations

import re
import shutil
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


ZIZMOR = ["--offline", "--no-progress", "--color=never", "--no-config", "--persona=auditor"]
ZIZMOR += ["--strict-collection", "--collect=all"]


def test_zizmor_finds_nothing() -> None:
    done = tool("zizmor", *ZIZMOR, str(FOLDER))
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout + done.stderr


#: What zizmor alone stands guard over: file, text, replacement, and the audit that finds it.
PLANTED = (
    ("bench-comment.yml", r" # zizmor.*", "", "dangerous-triggers"),
    ("bench-comment.yml", r"github\.token", "secrets.PAT", "secrets-outside-env"),
    ("bench-main.yml", r"\$/\.github/actions/environment", "owner/project/environment@main", "unpinned-uses"),
    ("bench-pr.yml", r"persist-credentials: false", "clean: true", "artipacked"),
    ("ci.yml", r"permissions: {}", "permissions: read-all", "excessive-permissions"),
    ("ci.yml", r"(?s)\nconcurrency:.*?\njobs:", "\njobs:", "concurrency-limits"),
    ("audit.yml", r"runs-on: ubuntu-24.04", "runs-on: self-hosted", "self-hosted-runner"),
    ("release.yml", r"--out dist", "--out ${{ github.ref_name }}", "template-injection"),
)


def test_zizmor_is_awake(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    shutil.copytree(FOLDER / "workflows", folder)
    for name, old, new, _ in PLANTED:
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(re.sub(old, new, text), encoding="utf-8")
    done = tool("zizmor", *ZIZMOR, str(tmp_path))
    assert done.returncode > 10
    assert {audit for *_, audit in PLANTED} <= set(re.findall(r"^\w+\[([a-z-]+)\]", done.stdout, re.MULTILINE))


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
