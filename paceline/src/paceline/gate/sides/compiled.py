"""Finds compiled modules that a side should have but lacks: else their fallbacks would be timed unnoticed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

from paceline.gate.sides.sources import SOURCES
from paceline.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BUILD_FILES = {"CMakeLists.txt", "Cargo.toml", "meson.build", "pyproject.toml", "setup.cfg", "setup.py"}
BUILD_FILES |= {"build.py", "build_ext.py"}
PATIENCE = 120.0  # seconds, for importing
SCRIPT = """
import importlib, json, sys
names, failed = json.loads(sys.argv[1]), {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
sys.stderr.write("\\n" + json.dumps(failed))
"""


def unimportable(executable: str, names: Sequence[str], site: Path) -> dict[str, str]:
    """Return the modules that cannot be imported from this folder, and why; none if unknown, as after a crash."""
    return _failures(executable, names, {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}, site)


def unimportable_here(executable: str, names: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the modules that the user's own environment cannot import either, and why.

    Also tries without the checkout's folder on the import path, as files there hide installed packages.
    """
    hidden = _failures(executable, names, {}, folder)
    return _failures(executable, list(hidden), {"PYTHONSAFEPATH": "1"}, folder)


def _failures(executable: str, names: Sequence[str], changed: dict[str, str], folder: Path) -> dict[str, str]:
    if not names:
        return {}
    try:
        done = subprocess.run(
            [executable, "-c", SCRIPT, json.dumps(list(names))],
            cwd=folder,
            env=dict(os.environ) | changed,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE,
        )
        found: dict[str, str] = json.loads(done.stderr.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return {}
    return found


def has_source(folders: Iterable[Path], name: str) -> bool:
    """Whether a project has a source of a compiled module, or a build file that names it."""
    stem = name.rpartition(".")[2]
    word = re.compile(rf"\b{re.escape(stem)}\b")
    for folder in folders:
        for path in _files(folder):
            if path.stem == stem and path.suffix in SOURCES:
                return True
            if path.name in BUILD_FILES and word.search(path.read_text(encoding="utf-8", errors="replace")):
                return True
    return False


def _files(folder: Path) -> Iterable[Path]:
    return (folder / name for name in files.names_below(folder, leaving_out={"build"}))
