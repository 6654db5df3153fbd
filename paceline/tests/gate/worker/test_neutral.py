"""What a worker keeps other plugins from doing, where a whole gate would not show it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("as_worker", [False, True])
def test_a_worker_does_not_ask_git_for_the_name_of_a_file(tmp_path: Path, *, as_worker: bool) -> None:
    git, asked = tmp_path / "git", tmp_path / "asked"
    git.write_text(f"#!/bin/sh\necho $* >> '{asked}'\n", encoding="utf-8")
    git.chmod(0o755)
    (tmp_path / "early.py").write_text(
        "from paceline.gate.worker import neutral\nneutral.before_plugins()\n", encoding="utf-8"
    )
    (tmp_path / ".git").mkdir()
    plugin = ["-p", "early"] if as_worker else []
    command = [sys.executable, "-m", "pytest", "--collect-only", *plugin]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path)}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert asked.exists() is not as_worker
