"""The tutorial is followed as it is written: its files, its commands, and the verdicts that it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
STEP = re.compile(r"(?:<!-- (?P<path>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)

#: Need a network; the environment of the tests has all that they install.
INSTALL = ("python3 -m venv ", ".venv/bin/python -m pip ")

#: Lets the gate decide after few rounds, on a busy machine too: the slowdown that the page plants is larger.
QUICK = " --benchmark-tolerance=50% --benchmark-alpha=50% --benchmark-explain=0"
IDENTITY = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def verdicts(output: str) -> dict[str, str]:
    """Return the verdicts of a gate's table, by benchmark."""
    return dict(re.findall(r"^(test_\w+) .* (slower|faster|same|unsure) ", output, re.MULTILINE))


def run(command: str, folder: Path) -> str:
    """Run one line of the page; a gate's status must be that of its verdicts."""
    is_gate = " gate " in command
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        shlex.split(command + QUICK * is_gate),
        cwd=folder,
        env=inherited | IDENTITY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == ("slower" in verdicts(done.stdout).values()), done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_tutorial_is_followed(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    output = ""
    shown = []
    for step in STEP.finditer(PAGE.read_text(encoding="utf-8")):
        if step["path"]:
            (tmp_path / step["path"]).write_text(step["text"], encoding="utf-8")
        elif step["language"] == "shell":
            for command in step["text"].splitlines():
                if not command.startswith(INSTALL):
                    output = run(command, tmp_path)
        elif step["language"] == "text":
            shown.append(verdicts(step["text"]))
            assert verdicts(output) == shown[-1], output
    assert shown == [{"test_total": "slower"}, {"test_total": "faster"}]
