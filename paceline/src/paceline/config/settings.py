"""The gate's settings: the command line's, then those of [tool.paceline], then the defaults."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from paceline.config.options import MERGE_BASE, OPTIONS, SIDES, TABLE
from paceline.config.shard import Shard
from paceline.config.shard import read as read_shard
from paceline.config.tolerances import MEMORY, Allowance, Tolerances, read_critical, read_patterns
from paceline.errors import PacelineError, shown
from paceline.system import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SHOWN = 100  # characters of a setting
T = TypeVar("T")

TEXTS = ("against", "asv", "flamegraph", "json", "python", "results")
FLAGS = {option.setting: option.flag for option in OPTIONS}
DEFAULTS: dict[str, Any] = {option.setting: option.default for option in TABLE}
#: What [tool.paceline] may hold.
KEYS = sorted(option.setting for option in TABLE if not option.by_hand)
OF_MEMORY = Allowance(DEFAULTS["memory_tolerance"])
SMALLEST = 1e-12  # of a fraction: below, no number of rounds decides anything
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
LONGEST = 366 * 24 * 3600.0  # seconds; no system waits for much longer


@dataclass(frozen=True)
class Settings:
    """Settings of a gate. `tolerance`, `alpha`: fractions; `budget`, `timeout`: seconds; no `revision`: same code."""

    revision: str | None
    tolerance: float = DEFAULTS["tolerance"]
    alpha: float = DEFAULTS["alpha"]
    budget: float = DEFAULTS["budget"]
    json: str | None = None
    python: str | None = None
    install: str = DEFAULTS["install"]
    folders: tuple[str, ...] = ()  #: to install, instead of those that the benchmarks are found to use
    wheels: tuple[str, ...] = ()  #: of base and of head, or none
    control: bool = False
    unsure: str = DEFAULTS["unsure"]
    timeout: float = DEFAULTS["timeout"]
    explain: float = DEFAULTS["explain"]  #: seconds; 0 turns it off
    memory: str = DEFAULTS["memory"]  #: no, show or fail
    allowance: Allowance = OF_MEMORY
    allowances: tuple[tuple[str, Allowance], ...] = ()  #: by patterns of node ids
    explain_same: bool = False  #: whether `same` and `unsure` benchmarks are explained too
    flamegraph: str | None = None  #: folder to write flame graphs to
    overlay: tuple[str, ...] = ()
    new: str = DEFAULTS["new"]
    asv: str | None = None  #: folder of the asv suite that the project names
    accept: str | None = None  #: why slower benchmarks may pass this once; only from the command line
    patterns: tuple[tuple[str, float], ...] = ()  #: of node ids, each with its own tolerance
    touched: bool = True  #: whether only what a change can touch is timed
    shard: Shard | None = None  #: the part of the suite to judge; None for all of it
    critical: tuple[str, ...] | None = None  #: patterns of node ids that may be red; None for all

    @property
    def tolerances(self) -> Tolerances[float]:
        """Return the tolerance of each benchmark."""
        return Tolerances(self.tolerance, self.patterns, self.critical)

    @property
    def memory_tolerances(self) -> Tolerances[Allowance]:
        """Return by how much each benchmark's memory may grow."""
        return Tolerances(self.allowance, self.allowances, self.critical, MEMORY)


def fraction(given: object) -> float:
    """Return 0.02 for 0.02 or 2%. Raises ValueError outside ]0, 1[."""
    is_percentage = isinstance(given, str) and given.rstrip().endswith("%")
    value = _number(str(given).rstrip()[:-1]) / 100 if is_percentage else _number(given)
    if not SMALLEST <= value < 1:
        raise ValueError(f"expected a fraction between 0 and 1, such as 0.03 or 3%, got {shown(given)}")
    return value


def seconds(given: object) -> float:
    """Return a positive number of seconds, at most a year. Raises ValueError."""
    value = _number(given)
    if not 0 < value <= LONGEST:
        raise ValueError(f"expected a positive number of seconds, at most a year, got {shown(given)}")
    return value


def seconds_or_none(given: object) -> float:
    """Return a number of seconds from 0 to a year. Raises ValueError."""
    return 0.0 if _number(given) == 0 else seconds(given)


def allowance(given: object) -> Allowance:
    """Return an allowance of more memory: a fraction as 0.01 or 1%, bytes as 64KiB, or 0. Raises ValueError."""
    if _number(given) == 0:
        return Allowance()
    found = (
        re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([KMG]?i?B)", given.strip(), re.IGNORECASE)
        if isinstance(given, str)
        else None
    )
    if found and found[2].upper() in BYTES:
        return Allowance(size=round(float(found[1]) * BYTES[found[2].upper()]))
    try:
        return Allowance(fraction(given))
    except ValueError:
        raise ValueError(f"expected 0, a fraction such as 1%, or bytes such as 64KiB, got {shown(given)}") from None


def _number(given: object) -> float:
    """Return a number, or NaN for anything else, True and False included."""
    try:
        return math.nan if isinstance(given, bool) or not isinstance(given, str | int | float) else float(given)
    except (OverflowError, ValueError):
        return math.nan


def read_table(root: Path) -> dict[str, Any]:
    """Return [tool.paceline] of a project's pyproject.toml. Raises PacelineError if it cannot be used."""
    path = root / "pyproject.toml"
    try:
        content = toml.read(path)
    except FileNotFoundError:
        return {}
    tools = content.get("tool", {})
    table: dict[str, Any] = tools.get("paceline", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise PacelineError(f"{path}: tool.paceline: expected a table, got {shown(table)}. Write [tool.paceline].")
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise PacelineError(
            f"{path}: [tool.paceline]: no setting {shown(unknown[0])}. Choose from: {', '.join(KEYS)}"
        )
    for name in TEXTS:
        if not _is_text(table.get(name, "")):
            raise PacelineError(
                f"{path}: [tool.paceline] {name}: expected a string, got {shown(table[name])}. Fix the file."
            )
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
    """Return a line for each setting in which head's project differs from base's; head's settings are used."""
    try:
        before = read_table(base)
    except PacelineError:
        before = {}
    after = read_table(head)
    return [
        f"[tool.paceline] {name} differs: {_shown(after, name)} in head (used), {_shown(before, name)} in base"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _shown(table: Mapping[str, Any], name: str) -> str:
    return repr(table[name])[:SHOWN] if name in table else "not set"


def read_settings(namespace: Any, root: Path) -> Settings | None:
    """Return the settings of a parsed command line and of the project at `root`; None if no gate is asked for."""
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
        explain=given.read("explain", seconds_or_none),
        memory=given.read("memory", _one_of("memory")),
        allowance=given.read("memory_tolerance", allowance),
        allowances=given.read("memory_tolerances", lambda value: read_patterns(value, allowance)),
        explain_same=given.read("explain_same", _switch("explain_same")),
        flamegraph=given.read("flamegraph", _any),
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
    """The settings on the command line, which win, and those in the project's table."""

    command_line: Mapping[str, Any]
    table: Mapping[str, Any]

    def read(self, name: str, parse: Callable[[Any], T]) -> T:
        """Return a setting. Raises PacelineError, which names where the mistake is."""
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
    """Whether a value can be part of a path or of a command."""
    return isinstance(value, str) and "\0" not in value


def _revision(command_line: Mapping[str, Any], table: Mapping[str, Any]) -> str | None:
    """Return base's revision; without a value on the command line, the project's. Raises PacelineError."""
    if command_line.get("against") is not None and command_line.get("wheels") is not None:
        raise PacelineError("--benchmark-against-wheel compares wheels, not revisions. Leave out the base.")
    if command_line.get("against") is None and (command_line.get("python") or command_line.get("wheels")):
        return None  # environments or wheels are compared, by the same tests
    return str(command_line.get("against") or table.get("against", MERGE_BASE))


def _install(value: Any) -> tuple[tuple[str, ...], str]:
    """Return the folders to install, if the setting names any, and when to install."""
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
    """Return names of files and folders that base takes from head, in place of its own of these names."""
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
