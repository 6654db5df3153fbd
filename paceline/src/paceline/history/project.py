"""Where a project keeps its history: asv's configuration is read, and needed by nobody."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from paceline.gate.settings import read_table

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATIONS = ("asv.conf.json", "asv.conf.jsonc")
RESULTS = ".asv/results"
ASV_RESULTS = "results"  # asv's own default, where it has a configuration
CACHE = ".paceline/cache"
MARKS = (*CONFIGURATIONS, ".git", "pyproject.toml")
#: A text, which is kept, or a comment, or a comma before a closing bracket: asv's files are written for people.
COMMENTS = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
COMMAS = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[\]}])', re.DOTALL)


def configuration(root: Path) -> dict[str, Any]:
    """Return asv's configuration of a project; empty if there is none that can be read."""
    for name in CONFIGURATIONS:
        try:
            text = (root / name).read_text(encoding="utf-8")
            for pattern in (COMMENTS, COMMAS):
                text = pattern.sub(lambda found: found[1] or "", text)
            found = json.loads(text)
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def results_folder(root: Path, given: str | Path | None = None) -> Path:
    """Return where the results are: `given`, or by [tool.paceline], or by asv's configuration; below `root`.

    Raises PacelineError for unknown keys in [tool.paceline].
    """
    chosen = given or read_table(root).get("results")
    if not chosen:
        asv = configuration(root)
        chosen = asv.get("results_dir") or (ASV_RESULTS if asv else RESULTS)
    return root / str(chosen)


def branches(root: Path) -> tuple[str, ...]:
    """Return the branches that asv's configuration names."""
    named = configuration(root).get("branches") or ()
    return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()


def root_of(results: Path) -> Path:
    """Return the project that a results folder belongs to: the nearest folder above that looks like one."""
    above = results.absolute().parents
    for folder in above:
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return above[0]
