"""Reads JSON of strangers: what is not exactly as expected is refused, with the place and the reason.

Stricter than paceline's own reading: a key that stands twice, or a field too many, may mean another thing elsewhere.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from paceline.errors import PacelineError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")

LARGEST = 1e15  # no ratio, second, date or count of ours is above


class RefusedError(PacelineError):
    """Data that is not as expected; the message quotes it safely."""


def quoted(value: object) -> str:
    """Write a stranger's value in one short printable line, in which nothing is a command to a runner."""
    return shown(value).replace("##[", "## [")


def need(condition: object, where: str, reason: str, *values: object) -> None:
    """Raise RefusedError unless the condition holds; each {} of the reason shows one of the values."""
    if not condition:
        raise RefusedError(f"{where}: {reason.format(*map(quoted, values))}")


def loads(content: bytes, where: str, constants: Collection[str] = ()) -> Any:
    """Parse UTF-8 JSON without duplicate keys, NaN or Infinity. Raises RefusedError.

    `constants` are those of "Infinity" and "-Infinity" that may stand in it.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        need(len(found) == len(pairs), where, "a key stands twice among {}", sorted(found))
        return found

    def constant(name: str) -> float:
        need(name in constants, where, f"{name} is no number of JSON")
        return float(name)

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=constant)
    except RecursionError:
        raise RefusedError(f"{where}: nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, and integers of thousands of digits
        raise RefusedError(f"{where}: not JSON: {str(error)[:80]}") from None


def table(value: Any, where: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return an object that has all of the `required` keys and none that is in neither collection."""
    need(isinstance(value, dict), where, "{} is no object", value)
    missing, unknown = sorted({*required} - {*value}), sorted({*value} - {*required} - {*optional})
    need(not missing and not unknown, where, "missing keys {}, unknown keys {}", missing, unknown)
    checked: dict[str, Any] = value
    return checked


def array(value: Any, where: str, at_most: int) -> list[Any]:
    """Return a list that is not absurdly long."""
    need(isinstance(value, list), where, "{} is no list", value)
    need(len(value) <= at_most, where, f"{len(value)} entries, more than {at_most}")
    checked: list[Any] = value
    return checked


def number(value: Any, where: str, *, above: float = 0.0) -> float:
    """Return a finite number above `above`; a boolean is none."""
    # An integer can be too large for float(), so it is compared as it is; NaN is above nothing.
    is_one = type(value) in {int, float} and above < value <= LARGEST
    need(is_one, where, f"{{}} is no number above {above:g} and at most {LARGEST:g}", value)
    return float(value)


def any_number(value: Any, where: str) -> float:
    """Return a finite number, which may be negative or 0."""
    return number(value, where, above=-LARGEST)


def count(value: Any, where: str, at_most: int = 10**9) -> int:
    """Return an integer from 0."""
    need(type(value) is int and 0 <= value <= at_most, where, f"{{}} is no count up to {at_most}", value)
    return int(value)


def truth(value: Any, where: str) -> bool:
    """Return true or false."""
    need(isinstance(value, bool), where, "{} is neither true nor false", value)
    return bool(value)


def text(value: Any, where: str, pattern: str = r".{0,20000}") -> str:
    """Return a string that is `pattern` from end to end."""
    is_one = isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL)
    need(is_one, where, "{} is not of the form {}", value, pattern)
    need(not re.search(r"[\ud800-\udfff]", value), where, "{} holds half a character", value)
    return str(value)


def one_of(value: Any, where: str, allowed: Collection[str]) -> str:
    """Return one of the `allowed` strings."""
    need(isinstance(value, str) and value in allowed, where, "{} is none of {}", value, sorted(allowed))
    return str(value)


def nothing_or(read: Callable[..., T], value: Any, where: str) -> T | None:
    """Return None for null, else what `read` makes of it."""
    return None if value is None else read(value, where)
