"""All engines agree on every record, however spoilt, and the truth agrees with a reader that trusts no parser."""

from __future__ import annotations

import dataclasses
import re
import tracemalloc
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

WORKLOAD = "fraud_preprocessing"
CONTENDERS = catalog.contenders(WORKLOAD)

problem_module = catalog.problem_module(WORKLOAD)

INTEGER = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def of_stream(stream: bytes) -> Any:
    """Return a problem with ``stream`` and the usual users. Its truth is not known to the module."""
    problem = catalog.make(WORKLOAD, "tiny")
    return dataclasses.replace(problem, stream=np.frombuffer(stream, np.uint8))


def integer(text: str) -> int:
    if not INTEGER.fullmatch(text) or abs(int(text)) >= 10**18:
        raise ValueError(text)
    return int(text)


def decimal(text: str) -> float:
    if not DECIMAL.fullmatch(text):
        raise ValueError(text)
    exact = Decimal(text)
    if exact.adjusted() < -400:  # a fraction of that size would fill the memory
        return 0.0
    if exact and (exact.adjusted() > 400 or abs(Fraction(exact)) >= 2**1024):
        raise ValueError(text)
    return float(Fraction(exact))


def without_controls(text: str) -> None:
    if re.search(r"[\x00-\x1f]", text):
        raise ValueError(text)


def letter_masked(letter: str) -> str:
    return next((by for by, kind in (("X", "[A-Z]"), ("x", "[a-z]"), ("n", "[0-9]")) if re.match(kind, letter)), "-")


def reference(problem: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Do what the module's docstring says, a line at a time, with exact fractions for decimals."""
    *lines, last = problem.stream.tobytes().decode().split("\n")
    matrix, masked, classes, joined, malformed = [], [], [], [], [0, 0, int(last != "")]
    city = dict(zip(problem.user_ids.tolist(), problem.cities.tolist(), strict=True))
    for line in lines:
        fields = line.split(",")
        if len(fields) != 34:
            malformed[0] += 1
            continue
        try:
            number, time, amount = integer(fields[0]), integer(fields[3]), decimal(fields[32])
            v = [decimal(field) if field else None for field in fields[4:32]]
            label = integer(fields[33]) if fields[33] else None
            without_controls(line)
        except ValueError:
            malformed[1] += 1
            continue
        user = fields[2]
        masked.append("".join(map(letter_masked, user[:2])) + user[2:])
        classes.append(-1 if label is None else label)
        if label is not None:
            matrix.append([time, *(0.0 if value is None else value for value in v), amount, label])
        if v[0] is not None and v[0] > 5 and v[1] is not None and city.get(user, "").startswith("Premium"):
            joined.append(number)
    return (
        np.array(matrix, float).reshape(-1, 31),
        np.array(masked, np.str_),
        *(np.array(values, np.int64) for values in (classes, joined, malformed)),
    )


def assert_answers(contender: str, problem: Any) -> None:
    """Assert that ``contender`` answers as the reference does, to the last bit."""
    run = prepared(WORKLOAD, contender, problem)
    for right, given in zip(reference(problem), run(), strict=True):
        np.testing.assert_array_equal(given, right)
        assert given.dtype.kind == right.dtype.kind
        assert given.shape == right.shape


def record(**fields: str) -> str:
    """Write a well-formed record, but for ``fields``, each named as in the format."""
    names = ["Id", "Timestamp", "User", "Time", *(f"V{i}" for i in range(1, 29)), "Amount", "Class"]
    usual = {"Id": "7", "Timestamp": "2018-12-18T12:00:00Z", "User": "Hans", "Time": "3", "Class": "0"}
    values = dict.fromkeys(names, "1.5") | usual | fields
    assert len(values) == 34
    return ",".join(values.values())


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_the_truth_is_what_a_reader_with_exact_fractions_finds(size: str) -> None:
    problem = catalog.make(WORKLOAD, size)
    answer = reference(problem)
    problem_module.check(problem, answer)
    for right, given in zip(problem_module.truth(problem.records), answer, strict=True):
        np.testing.assert_array_equal(given, right)


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_every_size_holds_every_kind_of_record(size: str) -> None:
    (records,) = problem_module.SIZES[size]
    drawn, answer = problem_module.draw(records), problem_module.truth(records)
    assert answer[4].min() > 0
    good = drawn.kind == problem_module.GOOD
    assert answer[4].sum() + good.sum() == records
    assert len(answer[0]) < len(answer[1])  # some have no Class
    v1_above_5 = (drawn.mantissa[:, 0] / 10.0 ** drawn.decimals[:, 0] > 5)[drawn.row]
    assert 0 < len(answer[3]) < (v1_above_5 & good).sum()
    assert drawn.empty[drawn.row[good]][:, 1].any()
    assert {letter for name in answer[1] for letter in name[:2]} == set("Xxn-")
    assert (drawn.user[good] >= problem_module.USERS).any()  # some users are not in the table


@pytest.mark.parametrize("contender", CONTENDERS)
def test_any_number_means_the_same_to_all(contender: str) -> None:
    texts = [*problem_module.NO_INTEGERS, "", "+5", "-0", "007", "5.", ".5", "-.5e-3", "1.E+5", "1e-400", "4.9e-324"]
    texts += ["0.1000000000000000055511151231257827", "9007199254740993", "123456789012345678", "-999999999999999999"]
    texts += ["9" * 400, "0." + "0" * 400 + "1", "1.7976931348623157e308", "2.2250738585072011e-308", "0" * 40 + "1"]
    texts += ["-1.3598071336738", "0.30000000000000004", "-", "+-1", "1e+-5", "..5", "1.5.", "9999999999999.99999"]
    places = ("Id", "Time", "V1", "V2", "V28", "Amount", "Class")
    lines = [record(**{place: text}) for text in texts for place in places]
    assert_answers(contender, of_stream("\n".join([*lines, ""]).encode()))


@pytest.mark.parametrize("contender", CONTENDERS)
def test_any_user_is_masked_and_joined_alike(contender: str) -> None:
    users = [
        "",
        "J",
        "Li",
        "AZaz",
        "az",
        "09x",
        "7o",
        "@[`{/:",
        "Øy",
        "ßA",
        "Aß",
        "日本語",
        "😀😀😀",
        "Hans",
        "Zoë",
        "Xx",
        "nn",
    ]
    users += ['"Hans"', "Ha ns", " Hans", "hans", "%", "Hans%", "O'Hara", "x" * 300, "a\tb", "Hans\r", "a\0b", "\x1f"]
    lines = [record(Id=str(i), User=user, V1="5.1") for i, user in enumerate(users)]
    assert_answers(contender, of_stream("\n".join([*lines, ""]).encode()))


@pytest.mark.parametrize("contender", CONTENDERS)
def test_the_join_needs_more_than_five_and_a_second_value(contender: str) -> None:
    v1 = ("5", "5.0000000000000001", "5.000000000000001", "", "-6", "6")
    lines = [
        record(Id=f"{i}", V1=a, V2=b, Class=c) for i, a in enumerate(v1) for b in ("", "0") for c in ("", "1", "-1")
    ]
    assert_answers(contender, of_stream("\n".join([*lines, ""]).encode()))


ODD_STREAMS = {
    "nothing": "",
    "an empty line": "\n",
    "empty lines": "\n\n\n",
    "two fields of a record": ",",
    "the beginning of a record": "x",
    "an empty line and the beginning of a record": "\nx",
    "a record without its end": record(),
    "a record": f"{record()}\n",
    "a record and an empty line": f"{record()}\n\n",
    "a record among others": f"\n{record()}\n{record()[:50]}",
    "a field too many": f"{record()},\n",
    "34 empty fields": f"{',' * 33}\n",
    "33 empty fields": f"{',' * 32}\n",
    "a line longer than a chunk": f"{',' * 400_000}\n{record()}\n",
    "a name longer than a chunk": f"{record(User='x' * 300_000)}\n{record()}\n",
    "the line ends of another system": f"{record()}\r\n",
    "no Class": f"{record(Class='')}\n",
    "text in numbers only": f"{record(Id='x', Class='')}\n" * 3,
}


@pytest.mark.parametrize("stream", ODD_STREAMS.values(), ids=ODD_STREAMS.keys())
@pytest.mark.parametrize("contender", CONTENDERS)
def test_odd_streams(contender: str, stream: str) -> None:
    assert_answers(contender, of_stream(stream.encode()))


@pytest.mark.parametrize("contender", CONTENDERS)
def test_a_stream_spoilt_at_random(contender: str) -> None:
    rng = np.random.default_rng(5)
    stream = problem_module.make((1_500,)).stream.copy()
    spoilt = rng.integers(0, len(stream), 3_000)
    spoilt = spoilt[stream[spoilt] < 128]  # what is left of the text stays UTF-8
    stream[spoilt] = rng.choice(np.frombuffer(b"0123456789+-.eE,,\n\n x_\"'\r", np.uint8), len(spoilt))
    problem = of_stream(stream.tobytes())
    assert reference(problem)[4].min() > 0
    assert_answers(contender, problem)


def test_the_stream_is_read_in_constant_memory_by_generators() -> None:
    peaks = []
    for records in (1_000, 8_000):
        # Nothing is well-formed, so nothing is collected.
        stream = (record(Amount="") + "\n") * records
        run = catalog.prepare(WORKLOAD, "stream_python", of_stream(stream.encode()))
        run()
        tracemalloc.start()
        run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10_000


def test_tensorflow_traces_once() -> None:
    module = pytest.importorskip("impl.fraud_preprocessing.dataset_tensorflow", exc_type=ImportError)
    for size in ("tiny", "small"):
        run = catalog.prepare(WORKLOAD, "dataset_tensorflow", catalog.make(WORKLOAD, size))
        run()
        run()
    assert module.read.experimental_get_tracing_count() == 1
    assert module.join.experimental_get_tracing_count() == 1
