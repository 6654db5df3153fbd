"""Generators in pure Python, one record in memory at a time, as a consumer of the stream would be written.

Only what is answered is collected, as packed numbers and not as objects. Python's ``float`` reads more than a number
of the stream may be (``nan``, ``1_000``, spaces), so the characters are looked at first, all at once: of what is left
then, ``float`` and ``int`` accept exactly what the grammar does.
"""

from __future__ import annotations

import io
from array import array
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impl.fraud_preprocessing.problem import Answer, Problem, Run

#: What a number, a comma or a line feed may be made of.
NUMERIC = b"0123456789+-.eE,\n"

#: What a text may not be made of.
CONTROLS = bytes(range(32))

TOO_LARGE = 10**18

MASKS = {
    letter: "-Xxn"[letter.isupper() + 2 * letter.islower() + 3 * letter.isdigit()] for letter in map(chr, range(128))
}


class Payment(NamedTuple):
    """A well-formed record: ``values`` are V1..V28 and Amount, 0 if empty; ``label`` is the Class, -1 if empty."""

    id: int
    user: bytes
    time: int
    values: list[float]
    v2_is_null: bool
    label: int
    is_labelled: bool


def integer(field: bytes) -> int:
    """Read an integer, or raise ``ValueError``."""
    value = int(field)
    if -TOO_LARGE < value < TOO_LARGE:
        return value
    raise ValueError(value)


def payment(line: bytes, fields: list[bytes]) -> Payment:
    """Read the 34 ``fields`` of ``line``, or raise ``ValueError`` where one is not of its column's type."""
    first, stamp, user, rest = line.split(b",", 3)
    text = stamp + user
    if (
        rest.translate(None, NUMERIC)
        or first.translate(None, NUMERIC)
        or len(text.translate(None, CONTROLS)) < len(text)
    ):
        raise ValueError(line)
    values = [float(field) if field else 0.0 for field in fields[4:32]]
    values.append(float(fields[32]))
    # One sum tells in nearly every case that all are finite.
    if not isfinite(sum(values)) and not all(map(isfinite, values)):
        raise ValueError(values)
    label = fields[33]
    is_labelled = label != b"\n"
    return Payment(
        integer(first),
        user,
        integer(fields[3]),
        values,
        not fields[5],
        integer(label) if is_labelled else -1,
        is_labelled,
    )


def payments(lines: Iterable[bytes], malformed: list[int]) -> Iterator[Payment]:
    """Yield what is well-formed among ``lines``; count the rest in ``malformed``: fields, text, truncated."""
    for line in lines:
        fields = line.split(b",")
        if not line.endswith(b"\n"):
            malformed[2] += 1
        elif len(fields) != 34:  # noqa: PLR2004 - as in the format
            malformed[0] += 1
        else:
            try:
                read = payment(line, fields)
            except ValueError:
                malformed[1] += 1
            else:
                yield read


def masked(user: str) -> str:
    """Mask the two leftmost characters of ``user``."""
    return "".join([MASKS.get(letter, "-") for letter in user[:2]]) + user[2:]


def prepare(problem: Problem) -> Run:
    """Take the stream as bytes and the table as a dictionary."""
    stream = problem.stream.tobytes()
    city_of = dict(zip(problem.user_ids.tolist(), problem.cities.tolist(), strict=True))

    def run() -> Answer:
        premium = {user for user, city in city_of.items() if city.startswith("Premium")}
        malformed = [0, 0, 0]
        matrix, classes, joined, users = array("d"), array("q"), array("q"), list[str]()
        for read in payments(io.BytesIO(stream), malformed):
            user = read.user.decode()
            users.append(masked(user))
            classes.append(read.label)
            if read.is_labelled:
                matrix.append(read.time)
                matrix.extend(read.values)
                matrix.append(read.label)
            if read.values[0] > 5 and not read.v2_is_null and user in premium:  # noqa: PLR2004 - as in the statement
                joined.append(read.id)
        return (
            np.array(matrix).reshape(-1, 31),
            np.array(users, np.str_),
            np.array(classes),
            np.array(joined),
            np.array(malformed),
        )

    return run
