"""Lends a side what its environment lacks, so that a project need not install anything to be judged."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Iterable

# With what each imports; all of it is pure Python.
NEEDS = {
    "pytest": ("pytest", "iniconfig", "packaging", "pluggy", "pygments"),
    "pytest-benchmark": ("pytest-benchmark", "py-cpuinfo"),
    "asv_runner": ("asv_runner",),
}


def lend(lacking: Iterable[str], folder: Path) -> None:
    """Copy these distributions of the judge's own environment into `folder`. Raises PacelineError."""
    for name in lacking:
        for distribution in NEEDS[name]:
            _copy(distribution, folder)


def _copy(name: str, folder: Path) -> None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise PacelineError(f"neither this environment nor the project's has {name}: pip install {name}") from None
    for file in distribution.files or ():
        source = Path(str(file.locate()))
        if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
            continue
        target = folder / Path(*file.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
