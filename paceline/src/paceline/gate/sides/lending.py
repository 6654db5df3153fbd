"""Lends a side what its environment lacks, so that a project need not install anything to be judged."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.gate.sides.sources import REQUIREMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def lend(lacking: Iterable[str], folder: Path) -> None:
    """Copy these distributions of the gate's own environment, and their requirements, into `folder`.

    All of them are pure Python. Raises PacelineError if one is not installed.
    """
    for name in lacking:
        for distribution in (name, *_required_by(name)):
            _copy(distribution, folder)


def _required_by(name: str) -> Iterator[str]:
    """Yield the unconditional requirements of a distribution, without pytest, which is lent only if it is lacking."""
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    found = (REQUIREMENT.match(each) for each in requirements if ";" not in each)
    yield from (match[1] for match in found if match and match[1] != "pytest")


def _copy(name: str, folder: Path) -> None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise PacelineError(
            f"neither the project's environment nor paceline's has {name}. Run `pip install {name}` in one of them."
        ) from None
    for file in distribution.files or ():
        source = Path(str(file.locate()))
        if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
            continue
        target = folder / Path(*file.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
