"""Runs programs that need time to clean up when they are interrupted, as a gate does."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PATIENCE = 60.0  # seconds


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    hear: Callable[[str], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its status and output; when interrupted, terminate it and let it clean up.

    `hear` gets each line as soon as it is there; then errors are part of the output.
    `subprocess.run` would kill it. The child has its own session, so that Ctrl-C reaches it once, through here.
    """
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if hear is None else subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with child:
        try:
            output, errors = child.communicate() if hear is None else (_heard(child, hear), "")
        except BaseException:
            child.terminate()  # a program that was started in the background may ignore SIGINT
            try:
                child.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
            raise
    return subprocess.CompletedProcess(command, child.returncode, output, errors)


def _heard(child: subprocess.Popen[str], hear: Callable[[str], None]) -> str:
    lines = []
    for line in child.stdout or ():
        lines.append(line)
        hear(line)
    child.wait()
    return "".join(lines)
