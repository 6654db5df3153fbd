"""Copies tests into installed packages: pytest imports a package's own tests from there, so they must be there.

Wheels often leave them out, and base gets head's tests.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.gate.sides.usage import is_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = re.compile(r"(test|bench)\w*$")
FILE = re.compile(r"(conftest|(test|bench)_\w+|\w+_test)\.py$")


def copy_into(site: Path, tree: Path, files: Iterable[str], roots: Iterable[str], names: Iterable[str]) -> None:
    """Copy the tests of these import names from their roots in the tree into `site`.

    `files`: the files of both sides' trees.
    """
    names = frozenset(names)
    for root in roots:
        for inner in dict.fromkeys(_tests_below(files, root)):
            top = Path(inner).with_suffix("")
            if is_below(".".join(top.parts), names):
                _copy(tree / root / inner, site / inner)


def _tests_below(files: Iterable[str], root: str) -> Iterator[str]:
    """Yield the folders of tests, and the test files outside of these, as paths below a root."""
    prefix = f"{root}/" if root else ""
    for name in files:
        inner = name.removeprefix(prefix)
        *folders, file = inner.split("/")
        if not name.startswith(prefix) or not folders:
            continue
        depth = next((depth for depth, folder in enumerate(folders) if FOLDER.match(folder)), None)
        if depth:
            yield "/".join(folders[: depth + 1])
        elif depth is None and FILE.match(file):
            yield inner


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(
            source, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    elif target.parent.is_dir() and source.is_file():
        shutil.copy2(source, target)
