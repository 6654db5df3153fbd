"""Reads asv.conf.json and finds the asv suite; nothing else reads that file.

Standard library only, so asv need not be installed. A mistake in the file becomes a one-line error that names it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError, shown, why
from paceline.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CONFIGURATIONS = ("asv.conf.json", "asv.conf.jsonc")
BENCHMARKS = "benchmarks"  # asv's default of benchmark_dir
TEXTS = ("repo", "project", "results_dir", "html_dir", "benchmark_dir", "repo_subdir")
COMMANDS = ("build_command", "install_command")
#: Settings that a user may expect a gate to use, but that it ignores.
IGNORED = (
    "matrix",
    "pythons",
    "environment_type",
    "include",
    "exclude",
    "conda_channels",
    "conda_environment_file",
    "uninstall_command",
    "launch_method",
    "plugins",
    "regressions_thresholds",
)
#: A string, which is kept, or a comment, or a comma before a closing bracket: asv allows both in its files.
COMMENTS = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
COMMAS = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[\]}])', re.DOTALL)


@dataclass(frozen=True)
class AsvSuite:
    """An asv suite on disk. `folder` is its benchmark_dir, `file` the configuration that names it, if any."""

    folder: Path
    file: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def ignored(self) -> list[str]:
        """Return the names of settings that are set, but that a gate ignores."""
        return [name for name in IGNORED if self.settings.get(name)]


def read(root: Path) -> dict[str, Any]:
    """Return asv's configuration in a folder; empty if there is none. Raises PacelineError if it cannot be used."""
    path = file_in(root)
    if path is None:
        return {}
    try:
        text = files.read(path, files.LONGEST_BY_HAND).decode()
        for pattern in (COMMENTS, COMMAS):
            text = pattern.sub(lambda found: found[1] or "", text)
        found = json.loads(text)
    except OSError as error:
        raise PacelineError(f"cannot read {path}: {why(error)}. Restore the file.") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise PacelineError(f"cannot read {path}: {reason}. Fix the file.") from None
    return _checked(path, found)


def file_in(folder: Path) -> Path | None:
    """Return asv's configuration file in a folder, if there is one."""
    return next((folder / name for name in CONFIGURATIONS if (folder / name).is_file()), None)


def _checked(path: Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise PacelineError(f"{path}: expected a JSON object, got {type(found).__name__}. Fix the file.")
    for name in TEXTS:
        if not isinstance(found.get(name, ""), str) or "\0" in found.get(name, ""):
            raise PacelineError(f"{path}: {name}: expected a string, got {shown(found[name])}. Fix the file.")
    branches = found.get("branches", [])
    if not isinstance(branches, list) or not all(isinstance(each, str | None) for each in branches):
        raise PacelineError(f"{path}: branches: expected a list of names, got {shown(branches)}. Fix the file.")
    for name in COMMANDS:
        lines = found.get(name) or []
        if not isinstance(lines, str) and not (
            isinstance(lines, list) and all(isinstance(each, str) for each in lines)
        ):
            raise PacelineError(f"{path}: {name}: expected a list of commands, got {shown(lines)}. Fix the file.")
    return found


def find(root: Path, given: str | Path | None = None) -> AsvSuite:
    """Return the suite in a folder that the user named, or the one that the project around `root` has.

    Without `given`, the configuration is looked for in `root`, upwards to the top of the git repository, then one
    folder below each of these. Raises PacelineError, one line, if there is no suite.
    """
    if given:
        return _named(root / given)
    above = list(_upwards(root))
    for folder in above:
        if file_in(folder):
            return _configured(folder)
    for folder in above:
        below = [each for each in sorted(folder.iterdir()) if each.is_dir() and file_in(each)]
        if len(below) > 1:
            names = ", ".join(each.name for each in below)
            raise PacelineError(f"several folders have an asv.conf.json: {names}. Choose one: --benchmark-asv=DIR")
        if below:
            return _configured(below[0])
    raise PacelineError(
        f"no asv.conf.json in {root}, above it, or in a folder below. Name the suite's folder: --benchmark-asv=DIR"
    )


def _upwards(folder: Path) -> Iterator[Path]:
    """Yield a folder and those above it, to the top of its repository; without one, the folder alone."""
    above = [folder, *folder.parents]
    top = next((each for each in above if (each / ".git").exists()), folder)
    yield from above[: above.index(top) + 1]


def _named(folder: Path) -> AsvSuite:
    if not folder.is_dir():
        raise PacelineError(f"--benchmark-asv: no folder {str(folder)!r}. Name the benchmark_dir of an asv suite.")
    folder = _normal(folder)
    if file_in(folder) and (_benchmarks(folder) != folder):
        return _configured(folder)
    for above in (*_upwards(folder), folder.parent):
        if file_in(above) and _benchmarks(above) == folder:
            return _configured(above)
    return AsvSuite(_package(folder, "--benchmark-asv"))


def _configured(folder: Path) -> AsvSuite:
    file = file_in(folder)
    found = _benchmarks(folder)
    if not found.is_dir():
        raise PacelineError(
            f"{file}: benchmark_dir: no folder {str(found)!r}. Fix the file, or name the folder: --benchmark-asv=DIR"
        )
    return AsvSuite(_package(found, f"{file}: benchmark_dir"), file, read(folder))


def _benchmarks(folder: Path) -> Path:
    return _normal(folder / (read(folder).get("benchmark_dir") or BENCHMARKS))


def _normal(path: Path) -> Path:
    """Return the path without `..`, with links unresolved: pytest names files by the path that it was given."""
    return type(path)(os.path.normpath(path.absolute()))


def _package(folder: Path, where: str) -> Path:
    if not (folder / "__init__.py").is_file():
        raise PacelineError(
            f"{where}: {str(folder)!r} has no __init__.py, so asv finds no benchmarks in it. Add one."
        )
    return folder
