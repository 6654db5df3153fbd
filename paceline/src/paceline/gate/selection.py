"""What is to be judged, as the user's own pytest session chose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """What the user's own pytest session has chosen, and how it was started."""

    benchmarks: tuple[str, ...]  # node ids
    modules: tuple[Path, ...]  # files with these benchmarks, conftests and package files above them
    arguments: tuple[str, ...]  # of the command line, without paths
    paths: tuple[str, ...]  # of the command line: files, folders, node ids
    root: Path  # pytest's rootdir
    ini: Path | None
    started_in: Path
    python_path: tuple[str, ...]  # pytest's setting
    extra: tuple[str, ...] = ()  # arguments that silence other plugins
    values: tuple[str, ...] = ()  # node ids of benchmarks that give a value, not a time
    asv: str | None = None  # folder of an asv suite, below rootdir: a part of the measurement, as a whole
