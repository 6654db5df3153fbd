"""Replaces a folder in one move, so that readers see either the old or the new one, complete."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

import psutil

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A file that only sites of asv or paceline have. Any other folder is not replaced.
MARK = "info.json"


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a new folder, which replaces `target` when the block ends without an error.

    Raises PacelineError if `target` is not a site. Removes the folders of builds that were killed.
    """
    _check(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _clean(target)
    aside = target.with_name(f".{target.name}.{os.getpid()}.new")
    aside.mkdir()
    try:
        yield aside
        if target.exists():
            _exchange(aside, target)
        else:
            aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise PacelineError(f"--output: {target} is not a folder. Name a folder that the site may replace.")
    if target.is_dir() and any(target.iterdir()) and not (target / MARK).is_file():
        raise PacelineError(
            f"--output: {target} is not empty, and not a site. Empty it, or name another folder with --output."
        )


def _clean(target: Path) -> None:
    """Remove the folders of builds that no longer run; restore an old site that was moved but not replaced."""
    leftover = re.compile(rf"\.{re.escape(target.name)}\.(\d+)\.(new|old)")
    for path in target.parent.iterdir():
        found = leftover.fullmatch(path.name)
        if found is None or psutil.pid_exists(int(found[1])):
            continue
        if found[2] == "old" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`, and remove the old folder."""
    if not _swap_names(new, old):
        away = new.with_suffix(".old")
        old.rename(away)
        new.rename(old)
        shutil.rmtree(away, ignore_errors=True)


def _swap_names(one: Path, other: Path) -> bool:
    """Exchange two names in one step; return False if the system cannot."""
    if sys.platform != "linux":
        return False
    exchange = 2  # RENAME_EXCHANGE of renameat2(2), which Python does not offer
    here = -100  # AT_FDCWD
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
