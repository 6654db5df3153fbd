"""Reads untrusted JSON: anything unexpected is refused, with its place and the reason.

Stricter than paceline's own reading, as others may understand a duplicate key or an unknown field differently.
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
    """Unexpected data. The message quotes it safely."""


def quoted(value: object) -> str:
    """Return an untrusted value as one short printable line."""
    return shown(value).replace("##[", "## [")  # anywhere in a line, it starts a command to GitHub's runner


def expect(condition: object, where: str, wanted: str, value: object) -> None:
    """Raise RefusedError unless the condition holds."""
    if not condition:
        raise RefusedError(f"{where}: expected {wanted}, got {quoted(value)}")


def loads(content: bytes, where: str, constants: Collection[str] = ()) -> Any:
    """Parse UTF-8 JSON without duplicate keys, NaN or Infinity. Raises RefusedError.

    `constants` are the allowed ones of "Infinity" and "-Infinity".
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        expect(len(found) == len(pairs), where, "each key once", sorted(name for name, _ in pairs))
        return found

    def constant(name: str) -> float:
        expect(name in constants, where, "a JSON number", name)
        return float(name)

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=constant)
    except RecursionError:
        raise RefusedError(f"{where}: nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, and integers of thousands of digits
        raise RefusedError(f"{where}: not JSON: {str(error)[:80]}") from None


def table(value: Any, where: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return an object that has all `required` keys and no others than the `optional` ones."""
    expect(isinstance(value, dict), where, "a JSON object", value)
    missing, unknown = sorted({*required} - {*value}), sorted({*value} - {*required} - {*optional})
    if missing or unknown:
        raise RefusedError(f"{where}: missing keys {quoted(missing)}, unknown keys {quoted(unknown)}")
    checked: dict[str, Any] = value
    return checked


def array(value: Any, where: str, at_most: int) -> list[Any]:
    """Return a list of at most `at_most` entries."""
    expect(isinstance(value, list), where, "a list", value)
    expect(len(value) <= at_most, where, f"at most {at_most} entries", len(value))
    checked: list[Any] = value
    return checked


def number(value: Any, where: str, *, above: float = 0.0) -> float:
    """Return a finite number above `above`, not a boolean."""
    # An integer can be too large for float(), so it is compared as it is. NaN is above nothing.
    is_one = type(value) in {int, float} and above < value <= LARGEST
    expect(is_one, where, f"a number above {above:g} and up to {LARGEST:g}", value)
    return float(value)


def any_number(value: Any, where: str) -> float:
    """Return a finite number, which may be negative or 0."""
    return number(value, where, above=-LARGEST)


def count(value: Any, where: str, at_most: int = 10**9) -> int:
    """Return an integer from 0 to `at_most`."""
    expect(type(value) is int and 0 <= value <= at_most, where, f"an integer from 0 to {at_most}", value)
    return int(value)


def truth(value: Any, where: str) -> bool:
    """Return true or false."""
    expect(isinstance(value, bool), where, "true or false", value)
    return bool(value)


def text(value: Any, where: str, pattern: str = r".{0,20000}") -> str:
    """Return a string that matches the whole `pattern`."""
    is_one = isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL)
    expect(is_one, where, f"a text of the form {pattern}", value)
    expect(not re.search(r"[\ud800-\udfff]", value), where, "whole characters", value)
    return str(value)


def one_of(value: Any, where: str, allowed: Collection[str]) -> str:
    """Return one of the `allowed` strings."""
    expect(isinstance(value, str) and value in allowed, where, f"one of {', '.join(sorted(allowed))}", value)
    return str(value)


def nothing_or(read: Callable[..., T], value: Any, where: str) -> T | None:
    """Return None for null, or else the result of `read`."""
    return None if value is None else read(value, where)
