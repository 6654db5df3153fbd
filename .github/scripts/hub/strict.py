"""Reads untrusted JSON: anything unexpected is refused, with its place and the reason."""

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
    """Unexpected data. The message quotes it safely."""


def quoted(value: object) -> str:
    """Return an untrusted value as one short printable line."""
    try:
        shown = ascii(value)
    except RecursionError:  # what one Python parses, it need not be able to print
        shown = "something nested deeply"
    shown = shown.replace("##[", "## [")  # anywhere in a line, it starts a command to GitHub's runner
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."


def loads(content: bytes, where: str, constants: Collection[str] = ()) -> Any:
    """Parse UTF-8 JSON without duplicate keys, NaN or Infinity. Raises RefusedError.

    `constants` are the allowed ones of "Infinity" and "-Infinity".
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise RefusedError(f"{where}: duplicate key in {quoted(sorted(names))}")
        return dict(pairs)

    def no_constant(name: str) -> Any:
        if name in constants:
            return float(name)
        raise RefusedError(f"{where}: {name} is not a JSON number")

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise RefusedError(f"{where}: not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise RefusedError(f"{where}: nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise RefusedError(f"{where}: not JSON: {str(error)[:SHOWN]}") from None


def table(value: Any, where: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return an object that has all `required` keys and no others than the `optional` ones."""
    if not isinstance(value, dict):
        raise RefusedError(f"{where}: expected a JSON object, got {quoted(value)}")
    missing = sorted(set(required) - set(value))
    unknown = sorted(set(value) - set(required) - set(optional))
    if missing or unknown:
        raise RefusedError(f"{where}: missing keys {quoted(missing)}, unknown keys {quoted(unknown)}")
    return value


def array(value: Any, where: str, at_most: int) -> list[Any]:
    """Return a list of at most `at_most` entries."""
    if not isinstance(value, list):
        raise RefusedError(f"{where}: expected a list, got {quoted(value)}")
    if len(value) > at_most:
        raise RefusedError(f"{where}: {len(value)} entries; the limit is {at_most}")
    return value


def number(value: Any, where: str, *, above: float = 0.0) -> float:
    """Return a finite number above `above`, not a boolean."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RefusedError(f"{where}: expected a number, got {quoted(value)}")
    # An integer can be too large for float(), so it is compared as it is.
    if not (above < value <= LARGEST) or not math.isfinite(value):
        raise RefusedError(f"{where}: expected a number above {above:g} and up to {LARGEST:g}, got {quoted(value)}")
    return float(value)


def any_number(value: Any, where: str) -> float:
    """Return a finite number, which may be negative or 0."""
    return number(value, where, above=-LARGEST)


def count(value: Any, where: str, at_most: int = 10**9) -> int:
    """Return an integer from 0 to `at_most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= at_most:
        raise RefusedError(f"{where}: expected an integer from 0 to {at_most}, got {quoted(value)}")
    return value


def truth(value: Any, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise RefusedError(f"{where}: expected true or false, got {quoted(value)}")
    return value


def text(value: Any, where: str, pattern: str = r".{0,20000}", flags: re.RegexFlag = re.DOTALL) -> str:
    """Return a string that matches the whole `pattern`."""
    if not isinstance(value, str) or re.fullmatch(pattern, value, flags) is None:
        raise RefusedError(f"{where}: expected a text of the form {pattern}, got {quoted(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RefusedError(f"{where}: {quoted(value)} has half a character") from None
    return value


def one_of(value: Any, where: str, allowed: Collection[str]) -> str:
    """Return one of the `allowed` strings."""
    if not isinstance(value, str) or value not in allowed:
        raise RefusedError(f"{where}: expected one of {', '.join(sorted(allowed))}, got {quoted(value)}")
    return value


def nothing_or(read: Callable[..., T], value: Any, where: str) -> T | None:
    """Return None for null, or else the result of `read`."""
    return None if value is None else read(value, where)
