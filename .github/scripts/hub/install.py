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
    from collections.abc import Mapping, Sequence

#: Where the installed package lies, if it is one whose plugin pytest finds.
WHERE = "import importlib.metadata as m, paceline; m.distribution('paceline'); print(paceline.__file__)"
PACELINE = Path(__file__).resolve().parents[3] / "paceline"


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("install", help="install what PACELINE_INSTALL names, then paceline, by pip")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run pip; paceline comes last, so that it is the action's own, which knows the options that it passes."""
    wanted = job.words(environment, "PACELINE_INSTALL", "install")
    if wanted:
        _pip(wanted)
    if _is_installed():
        print(f"paceline is installed from {PACELINE} already")
    else:
        _pip([str(PACELINE)])
    return 0


def _pip(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *arguments]
    print(shlex.join(command), flush=True)
    if subprocess.run(command, check=False).returncode:
        raise PacelineError(f"pip could not install {shlex.join(arguments)}: its message is above")


def _is_installed() -> bool:
    """Whether this very paceline is, as by an editable install with what is locked: pip would replace it."""
    done = subprocess.run([sys.executable, "-I", "-c", WHERE], capture_output=True, text=True, check=False)
    return done.returncode == 0 and Path(done.stdout.strip()).resolve().is_relative_to(PACELINE)
