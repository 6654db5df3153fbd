"""Watch a stream of card payments: preprocess and score each, and raise an alert for what looks like fraud.

Source of the pipeline: the article and notebook named in ``impl/fraud_preprocessing/problem.py``. The payments are
those of that workload, malformed ones included, one record each on the topic ``creditcardfraud_source``. A run

1. consumes all of it;
2. preprocesses by that workload's statement 1: those with a Class, an empty V becomes 0. The rules for malformed
   records are its rules, too. Here a truncated record has too few fields, because no line feed ends any record;
3. scores by the autoencoder of ``fraud_scoring``. Features are V1..V28 and Amount, each divided by ``scale``, plus 1,
   which gives them the mean and the spread that the autoencoder is made for;
4. writes an alert, in Avro, to ``fraud_alerts`` for each score above ``threshold``, with the payment's id and score;
5. writes malformed records, as they are, to ``fraud_rejected``, with the header ``reason``;
6. ends when the broker has acknowledged everything.

The truth is that of the two workloads, which use no broker. The check compares with it what a run says that it wrote,
and what the two topics hold of that run: each alert and each malformed record once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close
from impl.fraud_preprocessing.problem import GOOD, TEXT, draw
from impl.fraud_preprocessing.problem import make as make_payments
from impl.fraud_preprocessing.problem import truth as preprocessed
from impl.fraud_scoring.problem import Problem as Scored
from impl.fraud_scoring.problem import make as make_scoring
from impl.fraud_scoring.problem import tolerance as score_tolerance
from impl.fraud_scoring.problem import truth as scores_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: The ids ``(alerts,)`` int64 and the scores ``(alerts,)`` of the alerts that the broker acknowledged; the
    #: offsets ``(rejected,)`` int64 of malformed records and the reasons ``(rejected,)`` str. In the stream's order.
    Answer = tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.integer], NDArray[np.str_]]

    #: What a contender's ``prepare(problem)`` returns: no arguments, the answer.
    Run = Callable[[], Answer]

#: size: (records,)
SIZES: dict[str, tuple[int]] = {"tiny": (60,), "small": (2_000,), "article": (284_807,)}

BASELINES = ("single_python", "batches_numpy")

APPROACH = "consumes, scores and alerts"

UNIT = "records"

#: What a run waits for, so that it does not use all of a core.
WAITS = "a broker"

#: The spreads with which V1..V28 and Amount are drawn.
SCALE = np.r_[4.0, np.linspace(1.6, 0.3, 27), 60.0]

#: Three payments in a hundred score higher, and at no size does one score within the tolerance of float32 of it.
THRESHOLD = 1.23

WRONG_FIELDS, WRONG_TEXT = "wrong number of fields", "text in a number"


@dataclass(frozen=True)
class Problem:
    """The ``stream``, a record a line, ``(bytes,)`` uint8; the deployed model: ``scale`` ``(29,)``, ``weights``
    ``(813,)``, ``threshold``. Arrays are read-only. ``records`` is the number of records, malformed ones included.
    """  # noqa: D205 - one sentence lists them all

    stream: NDArray[np.uint8]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    threshold: float
    records: int

    def __str__(self) -> str:
        """Give the size and the broker in words, for the head of a table."""
        through = ""
        with suppress(ModuleNotFoundError):
            through = f" through {recorded()['broker']}"
        return f"{self.records:,} records{through}"

    @property
    def units(self) -> int:
        """The records that one run consumes."""
        return self.records


def recorded() -> dict[str, str]:
    """Return what is kept with each result: the kind and the version of the broker and of its client."""
    import confluent_kafka

    from impl._shared.broker import kind

    return {"broker": kind(), "client": f"librdkafka {confluent_kafka.libversion()[0]}"}


def work(size: tuple[int]) -> float:
    """Return the records of ``size``, to extrapolate times with."""
    return float(size[0])


def make(size: tuple[int]) -> Problem:
    """Draw ``size = (records,)``. Nothing is on a topic yet: a contender's ``prepare`` sees to that."""
    scale = SCALE.copy()
    scale.flags.writeable = False
    stream = make_payments(size).stream
    return Problem(stream, scale, make_scoring((20,)).weights, THRESHOLD, *size)


@lru_cache(maxsize=2)
def scored(records: int) -> tuple[Scored, NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct payments to score, which of them each scored record is, and the records' offsets."""
    drawn = draw(records)
    labelled = (drawn.kind == GOOD) & (drawn.label >= 0)
    _, first, which = np.unique(drawn.row[labelled], return_index=True, return_inverse=True)
    features = 1 + preprocessed(records)[0][first, 1:30] / SCALE
    return Scored(features, np.zeros(len(first), bool), make_scoring((20,)).weights), which, np.flatnonzero(labelled)


@lru_cache(maxsize=2)
def truth(records: int) -> Answer:
    """Return the answer at that many records; read-only, for it is remembered."""
    problem, which, offsets = scored(records)
    drawn, scores = draw(records), scores_of(problem)[which]
    alerted = scores > THRESHOLD
    rejected = np.flatnonzero(drawn.kind != GOOD)
    reasons = np.where(drawn.kind[rejected] == TEXT, WRONG_TEXT, WRONG_FIELDS)
    answer = (drawn.id[offsets[alerted]], scores[alerted], rejected, reasons)
    for leaf in answer:
        leaf.flags.writeable = False
    return answer


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each score may be from the truth: as far as ``fraud_scoring`` allows for such payments."""
    return score_tolerance(scored(problem.records)[0], dtype)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is right, and the topics hold it, each record once."""
    if not isinstance(answer, tuple) or len(answer) != len(truth(problem.records)):
        raise AssertionError(f"the answer is {answer!r:.200}, not a tuple of four arrays")
    require_answer(problem, answer, "acknowledged")
    require_answer(problem, read_back(problem), "on the topic")


def read_back(problem: Problem) -> Answer:
    """Return what the topics hold of the last complete run."""
    from impl._shared.outcomes import of_last_run
    from impl._shared.topics import opened

    return of_last_run(opened(problem.stream.tobytes()).broker)


def require_answer(problem: Problem, answer: Answer, where: str) -> None:
    """Raise ``AssertionError`` unless ``answer`` is right; ``where`` says what it is an answer of."""
    ids, scores, *rest = truth(problem.records)
    what = (f"ids of alerts {where}", f"offsets of rejected records {where}", f"reasons {where}")
    for name, right, given in zip(what, (ids, *rest), (answer[0], *answer[2:]), strict=True):
        if not isinstance(given, np.ndarray) or given.dtype.kind != right.dtype.kind or given.shape != right.shape:
            raise AssertionError(f"the {name} are {given!r:.200}, not {right.shape} of {right.dtype}")
        if not np.array_equal(given, right):
            at = np.flatnonzero(given != right)
            raise AssertionError(f"the {name} differ at {at[:5]}: {given[at[:5]]} instead of {right[at[:5]]}")
    require_close(answer[1], scores, partial(tolerance, problem), f"the scores {where} are not those of the payments")
