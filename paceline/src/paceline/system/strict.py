"""Reads JSON that others wrote; a mistake in it becomes a one-line reason.

First come the readers of result files, which may have more fields. From `loads` on, every field of untrusted data
must be expected: other readers may understand a duplicate key or an unknown field differently.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from paceline.errors import PacelineError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

T = TypeVar("T")

LARGEST = 1e15  # no ratio, second, date or count of ours is above
COMMIT = re.compile(r"[0-9a-f]{40}")
TOO_DEEP = "is nested too deeply"


class MalformedError(PacelineError):
    """Data that cannot be used. The message is the reason, in one line, and quotes the data safely."""


def need(condition: bool, reason: str, *values: Any) -> None:  # noqa: FBT001  # reads as a sentence
    """Raise MalformedError unless the condition holds; each {} of the reason shows one of the values."""
    if not condition:
        raise MalformedError(reason.format(*map(shown, values)))


def exact_object(raw: bytes) -> dict[str, Any]:
    """Return a parsed object; its integers may have any size, and its strings lone surrogates.

    Raises MalformedError.
    """
    return as_object(any_json(raw))


def as_object(document: Any) -> dict[str, Any]:
    """Return the document if it is an object. Raises MalformedError."""
    need(isinstance(document, dict), "expected a JSON object, got {}", document)
    checked: dict[str, Any] = document
    return checked


def any_json(raw: bytes) -> Any:
    """Return parsed JSON, as Python accepts it. Raises MalformedError with the reason."""
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError(f"is not UTF-8: byte {error.start} is {raw[error.start]:#04x}") from None
    except RecursionError:
        raise MalformedError(TOO_DEEP) from None
    except ValueError as error:  # not only JSONDecodeError: Python refuses integers of thousands of digits
        raise MalformedError(f"is not JSON: {error}" if raw.strip() else "is empty") from None


def text_in(table: Mapping[str, Any], name: str) -> str:
    """Return a field that must be a string."""
    need(name in table, "{} is missing", name)
    need(isinstance(table[name], str), "{}: expected a string, got {}", name, table[name])
    return str(table[name])


def commit_hash(table: Mapping[str, Any], name: str) -> str:
    """Return a field that must be a full hash."""
    commit = text_in(table, name)
    need(COMMIT.fullmatch(commit) is not None, "{}: expected 40 hexadecimal digits, got {}", name, commit)
    return commit


def quoted(value: object) -> str:
    """Return an untrusted value as one short printable line."""
    return shown(value).replace("##[", "## [")  # anywhere in a line, it starts a command to GitHub's runner


def expect(condition: object, where: str, wanted: str, value: object) -> None:
    """Raise MalformedError unless the condition holds."""
    if not condition:
        raise MalformedError(f"{where}: expected {wanted}, got {quoted(value)}")


def loads(content: bytes, where: str, constants: Collection[str] = ()) -> Any:
    """Parse UTF-8 JSON without duplicate keys, NaN or Infinity. Raises MalformedError.

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
        raise MalformedError(f"{where}: nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, and integers of thousands of digits
        raise MalformedError(f"{where}: not JSON: {str(error)[:80]}") from None


def table(value: Any, where: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return an object that has all `required` keys and no others than the `optional` ones."""
    expect(isinstance(value, dict), where, "a JSON object", value)
    missing, unknown = sorted({*required} - {*value}), sorted({*value} - {*required} - {*optional})
    if missing or unknown:
        raise MalformedError(f"{where}: missing keys {quoted(missing)}, unknown keys {quoted(unknown)}")
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
