"""Whether less or more of a benchmark's values is better, where their unit does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paceline.config.settings import read_table
from paceline.config.tolerances import matches, read_patterns
from paceline.errors import PacelineError, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

LESS, MORE = "less", "more"
UNITS = ("seconds", "bytes")  # less of these is better

Directions = tuple[tuple[str, str], ...]  # less or more, by patterns of benchmarks; the last match counts


def read(root: Path) -> Directions:
    """Return a project's directions. Raises PacelineError."""
    try:
        return read_patterns(read_table(root).get("direction", {}), _direction)
    except ValueError as error:
        raise PacelineError(f"[tool.paceline] direction: {error}. Fix {root / 'pyproject.toml'}.") from None


def _direction(value: Any) -> str:
    if value not in (LESS, MORE):
        raise ValueError(f"expected {LESS} or {MORE}, got {shown(value)}")
    return str(value)


def unused(directions: Directions, names: Collection[str]) -> Iterator[str]:
    """Yield a notice for each pattern that matches none of these benchmarks, whose units do not say the direction."""
    for pattern, _ in directions:
        if not any(matches(name, pattern) for name in names):
            yield f"[tool.paceline.direction]: {pattern!r} matches no benchmark whose direction is unknown"


def direction_of(name: str, unit: str, directions: Directions) -> str:
    """Return less or more for a benchmark with its parameters; empty if that is unknown."""
    if unit in UNITS:
        return LESS
    return next((value for pattern, value in reversed(directions) if matches(name, pattern)), "")
