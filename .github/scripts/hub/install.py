"""`install`: installs the project into this Python, and paceline into an environment of its own."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

from hub import job

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

PACELINE = Path(__file__).resolve().parents[3] / "paceline"
GROUP = "--group"
KNOWS_GROUPS = "pip>=25.1"


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("install", help="install PACELINE_INSTALL and paceline, by pip")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run pip. The judge has its own environment, so that the project cannot change it."""
    wanted = job.words(environment, "PACELINE_INSTALL", "install")
    if any(word.partition("=")[0] == GROUP for word in wanted):
        _pip([KNOWS_GROUPS])
    if wanted:
        _pip(wanted)
    judge = judge_python(environment)
    _run([sys.executable, "-m", "venv", "--without-pip", str(judge.parents[1])])  # which takes a second less
    _pip([str(PACELINE)], "--python", str(judge))
    return 0


def judge_python(environment: Mapping[str, str]) -> Path:
    """Return the Python of the judge's environment."""
    return job.temporary(environment) / "paceline" / "bin" / "python"


def _pip(arguments: Sequence[str], *options: str) -> None:
    _run([sys.executable, "-m", "pip", *options, "install", "--disable-pip-version-check", "--quiet", *arguments])


def _run(command: Sequence[str]) -> None:
    print(shlex.join(command), flush=True)
    if subprocess.run(command, check=False).returncode:
        raise PacelineError(f"failed: {shlex.join(command)}. Its message is above.")
