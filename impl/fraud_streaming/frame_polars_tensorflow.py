"""Polars reads the records that have come in since the last batch, TensorFlow scores them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl
import tensorflow as tf

from impl._shared.payments import RECORD
from impl.fraud_preprocessing.frame_polars import SCHEMA, V
from impl.fraud_streaming._deployment import Outcome, deploy, refused
from impl.fraud_streaming._graph_tensorflow import BATCH, model, score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impl.fraud_streaming.problem import Problem, Run

VALUES = [*V, "Amount"]


def well_formed(records: list[bytes]) -> pl.DataFrame:
    """Return the well-formed ``records``, each with its place."""
    lines = pl.DataFrame({"line": records}, schema={"line": pl.Binary}).with_row_index("place")
    regular = lines.cast({"line": pl.String}).filter(pl.col("line").str.contains(rf"\A(?:{RECORD})\z"))
    text = regular["line"].str.join("\n").item().encode()
    read = pl.read_csv(BytesIO(text), has_header=False, schema=SCHEMA, quote_char=None, raise_if_empty=False)
    # Only a number that is too large reads as infinite.
    too_large = pl.any_horizontal(pl.col(*VALUES).is_infinite().fill_null(value=False))
    return read.with_columns(regular["place"]).filter(~too_large)


def prepare(problem: Problem) -> Run:
    """Move the model into tensors, and fill the topic."""
    scale, weights, _ = model(problem)
    threshold = problem.threshold

    def found(records: list[bytes]) -> Outcome:
        payments = well_formed(records)
        labelled = payments.filter(pl.col("Class").is_not_null())
        values = labelled.select(pl.col(*VALUES).fill_null(0)).to_numpy(order="c")
        scores = score(tf.constant(values), scale, weights).numpy()
        alerted = labelled.select("place", "Id", pl.Series("score", scores)).filter(pl.col("score") > threshold)
        return Outcome(alerted.rows(), refused(records, payments["place"].to_list()))

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Outcome]:
        return map(found, batches)

    return deploy(problem, detect, BATCH)
