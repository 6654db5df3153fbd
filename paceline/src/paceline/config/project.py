"""Where a project keeps its history: asv's configuration is read, and needed by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.config import asv_conf
from paceline.config.asv_conf import CONFIGURATIONS
from paceline.config.settings import read_table

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = ".asv/results"
ASV_RESULTS = "results"  # asv's own default, where it has a configuration
HTML = ".asv/html"  # asv's own default is `html`, at the top of the project
OURS = ".paceline"
CACHE = f"{OURS}/cache"
MARKS = (*CONFIGURATIONS, ".git", "pyproject.toml")


def find_root(here: Path) -> Path:
    """Return the project around a folder: the nearest, upwards to the top of the repository, that has a history.

    That is one with asv's configuration, [tool.paceline], or results; else the top of the repository, else `here`.
    """
    start = here.absolute()
    for folder in (start, *start.parents):
        if _has_history(folder) or (folder / ".git").exists():
            return here if folder == start else folder
    return here


def place(folder: Path, root: Path) -> str:
    """Return where a folder is below a project's root, to be put before paths: `sub/folder/`, or nothing.

    pytest names tests by their paths below its rootdir, of which a project may have several; the history, by those
    below the project's root.
    """
    below = folder.absolute().relative_to(root.absolute()).as_posix()
    return "" if below == "." else f"{below}/"


def _has_history(folder: Path) -> bool:
    named = any((folder / name).exists() for name in CONFIGURATIONS)
    return named or (folder / RESULTS).is_dir() or bool(read_table(folder))


def results_folder(here: Path, given: str | Path | None = None) -> Path:
    """Return where the results are: `given`, below `here`, or what the project around `here` says.

    That is [tool.paceline], or asv's configuration. Raises PacelineError if they cannot be used.
    """
    if given:
        return here / given
    root = find_root(here)
    asv = asv_conf.read(root)
    chosen = read_table(root).get("results") or asv.get("results_dir") or (ASV_RESULTS if asv else RESULTS)
    return root / str(chosen)


def html_folder(here: Path) -> Path:
    """Return where the site of the project around `here` goes."""
    root = find_root(here)
    return root / (asv_conf.read(root).get("html_dir") or HTML)


def aa_folder(results: Path) -> Path:
    """Return where the gates of the code against itself are."""
    return results.parent / "aa"


def branches(root: Path) -> tuple[str, ...]:
    """Return the branches that asv's configuration names."""
    return tuple(filter(None, asv_conf.read(root).get("branches", [])))


def root_of(results: Path) -> Path:
    """Return the project that a results folder belongs to: the nearest folder above that looks like one."""
    above = results.absolute().parents
    for folder in above:
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return above[0]
