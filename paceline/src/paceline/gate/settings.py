"""What a gate is asked to do, from the command line or from [tool.paceline]."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MERGE_BASE = ""  # stands for the option without a value
KEYS = (
    "against",
    "alpha",
    "asv",
    "budget",
    "control",
    "install",
    "json",
    "overlay",
    "python",
    "results",
    "timeout",
    "tolerance",
    "unsure",
)
TEXTS = ("against", "asv", "json", "python", "results")


@dataclass(frozen=True)
class Settings:
    """`tolerance` and `alpha` are fractions, `budget` and `timeout` seconds; no `revision`: the same code."""

    revision: str | None
    tolerance: float = 0.03
    alpha: float = 0.01
    budget: float = 600.0
    json: str | None = None
    python: str | None = None
    install: str = "auto"
    control: bool = False
    unsure: str = "pass"
    timeout: float = 120.0
    overlay: tuple[str, ...] = ()
    accept: str | None = None  #: why slower benchmarks may pass this once; only ever from the command line


def fraction(text: str | float) -> float:
    """Read 0.02 or 2% as 0.02. Raises ValueError outside ]0, 1[."""
    words = str(text).strip()
    value = float(words[:-1]) / 100 if words.endswith("%") else float(words)
    if not 0 < value < 1:
        raise ValueError(f"{text!r} is not between 0 and 100 %")
    return value


def seconds(text: str | float) -> float:
    """Read a positive, finite number of seconds."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a positive number of seconds")
    return value


def read_table(root: Path) -> dict[str, Any]:
    """[tool.paceline] of a project's pyproject.toml. Raises PacelineError if it cannot be used."""
    path = root / "pyproject.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise PacelineError(f"{path} cannot be read ({' '.join(str(error).split())}): mend it") from None
    tools = content.get("tool", {})
    table: dict[str, Any] = tools.get("paceline", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise PacelineError(f"{path}: tool.paceline is {table!r}, not a table: write [tool.paceline]")
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise PacelineError(f"[tool.paceline] has no {unknown[0]!r}: it knows {', '.join(KEYS)}")
    for name in TEXTS:
        if not isinstance(table.get(name, ""), str):
            raise PacelineError(f"[tool.paceline]: {name} is {table[name]!r}, not a text: correct it in {path}")
    return table


def combine(command_line: Mapping[str, Any], table: Mapping[str, Any]) -> Settings | None:
    """Return this run's settings, or None if no gate is asked for; the command line wins."""
    given = {**table, **{name: value for name, value in command_line.items() if value is not None}}
    wants = any(command_line.get(name) for name in ("python", "control")) or (command_line.get("against") is not None)
    if not wants:
        return None
    try:
        return Settings(
            revision=_revision(command_line, table),
            tolerance=fraction(given.get("tolerance", 0.03)),
            alpha=fraction(given.get("alpha", 0.01)),
            budget=seconds(given.get("budget", 600.0)),
            json=given.get("json"),
            python=given.get("python"),
            install=_choice("install", given.get("install", "auto"), ("auto", "yes", "no")),
            control=bool(given.get("control", False)),
            unsure=_choice("unsure", given.get("unsure", "pass"), ("pass", "fail")),
            timeout=seconds(given.get("timeout", 120.0)),
            overlay=tuple(given.get("overlay", ())),
            accept=command_line.get("accept"),
        )
    except (TypeError, ValueError) as error:
        raise PacelineError(f"[tool.paceline] or the command line: {error}") from error


def _revision(command_line: Mapping[str, Any], table: Mapping[str, Any]) -> str | None:
    """Without a value on the command line, the project's own choice stands in."""
    if command_line.get("against") is None and command_line.get("python"):
        return None  # environments are compared, on the same code
    return str(command_line.get("against") or table.get("against", MERGE_BASE))


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(choices)}, not {value!r}")
    return str(value)
