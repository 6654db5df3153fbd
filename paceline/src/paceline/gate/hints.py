"""Explains an empty selection: newcomers often have one, so the error names what looks like a benchmark."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from paceline.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paceline.gate.sides.selection import Selection

USES_FIXTURE = re.compile(r"def test\w*\([^)]*\b(?:codspeed_)?benchmark\b")
USES_MARKER = re.compile(r"mark\.(?:codspeed_)?benchmark\b")
ASV = "asv.conf.json"
NAMED = 3  # files of a kind; the others are counted


def no_benchmark(selection: Selection, tree: Path) -> str:
    """Return the error for an empty selection, in one line."""
    seen = list(_seen(selection, tree)) or ["Name tests that use the `benchmark` fixture, or loosen -k and -m."]
    return f"no benchmark was selected. {' '.join(seen)}"


def _seen(selection: Selection, tree: Path) -> Iterator[str]:
    skipped = [f"{name} ({text.removeprefix('skipped: ')})" for name, text in selection.errors.items()]
    if skipped:
        yield f"Skipped by pytest: {_some(skipped)}."
    texts = dict(_python_files(tree))
    fixture = [name for name, text in texts.items() if USES_FIXTURE.search(text)]
    marker = [name for name, text in texts.items() if USES_MARKER.search(text) and name not in fixture]
    if fixture:
        yield f"The `benchmark` fixture is used in {_some(fixture)}: name these files, or loosen -k and -m."
    if marker:
        yield f"Tests are marked as benchmarks in {_some(marker)}: name these files, or loosen -k and -m."
    asv = sorted(name for name in files.names_below(tree) if PurePosixPath(name).name == ASV)
    if asv:
        yield f"Add --benchmark-asv to judge the asv suite ({_some(asv)})."


def _python_files(tree: Path) -> Iterator[tuple[str, str]]:
    for name in sorted(files.names_below(tree)):
        if name.endswith(".py") and (tree / name).is_file():
            yield name, (tree / name).read_text(encoding="utf-8", errors="replace")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
