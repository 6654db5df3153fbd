"""Reads and writes files that are named by the hash of their content, so that damage shows. Standard library only.

Two processes that write the same content write the same file. Nothing here raises OSError, as such files are only
kept to save time.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from typing import TYPE_CHECKING

from paceline.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

IGNORED = "# Made by paceline; safe to delete.\n*\n"


def digest(raw: bytes) -> str:
    """Return the hash of some content."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def read_all(folder: Path, suffix: str) -> dict[Path, bytes | None]:
    """Return the content of a folder's files with this suffix; None if one is damaged or cannot be read."""
    return {path: _read(path) for path in sorted(folder.glob(f"*{suffix}"))}


def _read(path: Path) -> bytes | None:
    try:
        raw = files.read(path, sys.maxsize)
    except OSError:
        return None
    return raw if digest(raw) == path.stem else None


def replace(folder: Path, suffix: str, raw: bytes, old: Iterable[Path] = ()) -> None:
    """Write a file, and then remove old ones, if the folder can be written. It is not for git."""
    path = folder / f"{digest(raw)}{suffix}"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with files.placed(path, raw):  # also over a damaged one
            pass
        if not (folder / ".gitignore").exists():
            files.write(folder / ".gitignore", IGNORED)
        for each in old:
            if each != path:
                each.unlink(missing_ok=True)
