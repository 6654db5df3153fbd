"""Gives base the tests of head, so that both sides are measured by the same definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.system import copying

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def overlay(head: Path, base: Path, names: Iterable[str], folders: Iterable[str]) -> set[str]:
    """Give base these files and folders of head. Returns the files that base lacked, or had with other content."""
    different: set[str] = set()
    for name in folders:
        inner = list(_files_of(head / name, head))
        different |= {each for each in inner if copying.differs(each, head, base)}
        copying.clear(base, name)
        copying.copy_files(head, base, inner)
    for name in names:
        if copying.differs(name, head, base):
            different.add(name)
            copying.copy_over(head, base, name)
    return different


def _files_of(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if (path.is_symlink() or path.is_file()) and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix()
