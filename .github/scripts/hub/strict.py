"""Reads JSON of strangers: what is not exactly as expected is refused, with the place and the reason."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, TypeVar

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")

LARGEST = 1e15  # no ratio, second, date or count of ours is above
SHOWN = 80


class RefusedError(PacelineError):
    """Data that is not as expected; the message quotes it safely."""


def quoted(value: object) -> str:
    """Write a stranger's value in one short printable line."""
    try:
        shown = ascii(value)
    except RecursionError:  # what one Python parses, it need not be able to print
        shown = "something nested deeply"
    shown = shown.replace("##[", "## [")  # wherever it stands in a line, it begins a command to a runner
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."


def loads(content: bytes, where: str, constants: Collection[str] = ()) -> Any:
    """Parse UTF-8 JSON without duplicate keys, NaN or Infinity. Raises RefusedError.

    `constants` are those of "Infinity" and "-Infinity" that may stand in it.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise RefusedError(f"{where}: a key stands twice among {quoted(sorted(names))}")
        return dict(pairs)

    def no_constant(name: str) -> Any:
        if name in constants:
            return float(name)
        raise RefusedError(f"{where}: {name} is no number of JSON")

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise RefusedError(f"{where}: not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise RefusedError(f"{where}: nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise RefusedError(f"{where}: not JSON: {str(error)[:SHOWN]}") from None


def table(value: Any, where: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return an object that has all of the `required` keys and none that is in neither collection."""
    if not isinstance(value, dict):
        raise RefusedError(f"{where}: {quoted(value)} is no object")
    missing = sorted(set(required) - set(value))
    unknown = sorted(set(value) - set(required) - set(optional))
    if missing or unknown:
        raise RefusedError(f"{where}: missing keys {quoted(missing)}, unknown keys {quoted(unknown)}")
    return value


def array(value: Any, where: str, at_most: int) -> list[Any]:
    """Return a list that is not absurdly long."""
    if not isinstance(value, list):
        raise RefusedError(f"{where}: {quoted(value)} is no list")
    if len(value) > at_most:
        raise RefusedError(f"{where}: {len(value)} entries, more than {at_most}")
    return value


def number(value: Any, where: str, *, above: float = 0.0) -> float:
    """Return a finite number above `above`; a boolean is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RefusedError(f"{where}: {quoted(value)} is no number")
    # An integer can be too large for float(), so it is compared as it is.
    if not (above < value <= LARGEST) or not math.isfinite(value):
        raise RefusedError(f"{where}: {quoted(value)} is not above {above:g} and at most {LARGEST:g}")
    return float(value)


def any_number(value: Any, where: str) -> float:
    """Return a finite number, which may be negative or 0."""
    return number(value, where, above=-LARGEST)


def count(value: Any, where: str, at_most: int = 10**9) -> int:
    """Return an integer from 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= at_most:
        raise RefusedError(f"{where}: {quoted(value)} is no count up to {at_most}")
    return value


def truth(value: Any, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise RefusedError(f"{where}: {quoted(value)} is neither true nor false")
    return value


def text(value: Any, where: str, pattern: str = r".{0,20000}", flags: re.RegexFlag = re.DOTALL) -> str:
    """Return a string that is `pattern` from end to end."""
    if not isinstance(value, str) or re.fullmatch(pattern, value, flags) is None:
        raise RefusedError(f"{where}: {quoted(value)} is not of the form {pattern}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RefusedError(f"{where}: {quoted(value)} holds half a character") from None
    return value


def one_of(value: Any, where: str, allowed: Collection[str]) -> str:
    """Return one of the `allowed` strings."""
    if not isinstance(value, str) or value not in allowed:
        raise RefusedError(f"{where}: {quoted(value)} is none of {', '.join(sorted(allowed))}")
    return value


def nothing_or(read: Callable[..., T], value: Any, where: str) -> T | None:
    """Return None for null, else what `read` makes of it."""
    return None if value is None else read(value, where)
