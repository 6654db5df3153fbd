"""Finds out what an interpreter is and has: from the interpreter itself, once, without running the project's code."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.errors import REMEDIES, PacelineError, why

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OLDEST_PYTEST = (8, 1)
PATIENCE = 120.0  # seconds
REMEDY = "Name a Python executable."

PROBE = """
import json, sys
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({
    "executable": sys.executable,
    "python": sys.version.split()[0],
    "recent": sys.version_info >= (3, 11),
    "path": [place for place in sys.path if place],
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix}),
    "pytest": version("pytest"),
    "pytest-benchmark": version("pytest-benchmark"),
    "asv_runner": version("asv_runner"),
    "plugin": any(point.name == "paceline" for point in metadata.entry_points(group="pytest11")),
}))
"""

ASKED = set(re.findall(r'^    "(.+?)":', PROBE, re.MULTILINE))


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run a side. `path`: its import path. `prefixes`: folders of its environment and its library.

    `lacking`: distributions that a side needs and its environment lacks. `outdated`: the version of its pytest, if
    that is too old.
    """

    executable: str
    version: str
    path: tuple[str, ...]
    prefixes: tuple[str, ...]
    lacking: tuple[str, ...]
    outdated: str | None
    has_plugin: bool


def probe(executable: str, folder: Path) -> Interpreter:
    """Run an interpreter and return what it is and has. Raises PacelineError if it cannot run a side."""
    try:
        done = subprocess.run(
            [executable, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=PATIENCE,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        raise PacelineError(f"cannot run {executable!r}: no answer for {PATIENCE:g} s. {REMEDY}") from None
    except OSError as error:
        remedy = "" if error.errno in REMEDIES else f". {REMEDY}"
        raise PacelineError(f"cannot run {executable!r}: {why(error)}{remedy}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise PacelineError(f"cannot run {executable!r} as Python: {last}. {REMEDY}")
    found = _answer(done.stdout)
    if found is None:
        raise PacelineError(f"cannot run {executable!r} as Python: unexpected output. {REMEDY}")
    if not found["recent"]:
        raise PacelineError(f"{executable} is Python {found['python']}. Use Python 3.11 or newer.")
    return Interpreter(
        executable=found["executable"],
        version=found["python"],
        path=tuple(found["path"]),
        prefixes=tuple(found["prefixes"]),
        lacking=_lacking(found),
        outdated=found["pytest"] if _is_outdated(found["pytest"]) else None,
        has_plugin=bool(found["plugin"]),
    )


def _answer(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.keys() >= ASKED else None


def _lacking(found: Mapping[str, Any]) -> tuple[str, ...]:
    if _is_outdated(found["pytest"]):  # a pytest-benchmark that fits the old pytest may not fit the gate's
        return ("pytest", "pytest-benchmark", *(["asv_runner"] if found["asv_runner"] is None else []))
    return tuple(name for name in ("pytest", "pytest-benchmark", "asv_runner") if found[name] is None)


def _is_outdated(pytest: str | None) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", pytest or "")[:2]]
    return bool(numbers) and tuple(numbers) < OLDEST_PYTEST
