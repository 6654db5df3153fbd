"""`install`: what the action needs in the Python that will run the gate: the project, as told, and paceline."""

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
    from collections.abc import Mapping

PACELINE = Path(__file__).resolve().parents[3] / "paceline"


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("install", help="install what PACELINE_INSTALL names, then paceline, by pip")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run pip; paceline comes last, so that it is the action's own, which knows the options that it passes."""
    wanted = job.words(environment, "PACELINE_INSTALL", "install")
    for arguments in filter(None, (wanted, [str(PACELINE)])):
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *arguments]
        print(shlex.join(command), flush=True)
        if subprocess.run(command, check=False).returncode:
            raise PacelineError(f"pip could not install {shlex.join(arguments)}: its message is above")
    return 0
