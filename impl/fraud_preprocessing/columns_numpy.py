"""Whole columns at a time: the text of all numbers becomes digits, and the digits numbers, without a loop by record.

NumPy has no reader that survives text in a number, and none of its readers is faster than Python's ``float``, so the
digits are summed here: all fields at once, from the last digit to the first. Up to 2^53 over at most 10^22 that is
correctly rounded. The few fields that are written otherwise (an exponent, a plus, more digits) are read one by one.

A chunk holds some 500 records, so that the temporaries stay in the cache.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from impl.fraud_preprocessing.problem import Answer, Problem, Run

CHUNK = 1 << 18
COMMA, LINE_FEED, POINT, MINUS, ZERO = b",\n.-0"

#: More digits than these are left to the slow way: 10^18 is below 2^63.
DIGITS = 18
POWERS = 10 ** np.arange(DIGITS + 1)

#: The columns that hold numbers, which of them hold integers, and which may be empty.
NUMBERS = np.r_[0, 3:34]
IS_INTEGER = np.isin(NUMBERS, [0, 3, 33])
MAY_BE_EMPTY = np.isin(NUMBERS, np.r_[4:32, 33])

INTEGER = re.compile(rb"[+-]?0*[0-9]{1,18}")
DECIMAL = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

#: What each ASCII character is masked by; 0, where a name has ended, stays.
MASKS = np.full(128, ord("-"), np.uint32)
MASKS[0], MASKS[ord("A") : ord("Z") + 1], MASKS[ord("a") : ord("z") + 1] = 0, ord("X"), ord("x")
MASKS[ord("0") : ord("9") + 1] = ord("n")


class Table(NamedTuple):
    """The well-formed records of a chunk: the ``numbers`` ``(records, 32)``, 0 where ``empty``; the rest by record.

    ``lines`` says which lines of the chunk they are. Ids and classes are kept apart from the numbers, since float64
    does not hold every integer. ``user_starts`` and ``user_ends`` say where in ``text`` the names of users are.
    """

    lines: NDArray[np.int64]
    numbers: NDArray[np.float64]
    empty: NDArray[np.bool_]
    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    text: NDArray[np.uint8]
    user_starts: NDArray[np.int64]
    user_ends: NDArray[np.int64]


def chunks(stream: bytes) -> Iterator[bytes]:
    """Cut ``stream`` behind line feeds; what follows the last one is left out."""
    start = 0
    while start < len(stream):
        stop = stream.rfind(b"\n", start, start + CHUNK) + 1 or stream.find(b"\n", start) + 1
        if not stop:
            return
        yield stream[start:stop]
        start = stop


def digit_sums(
    text: NDArray[np.uint8], ends: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the integers that end before ``ends``, and whether they are made of nothing but digits.

    Sorted by length, those that still have a digit at the k-th place from the right are one slice.
    """
    order = np.argsort(lengths.astype(np.uint8), kind="stable")
    places = ends[order]
    firsts = np.bincount(lengths, minlength=DIGITS).cumsum()
    sums, worst = np.zeros(len(ends), np.int64), np.zeros(len(ends), np.uint8)
    for k in range(lengths.max(initial=0)):
        first = firsts[k]
        places -= 1
        digit = text.take(places[first:])
        digit -= ZERO
        np.maximum(worst[first:], digit, out=worst[first:])
        sums[first:] += digit * POWERS[k]
    result, pure = np.empty_like(sums), np.empty(len(ends), bool)
    result[order], pure[order] = sums, worst <= 9  # noqa: PLR2004 - a digit
    return result, pure


def read_numbers(
    text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the plain numbers between ``starts`` and ``ends``, their digits as integers, and which are plain."""
    is_negative = text[starts] == MINUS
    begins = starts + is_negative
    points = np.append(np.flatnonzero(text == POINT), len(text))
    points = np.minimum(points[np.searchsorted(points, begins)], ends)
    decimals = np.maximum(ends - points - 1, 0)
    lengths = np.concatenate((points - begins, decimals))
    (whole, fraction), pure = (
        part.reshape(2, -1) for part in digit_sums(text, np.concatenate((points, ends)), np.clip(lengths, 0, DIGITS))
    )
    digits = lengths.reshape(2, -1).sum(axis=0)
    powers = POWERS[np.minimum(decimals, DIGITS)]
    mantissa = whole * powers + fraction
    is_plain = pure.all(axis=0) & (digits > 0) & (digits <= DIGITS) & (mantissa <= 1 << 53)
    # An integer needs no 53 bits, as it is not divided; it must not have a point, though.
    is_plain_integer = pure[0] & (points == ends) & (digits > 0) & (digits <= DIGITS)
    mantissa = np.where(is_negative, -mantissa, mantissa)
    integer_column = np.resize(IS_INTEGER, len(starts))
    return mantissa / powers, mantissa, np.where(integer_column, is_plain_integer, is_plain)


def read_one(field: bytes, *, is_integer: bool) -> float | None:
    """Read a number by the full grammar; None if it is not a number."""
    if not (INTEGER if is_integer else DECIMAL).fullmatch(field):
        return None
    value = int(field) if is_integer else float(field)
    return value if isfinite(value) else None


def read_names(text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return the strings between ``starts`` and ``ends``."""
    width = max(int((ends - starts).max(initial=1)), 1)
    places = starts[:, None] + np.arange(width)
    letters = np.where(places < ends[:, None], text.take(places, mode="clip"), np.uint8(0))
    as_bytes = letters.view(f"S{width}")[:, 0]
    is_ascii = letters.max(axis=1, initial=0) < len(MASKS)
    names = np.empty(len(starts), f"U{width}")
    names[is_ascii] = as_bytes[is_ascii]
    names[~is_ascii] = np.char.decode(as_bytes[~is_ascii], "utf-8")
    return names


def masked(users: NDArray[np.str_]) -> NDArray[np.str_]:
    """Mask the two leftmost characters of every one of ``users``."""
    result = users.copy()
    letters = result.view(np.uint32).reshape(len(users), users.itemsize // 4)[:, :2]
    letters[...] = np.where(letters < len(MASKS), MASKS.take(letters, mode="clip"), np.uint32(ord("-")))
    return result


def read(chunk: bytes, malformed: NDArray[np.int64]) -> Table:
    """Read the records of ``chunk``, which ends in a line feed, and count those that are ``malformed``."""
    text = np.frombuffer(chunk, np.uint8)
    separators = np.flatnonzero((text == COMMA) | (text == LINE_FEED))
    lasts = np.flatnonzero(text[separators] == LINE_FEED)
    has_all = np.diff(lasts, prepend=-1) == 34  # noqa: PLR2004 - as in the format
    malformed[0] += len(lasts) - has_all.sum()
    columns = lasts[has_all, None] - np.arange(33, -1, -1)
    ends = separators[columns]
    starts = np.append(0, separators + 1)[columns]

    from_, to = starts[:, NUMBERS], ends[:, NUMBERS]
    numbers, integers, is_number = (
        part.reshape(from_.shape) for part in read_numbers(text, from_.ravel(), to.ravel())
    )
    empty = from_ == to
    numbers[empty] = 0
    is_number |= empty & MAY_BE_EMPTY
    for row, column in np.argwhere(~is_number & ~empty).tolist():
        value = read_one(chunk[from_[row, column] : to[row, column]], is_integer=column in {0, 1, 31})
        if value is not None:
            numbers[row, column], is_number[row, column] = value, True
            integers[row, column] = value if column in {0, 31} else 0
    good = is_number.all(axis=1)
    controls = np.flatnonzero((text < ord(" ")) & (text != LINE_FEED))
    good &= np.searchsorted(controls, starts[:, 0]) == np.searchsorted(controls, ends[:, -1])
    malformed[1] += len(good) - good.sum()
    classes = np.where(empty[:, -1], -1, integers[:, -1])
    ids, lines = integers[good, 0], np.flatnonzero(has_all)[good]
    return Table(lines, numbers[good], empty[good], ids, classes[good], text, starts[good, 2], ends[good, 2])


def prepare(problem: Problem) -> Run:
    """Take the stream as bytes."""
    stream = problem.stream.tobytes()
    user_ids, cities = problem.user_ids, problem.cities

    def run() -> Answer:
        malformed = np.zeros(3, np.int64)
        malformed[2] = stream[-1:] not in {b"", b"\n"}
        parts: list[tuple[NDArray[Any], ...]] = []
        for chunk in chunks(stream):
            table = read(chunk, malformed)
            numbers, empty = table.numbers, table.empty
            users = read_names(table.text, table.user_starts, table.user_ends)
            wanted = (numbers[:, 2] > 5) & ~empty[:, 3]  # noqa: PLR2004 - as in the statement
            matrix = numbers[~empty[:, -1], 1:]
            parts.append((matrix, masked(users), table.classes, table.ids[wanted], users[wanted]))
        if not parts:
            parts.append((np.empty((0, 31)), np.empty(0, "U1"), *np.empty((2, 0), np.int64), np.empty(0, "U1")))
        matrix, masked_users, classes, ids, users = map(np.concatenate, zip(*parts, strict=True))
        joined = ids[np.isin(users, user_ids[np.strings.startswith(cities, "Premium")])]
        return matrix, masked_users, classes, joined, malformed

    return run
