"""Finds histories in a tree of folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.config.project import AA, OURS
from paceline.errors import PacelineError
from paceline.history.asv.asv_files import MACHINE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

#: Never searched, as they have many folders and no history, or only mirrors of others; environments are not either.
NOT_SEARCHED = {".git", OURS, "__pycache__", "node_modules"}


def histories_below(root: Path, progress: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Return the folders of results at or below `root`: those with a folder that has a `machine.json`.

    Nothing below a history is searched. A folder that cannot be listed is returned too, as it may be one. Raises
    PacelineError if there is none.
    """
    if not root.is_dir():
        raise PacelineError(f"--projects {root}: no such folder. Name a folder with histories below it.")
    found: list[Path] = []
    for place, folders, files in os.walk(root, onerror=lambda error: found.append(Path(error.filename))):
        here = Path(place)
        if here.name != AA and any((here / name / MACHINE_FILE).is_file() for name in folders):
            found.append(here)
            progress(f"found {len(found)} histories")
            folders.clear()
        elif "pyvenv.cfg" in files or "conda-meta" in folders:
            folders.clear()
        folders[:] = sorted(set(folders) - NOT_SEARCHED)
    if not found:
        raise PacelineError(
            f"--projects {root}: no history below this folder. A history is a folder of results, with a"
            f" {MACHINE_FILE} for each machine."
        )
    return found
