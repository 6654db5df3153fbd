"""What a gate is asked to do, from the command line or from [tool.paceline]."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.gate.options import BY_HAND, MERGE_BASE, OPTIONS
from paceline.gate.schedule import SIDES
from paceline.gate.tolerances import Tolerances, read_critical, read_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHOWN = 100  # characters of a setting
TEXTS = ("against", "asv", "json", "python", "results")


#: What [tool.paceline] may hold.
KEYS = sorted(
    {option.setting for option in OPTIONS if option not in BY_HAND}
    | {"asv", "critical", "overlay", "results", "tolerances"}
)


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
    folders: tuple[str, ...] = ()  #: to be installed, in place of what is found to be used
    wheels: tuple[str, ...] = ()  #: of base and of head, or none
    control: bool = False
    unsure: str = "pass"
    timeout: float = 120.0
    overlay: tuple[str, ...] = ()
    new: str = "show"
    asv: str | None = None  #: folder of the asv suite that the project names
    accept: str | None = None  #: why slower benchmarks may pass this once; only ever from the command line
    patterns: tuple[tuple[str, float], ...] = ()  #: of node ids, each with its own tolerance
    critical: tuple[str, ...] | None = None  #: patterns of node ids that may be red; None for all

    @property
    def tolerances(self) -> Tolerances:
        """Return what is accepted of which benchmark."""
        return Tolerances(self.tolerance, self.patterns, self.critical)


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


def project_root(folder: Path) -> Path:
    """Return the nearest folder, from here up to the repository's, whose pyproject.toml has [tool.paceline]."""
    for each in (folder, *folder.parents):
        if read_table(each):
            return each
        if (each / ".git").exists():
            break
    return folder


def of_head_alone(base: Path, head: Path) -> list[str]:
    """Return a line for each setting in which head's project differs from base's: head's count."""
    try:
        before = read_table(base)
    except PacelineError:
        before = {}
    after = read_table(head)
    return [
        f"[tool.paceline] {name} is {_shown(after, name)} in head, which counts, and {_shown(before, name)} in base"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _shown(table: Mapping[str, Any], name: str) -> str:
    return repr(table[name])[:SHOWN] if name in table else "not set"


def read_settings(namespace: Any, root: Path) -> Settings | None:
    """Return what a parsed command line asks for, with the settings of the project at `root` behind it."""
    return combine({option.setting: option.given(namespace) for option in OPTIONS}, read_table(root))


def combine(command_line: Mapping[str, Any], table: Mapping[str, Any]) -> Settings | None:
    """Return this run's settings, or None if no gate is asked for; the command line wins."""
    given = {**table, **{name: value for name, value in command_line.items() if value is not None}}
    wants = any(command_line.get(name) for name in ("python", "control", "wheels")) or (
        command_line.get("against") is not None
    )
    if not wants:
        return None
    try:
        folders, install = _install(given.get("install", "auto"))
        return Settings(
            revision=_revision(command_line, table),
            tolerance=fraction(given.get("tolerance", 0.03)),
            alpha=fraction(given.get("alpha", 0.01)),
            budget=seconds(given.get("budget", 600.0)),
            json=given.get("json"),
            python=given.get("python"),
            install=_choice("install", install, ("auto", "yes", "no")),
            folders=folders,
            wheels=_wheels(command_line),
            control=bool(command_line.get("control")),
            unsure=_choice("unsure", given.get("unsure", "pass"), ("pass", "suspects", "fail")),
            timeout=seconds(given.get("timeout", 120.0)),
            asv=table.get("asv"),
            new=_choice("new", given.get("new", "show"), ("show", "judge")),
            overlay=tuple(given.get("overlay", ())),
            accept=command_line.get("accept"),
            patterns=read_patterns(table.get("tolerances", {}), fraction),
            critical=read_critical(table.get("critical")),
        )
    except (TypeError, ValueError) as error:
        raise PacelineError(f"[tool.paceline] or the command line: {error}") from error


def _revision(command_line: Mapping[str, Any], table: Mapping[str, Any]) -> str | None:
    """Without a value on the command line, the project's own choice stands in."""
    if command_line.get("against") is None and (command_line.get("python") or command_line.get("wheels")):
        return None  # environments or wheels are compared, by the same tests
    return str(command_line.get("against") or table.get("against", MERGE_BASE))


def _install(value: Any) -> tuple[tuple[str, ...], str]:
    """Folders to install, if the setting names any, and else when to install."""
    if not isinstance(value, list):
        return (), value
    if not value or not all(isinstance(folder, str) for folder in value):
        raise ValueError(f"install must be yes, no, auto or a list of folders, not {value!r}")
    return tuple(value), "yes"


def _wheels(command_line: Mapping[str, Any]) -> tuple[str, ...]:
    value = command_line.get("wheels")
    if value is None:
        return ()
    names = tuple(name.strip() for name in value.split(","))
    if len(names) != len(SIDES) or not all(names):
        raise ValueError(f"--benchmark-against-wheel takes two wheels, BASE.whl,HEAD.whl, not {value!r}")
    if command_line.get("against") is not None:
        raise ValueError("--benchmark-against-wheel compares wheels, not revisions: leave out the base")
    return names


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(choices)}, not {value!r}")
    return str(value)
