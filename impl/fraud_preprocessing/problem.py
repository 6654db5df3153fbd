r"""Preprocess a stream of card payments: drop, mask, fill and join, and survive every malformed record.

Source of the statements: Kai Waehner, "Python, Jupyter, TensorFlow, Keras, Apache Kafka and KSQL", 2019.
https://github.com/kaiwaehner/python-jupyter-apache-kafka-ksql-tensorflow-keras
Size ``article`` has as many records as the card payments that it reads (ULB, 284,807).

**The stream** is UTF-8. A record is what stands before a line feed, its fields what stands between its commas; no
quotes, no escapes, no header. It has 34 fields: Id, Timestamp, User, Time, V1..V28, Amount, Class. Id, Time and
Class are integers: ``[+-]?[0-9]+``, below 10^18 in magnitude. V1..V28 and Amount are decimals:
``[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?``, finite as float64. Timestamp and User are any text without
control characters (below U+0020). V1..V28 and Class may be empty, which is NULL; Id, Time and Amount may not.

**Malformed** is a record, by the first that applies, and is counted by that kind only:

1. *truncated*: it is the last and no line feed ends it, whatever it holds (where one does, nothing is truncated);
2. *wrong number of fields*: it has not 34, an empty line included (a field that is empty);
3. *text in a number*: a field is not of its column's type, by the grammar above: ``NaN``, `` 1``, ``1_000``, ``3.0``
   for an integer, an empty Amount, and what is rarer, a control character in a text.

**The statements**, over the well-formed records, in the order of the stream:

1. ``SELECT Time, IFNULL(V1, 0), .., IFNULL(V28, 0), Amount, Class WHERE Class IS NOT NULL``. An empty V becomes 0,
   the mean of that principal component, since what follows, an autoencoder, knows no NULL;
2. ``SELECT MASK_LEFT(User, 2), IFNULL(Class, -1)``: of the first two characters (or of fewer, if there are no more)
   A-Z become X, a-z become x, 0-9 become n and all others -, by KSQL's defaults;
3. ``SELECT Id FROM payments INNER JOIN users ON User = UserId WHERE V1 > 5 AND V2 IS NOT NULL AND City LIKE
   'Premium%'``. User ids are unique in the table.

The truth never reads the stream: it is computed from the numbers that were drawn before they were written as text,
and a decimal is drawn as an integer over a power of ten, so that not even a parser of decimals is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: The matrix ``(records with a Class, 31)`` float64 of statement 1; the masked users ``(well-formed,)`` str and
    #: the classes ``(well-formed,)`` int64 of statement 2; the ids ``(joined,)`` int64 of statement 3; the malformed
    #: records ``(3,)`` int64 by kind: wrong number of fields, text in a number, truncated.
    Answer = tuple[
        NDArray[np.floating], NDArray[np.str_], NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]
    ]

    #: What a contender's ``prepare(problem)`` returns: no arguments, the answer.
    Run = Callable[[], Answer]

#: size: (records,)
SIZES: dict[str, tuple[int]] = {
    "tiny": (60,),
    "small": (2_000,),
    "article": (284_807,),
}

#: The contenders that every table compares the others with.
BASELINES = ("stream_python", "columns_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "reads text, answers with arrays"

#: What is counted for the throughput.
UNIT = "records"

#: Distinct rows of V and Amount; longer streams repeat them, because drawing text takes longer than reading it.
POOL = 4096

#: The stream is that of 18 hours.
SECONDS = 18 * 3600

#: 60 users send payments and are in the table, 6 are not in it. Some names are shorter than what is masked.
NAMES = ("Hans", "Kai", "Jürgen", "Øyvind", "Li", "J", "anna-lena", "O'Hara", "7of9", "Zoë")
USERS, STRANGERS = 60, 6

CITIES = ("Premium Berlin", "Premium", "Premiumville", "Berlin", "premium Rome", "Not Premium", "", "Oslo")

GOOD, FIELDS, TEXT, TRUNCATED = range(4)

#: What is written in place of a number. None of it is one.
NO_NUMBERS = (
    *(
        "n/a",
        "NaN",
        "inf",
        "-inf",
        "1.2.3",
        "--5",
        "1-2",
        "12abc",
        " 1",
        "1 ",
        "1_000",
        "0x1F",
        "e5",
        "1e",
        "1e+",
        "-",
    ),
    *(
        ".",
        "+",
        "null",
        '"1"',
        "1\r",
        "1;5",
        "1e999",
        "-1e400",
        "\u0661",
        "1d",
        "1f",
        "infinity",
        "True",
        "1e5.0",
        "\t7",
    ),
)

#: Nor is any of this an integer.
NO_INTEGERS = (*NO_NUMBERS, "3.0", "1e3", "1000000000000000000", "-99999999999999999999", "5.")


@dataclass(frozen=True)
class Problem:
    """The ``stream`` as it comes in, ``(bytes,)`` uint8, and the table, ``(users,)`` str each; all read-only.

    ``records`` is the number of records in the stream, malformed ones included.
    """

    stream: NDArray[np.uint8]
    user_ids: NDArray[np.str_]
    cities: NDArray[np.str_]
    records: int

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        return f"{self.records:,} records, {len(self.stream) / 1e6:,.3g} MB"

    @property
    def units(self) -> int:
        """The records that one run reads."""
        return self.records


class Drawn(NamedTuple):
    """What was drawn, before any of it became text. All ``(records,)`` unless said otherwise."""

    kind: NDArray[np.int64]  # GOOD, FIELDS, TEXT or TRUNCATED
    id: NDArray[np.int64]
    user: NDArray[np.int64]  # an index into names()
    time: NDArray[np.int64]  # seconds
    row: NDArray[np.int64]  # an index into the pool
    label: NDArray[np.int64]  # the Class, -1 where it is empty
    mantissa: NDArray[np.int64]  # (pool, 29), below 2^53
    decimals: NDArray[np.int64]  # (pool, 29), at most 22: the value is mantissa / 10^decimals, rounded once
    empty: NDArray[np.bool_]  # (pool, 29)


def work(size: tuple[int]) -> float:
    """Return the records of ``size``, to extrapolate times with."""
    return float(size[0])


def names() -> list[str]:
    """Name the users of the table, and after them the strangers."""
    return [f"{NAMES[i % len(NAMES)]}{i // len(NAMES) or ''}" for i in range(USERS + STRANGERS)]


def cities_of_users() -> list[str]:
    """Name the city of every user of the table: half of them begin with ``Premium``."""
    return [CITIES[i * 5 % 8 if i % 3 else 0] for i in range(USERS)]


def draw(records: int) -> Drawn:
    """Draw everything but the ways in which malformed records are so."""
    rng = np.random.default_rng(284_807)
    kind = rng.choice([GOOD, FIELDS, TEXT], records, p=[0.98, 0.01, 0.01])
    kind[3::20][:3], kind[5::20][:3] = FIELDS, TEXT  # some of each, however few records
    kind[-1] = TRUNCATED
    label = rng.choice([-1, 0, 1], records, p=[0.1, 0.88, 0.02])
    row = rng.permutation(np.arange(records) % POOL)
    # A payment has V1 > 5 more often than in life, so that the join has something to do.
    scale = np.r_[4.0, np.linspace(1.6, 0.3, 27), 60.0]
    drawn = np.clip(rng.standard_normal((min(records, POOL), 29)), -6, 6) * scale
    decimals = rng.integers(11, 15, drawn.shape)
    decimals[:, -1] = 2
    drawn[:, -1] = np.abs(drawn[:, -1])
    empty = rng.random(drawn.shape) < 0.01  # noqa: PLR2004
    empty[:, 1] |= rng.random(len(empty)) < 0.2  # noqa: PLR2004 - V2: the join asks whether it is there
    empty[:, -1] = False
    return Drawn(
        kind,
        id=1_000_000_007 * np.arange(1, records + 1) % 2_147_483_647,
        user=rng.integers(0, USERS + STRANGERS, records),
        time=np.sort(rng.integers(0, SECONDS, records)),
        row=row,
        label=label,
        mantissa=np.rint(drawn * 10.0**decimals).astype(np.int64),
        decimals=decimals,
        empty=empty,
    )


def make(size: tuple[int]) -> Problem:
    """Draw ``size = (records,)`` and write it as text."""
    (records,) = size
    drawn = draw(records)
    bodies = [
        ",".join("" if none else decimal(m, d) for m, d, none in zip(*row, strict=True))
        for row in zip(drawn.mantissa.tolist(), drawn.decimals.tolist(), drawn.empty.tolist(), strict=True)
    ]
    stamps = np.datetime64("2018-12-18T12:00:00") + drawn.time.astype("timedelta64[s]")
    users, classes = names(), ["0", "1", ""]
    lines = [
        f"{i},{stamp}Z,{users[user]},{time},{bodies[row]},{classes[label]}"
        for i, stamp, user, time, row, label in zip(
            drawn.id.tolist(),
            np.datetime_as_string(stamps).tolist(),
            drawn.user.tolist(),
            drawn.time.tolist(),
            drawn.row.tolist(),
            drawn.label.tolist(),
            strict=True,
        )
    ]
    for nth, i in enumerate(np.flatnonzero(drawn.kind == FIELDS).tolist()):
        lines[i] = misfielded(lines[i], nth)
    for nth, i in enumerate(np.flatnonzero(drawn.kind == TEXT).tolist()):
        lines[i] = with_text(lines[i], nth)
    lines[-1] = lines[-1][: len(lines[-1]) * 2 // 3]
    stream = np.frombuffer("\n".join(lines).encode(), np.uint8)
    user_ids = np.array(users[:USERS])
    cities = np.array(cities_of_users())
    user_ids.flags.writeable = cities.flags.writeable = False
    return Problem(stream, user_ids, cities, records)


def decimal(mantissa: int, decimals: int) -> str:
    """Write ``mantissa / 10^decimals``, now and then with an exponent."""
    if mantissa % 128 == 0:
        return f"{mantissa}e-{decimals:02}"
    whole, fraction = divmod(abs(mantissa), 10**decimals)
    return f"{'-' if mantissa < 0 else ''}{whole}.{fraction:0{decimals}}"


def misfielded(line: str, nth: int) -> str:
    """Give the ``nth`` of such records too few fields or too many, in one of several ways."""
    fields = line.split(",")
    ways: tuple[list[str], ...] = (
        fields[:-1],
        [*fields, "0"],
        [],
        fields[:17] + fields[18:],
        [*fields, *fields],
        fields[:1],
    )
    return ",".join(ways[nth % len(ways)])


def with_text(line: str, nth: int) -> str:
    """Put something that is not a number into the ``nth`` of such records, in place of each number in turn."""
    fields = line.split(",")
    place = (0, *range(3, 34))[nth * 13 % 32]
    texts = NO_INTEGERS if place in {0, 3, 33} else NO_NUMBERS
    if place in {0, 3, 32}:
        texts = ("", *texts)
    fields[place] = texts[nth % len(texts)]
    return ",".join(fields)


@lru_cache(maxsize=2)
def truth(problem_records: int) -> Answer:
    """Return the answer at that many records, from what was drawn; read-only, for it is remembered."""
    drawn = draw(problem_records)
    good = drawn.kind == GOOD
    # Both are integers below 2^53, or powers of ten that float64 holds, so the quotient is rounded once.
    values = np.where(drawn.empty, 0.0, drawn.mantissa / 10.0**drawn.decimals)
    labelled = good & (drawn.label >= 0)
    rows = drawn.row[labelled]
    matrix = np.column_stack((drawn.time[labelled], values[rows], drawn.label[labelled]))
    masked = np.array([mask(name) for name in names()])[drawn.user[good]]
    premium = np.array([city.startswith("Premium") for city in cities_of_users()])
    member = np.r_[premium, np.zeros(STRANGERS, bool)][drawn.user]
    wanted = (values[:, 0] > 5) & ~drawn.empty[:, :2].any(axis=1)  # noqa: PLR2004 - as in the statement
    joined = drawn.id[good & wanted[drawn.row] & member]
    malformed = np.bincount(drawn.kind, minlength=4)[1:]
    answer = (matrix, masked, drawn.label[good], joined, malformed)
    for leaf in answer:
        leaf.flags.writeable = False
    return answer


def mask(name: str) -> str:
    """Mask the two leftmost characters of ``name``."""
    kinds = {"X": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "x": "abcdefghijklmnopqrstuvwxyz", "n": "0123456789"}
    head = [next((by for by, letters in kinds.items() if letter in letters), "-") for letter in name[:2]]
    return "".join(head) + name[2:]


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each number of the matrix may be from the truth.

    Reading a decimal rounds it once, to half an ``eps`` of its magnitude; one that is read digit by digit may be a
    few ``eps`` off. The largest number is a Time, below ``SECONDS``: 8 ``eps`` of that, 1e-10 in float64.
    """
    del problem
    return 8 * SECONDS * float(np.finfo(dtype).eps)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is what ``Answer`` says, in the order of the stream."""
    true_matrix, *true_rest = truth(problem.records)
    if not isinstance(answer, tuple) or len(answer) != 1 + len(true_rest):
        raise AssertionError(f"the answer is {answer!r:.200}, not a tuple of five arrays")
    matrix, *rest = answer
    if not isinstance(matrix, np.ndarray) or matrix.dtype not in {np.dtype(np.float32), np.dtype(np.float64)}:
        raise AssertionError(f"the matrix is {matrix!r:.200}, not an array of floats")
    np.testing.assert_allclose(
        matrix,
        true_matrix.astype(matrix.dtype),
        rtol=0,
        atol=tolerance(problem, matrix.dtype),
        strict=True,
        err_msg="the matrix is not Time, V1..V28, Amount and Class of the records that have a Class",
    )
    what = ("masked users", "classes", "joined ids", "malformed records")
    for name, right, given in zip(what, true_rest, rest, strict=True):
        if not isinstance(given, np.ndarray) or given.dtype.kind != right.dtype.kind or given.shape != right.shape:
            raise AssertionError(f"the {name} are {given!r:.200}, not {right.shape} of {right.dtype}")
        if not np.array_equal(given, right):
            at = np.flatnonzero(given != right)
            raise AssertionError(f"the {name} differ at {at[:5]}: {given[at[:5]]} instead of {right[at[:5]]}")
