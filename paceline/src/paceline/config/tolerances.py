"""The tolerance of each benchmark, for its time and its memory, and which benchmarks may be red.

A test's marker wins over the project's patterns, and these win over the gate's tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from paceline.errors import PacelineError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")
TIME, MEMORY = "tolerance", "memory"  # arguments of the marker
HINT = "Write @pytest.mark.paceline(tolerance=0.10)."


@dataclass(frozen=True)
class Allowance:
    """By how much memory may grow: by a share of base's, or by a number of bytes."""

    share: float = 0.0
    size: int | None = None

    def of(self, base: float) -> float:
        """Return how much more than `base` is allowed."""
        return self.share * base if self.size is None else self.size


@dataclass(frozen=True)
class Tolerances(Generic[T]):
    """Tolerances by patterns of node ids; the last match counts.

    `critical`: patterns of benchmarks that may be red; None for all. `argument`: the marker's that wins.
    """

    default: T
    patterns: tuple[tuple[str, T], ...] = ()
    critical: tuple[str, ...] | None = None
    argument: str = TIME

    def of(self, name: str, mark: Mapping[str, Any] | None, read: Callable[[Any], T]) -> T:
        """Return a benchmark's tolerance; `mark` holds its marker's arguments. Raises PacelineError."""
        if mark is not None and not (mark and {TIME, MEMORY}.issuperset(mark)):
            raise PacelineError(
                f"{name}: @pytest.mark.paceline: expected tolerance=FRACTION or memory=SIZE, got {_shown(mark)}."
                f" {HINT}"
            )
        if mark is None or self.argument not in mark:
            return next((value for pattern, value in reversed(self.patterns) if matches(name, pattern)), self.default)
        try:
            return read(mark[self.argument])
        except ValueError as error:
            raise PacelineError(f"{name}: @pytest.mark.paceline: {self.argument}: {error}. {HINT}") from None

    def is_critical(self, name: str) -> bool:
        """Whether a benchmark may be red."""
        return self.critical is None or any(matches(name, pattern) for pattern in self.critical)

    def notices(self, names: Iterable[str]) -> Iterator[str]:
        """Yield a notice for each setting that has no effect on these benchmarks."""
        names = list(names)
        table = {TIME: "tolerances", MEMORY: "memory_tolerances"}[self.argument]
        for pattern, _ in self.patterns:
            if not any(matches(name, pattern) for name in names):
                yield f"[tool.paceline.{table}]: {pattern!r} matches no selected benchmark"
        if names and not any(map(self.is_critical, names)):
            yield "[tool.paceline]: critical matches no selected benchmark, so nothing can be red"


def _shown(mark: Mapping[str, Any]) -> str:
    return (
        ", ".join(name if name == repr(value) else f"{name}={value!r}" for name, value in mark.items()) or "nothing"
    )


def matches(name: str, pattern: str) -> bool:
    """Whether a node id matches a pattern with * and ?; brackets are literal, as parameters are in brackets."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def read_patterns(value: Any, read: Callable[[Any], T]) -> tuple[tuple[str, T], ...]:
    """Return the patterns of a table under [tool.paceline] with their values. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f'expected a table with patterns such as "*::test_io*", got {shown(value)}')  # noqa: TRY004
    found = []
    for pattern, each in value.items():
        try:
            found.append((pattern, read(each)))
        except ValueError as error:
            raise ValueError(f"{shown(pattern)}: {error}") from None
    return tuple(found)


def read_critical(value: Any) -> tuple[str, ...] | None:
    """Return the patterns of benchmarks that may be red; None for all. Raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError(f'expected a list of patterns such as ["*::test_parse*"], got {shown(value)}')
    return tuple(value)
