"""What a gate is asked to do, from the command line or from [tool.paceline]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from paceline.config.options import MERGE_BASE, OPTIONS, SIDES, TABLE
from paceline.config.shard import Shard
from paceline.config.shard import read as read_shard
from paceline.config.tolerances import Tolerances, read_critical, read_patterns
from paceline.errors import PacelineError, shown
from paceline.system import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SHOWN = 100  # characters of a setting
T = TypeVar("T")

TEXTS = ("against", "asv", "json", "python", "results")
FLAGS = {option.setting: option.flag for option in OPTIONS}
DEFAULTS: dict[str, Any] = {option.setting: option.default for option in TABLE}
#: What [tool.paceline] may hold.
KEYS = sorted(option.setting for option in TABLE if not option.by_hand)
SMALLEST = 1e-12  # of a share: with less, no number of rounds decides anything
LONGEST = 366 * 24 * 3600.0  # seconds; no system waits for much longer


@dataclass(frozen=True)
class Settings:
    """`tolerance` and `alpha` are fractions, `budget` and `timeout` seconds; no `revision`: the same code."""

    revision: str | None
    tolerance: float = DEFAULTS["tolerance"]
    alpha: float = DEFAULTS["alpha"]
    budget: float = DEFAULTS["budget"]
    json: str | None = None
    python: str | None = None
    install: str = DEFAULTS["install"]
    folders: tuple[str, ...] = ()  #: to be installed, in place of what is found to be used
    wheels: tuple[str, ...] = ()  #: of base and of head, or none
    control: bool = False
    unsure: str = DEFAULTS["unsure"]
    timeout: float = DEFAULTS["timeout"]
    overlay: tuple[str, ...] = ()
    new: str = DEFAULTS["new"]
    asv: str | None = None  #: folder of the asv suite that the project names
    accept: str | None = None  #: why slower benchmarks may pass this once; only ever from the command line
    patterns: tuple[tuple[str, float], ...] = ()  #: of node ids, each with its own tolerance
    touched: bool = True  #: whether only what a change can touch is timed
    shard: Shard | None = None  #: the part of the suite to judge; None for all of it
    critical: tuple[str, ...] | None = None  #: patterns of node ids that may be red; None for all

    @property
    def tolerances(self) -> Tolerances:
        """Return what is accepted of which benchmark."""
        return Tolerances(self.tolerance, self.patterns, self.critical)


def fraction(given: object) -> float:
    """Read 0.02 or 2% as 0.02. Raises ValueError outside ]0, 1[."""
    is_percentage = isinstance(given, str) and given.rstrip().endswith("%")
    value = _number(str(given).rstrip()[:-1]) / 100 if is_percentage else _number(given)
    if not SMALLEST <= value < 1:
        raise ValueError(f"{shown(given)} is not between 0 and 100 %")
    return value


def seconds(given: object) -> float:
    """Read a positive number of seconds, at most a year. Raises ValueError."""
    value = _number(given)
    if not 0 < value < math.inf:
        raise ValueError(f"{shown(given)} is not a positive number of seconds")
    if value > LONGEST:
        raise ValueError(f"{shown(given)} seconds are more than a year")
    return value


def _number(given: object) -> float:
    """Return NaN for everything else; a truth value is none."""
    try:
        return math.nan if isinstance(given, bool) or not isinstance(given, str | int | float) else float(given)
    except (OverflowError, ValueError):
        return math.nan


def read_table(root: Path) -> dict[str, Any]:
    """[tool.paceline] of a project's pyproject.toml. Raises PacelineError if it cannot be used."""
    path = root / "pyproject.toml"
    try:
        content = toml.read(path)
    except FileNotFoundError:
        return {}
    tools = content.get("tool", {})
    table: dict[str, Any] = tools.get("paceline", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise PacelineError(f"{path}: tool.paceline is {shown(table)}, not a table: write [tool.paceline]")
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise PacelineError(f"[tool.paceline] has no {shown(unknown[0])}: it knows {', '.join(KEYS)}")
    for name in TEXTS:
        if not _is_text(table.get(name, "")):
            raise PacelineError(f"[tool.paceline]: {name} is {shown(table[name])}, not a text: correct it in {path}")
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
    wants = any(command_line.get(name) for name in ("python", "control", "wheels")) or (
        command_line.get("against") is not None
    )
    if not wants:
        return None
    given = _Given(command_line, table)
    folders, install = given.read("install", _install)
    return Settings(
        revision=_revision(command_line, table),
        tolerance=given.read("tolerance", fraction),
        alpha=given.read("alpha", fraction),
        budget=given.read("budget", seconds),
        json=given.read("json", _any),
        python=given.read("python", _any),
        install=install,
        folders=folders,
        wheels=given.read("wheels", _wheels),
        control=bool(command_line.get("control")),
        unsure=given.read("unsure", _one_of("unsure")),
        timeout=given.read("timeout", seconds),
        asv=table.get("asv"),
        new=given.read("new", _one_of("new")),
        overlay=given.read("overlay", _overlay),
        accept=command_line.get("accept"),
        shard=given.read("shard", read_shard),
        touched=given.read("touched", _switch("touched")),
        patterns=given.read("tolerances", lambda value: read_patterns(value, fraction)),
        critical=given.read("critical", read_critical),
    )


@dataclass(frozen=True)
class _Given:
    """What is given on the command line, which wins, and in the project's table."""

    command_line: Mapping[str, Any]
    table: Mapping[str, Any]

    def read(self, name: str, parse: Callable[[Any], T]) -> T:
        """Return a setting. Raises PacelineError, which names the place of the mistake."""
        value, where = self.command_line.get(name), FLAGS.get(name, "")
        if value is None:
            value, where = self.table.get(name, DEFAULTS[name]), f"[tool.paceline] {name}"
        try:
            return parse(value)
        except ValueError as error:
            raise PacelineError(f"{where}: {error}") from None


def _any(value: str | None) -> str | None:
    return value


def _is_text(value: object) -> bool:
    """Whether it can be part of a path or of a command."""
    return isinstance(value, str) and "\0" not in value


def _revision(command_line: Mapping[str, Any], table: Mapping[str, Any]) -> str | None:
    """Without a value on the command line, the project's own choice stands in. Raises PacelineError."""
    if command_line.get("against") is not None and command_line.get("wheels") is not None:
        raise PacelineError("--benchmark-against-wheel compares wheels, not revisions: leave out the base")
    if command_line.get("against") is None and (command_line.get("python") or command_line.get("wheels")):
        return None  # environments or wheels are compared, by the same tests
    return str(command_line.get("against") or table.get("against", MERGE_BASE))


def _install(value: Any) -> tuple[tuple[str, ...], str]:
    """Folders to install, if the setting names any, and else when to install."""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value in ("auto", "yes", "no"):
        return (), value
    if not isinstance(value, list) or not value or not all(map(_is_text, value)):
        raise ValueError(f"expected yes, no, auto or a list of folders, got {shown(value)}")
    return tuple(value), "yes"


def _wheels(value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    names = tuple(name.strip() for name in value.split(","))
    if len(names) != len(SIDES) or not all(names):
        raise ValueError(f"expected two wheels, BASE.whl,HEAD.whl, got {value!r}")
    return names


def _overlay(value: Any) -> tuple[str, ...]:
    """Names of files and folders that base gets from head: whatever has such a name in base is replaced."""
    if not isinstance(value, list) or not all(map(_is_text, value)):
        raise ValueError(f'expected a list of paths such as ["benchmarks"], got {shown(value)}')
    for name in value:
        path = PurePath(name)
        if path.is_absolute() or path.drive or ".." in path.parts or not path.parts:
            raise ValueError(f"expected paths of files and folders inside the project, got {shown(name)}")
    return tuple(value)


def _switch(name: str) -> Callable[[Any], bool]:
    """Return a reader of yes and no, which TOML also writes as true and false."""
    choice = _one_of(name)

    def read(value: Any) -> bool:
        return value if isinstance(value, bool) else choice(value) == "yes"

    return read


def _one_of(name: str) -> Callable[[Any], str]:
    (choices,) = (option.keywords["choices"] for option in OPTIONS if option.setting == name)

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, got {shown(value)}")
        return str(value)

    return read
