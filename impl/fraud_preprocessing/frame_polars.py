"""The statements as expressions of Polars.

Its reader of delimited text is fast and fits badly: it fills short records up and reads ``nan``. So a regular
expression picks the records that are well-formed, and the reader gets these.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from impl._shared.payments import RECORD

if TYPE_CHECKING:
    from impl.fraud_preprocessing.problem import Answer, Problem, Run

V = [f"V{i}" for i in range(1, 29)]
TEXT = {"Timestamp": pl.String, "User": pl.String}
SCHEMA = {"Id": pl.Int64, **TEXT, "Time": pl.Int64, **dict.fromkeys([*V, "Amount"], pl.Float64), "Class": pl.Int64}


def mask_left(name: pl.Expr, count: int) -> pl.Expr:
    """Mask the ``count`` leftmost characters of ``name``."""
    head = name.str.head(count)
    # The others first and lower case second, so that the x and n that stand for something are not masked again.
    for letters, by in (("[^A-Za-z0-9]", "-"), ("[a-z]", "x"), ("[0-9]", "n"), ("[A-Z]", "X")):
        head = head.str.replace_all(letters, by)
    return head + name.str.slice(count)


def prepare(problem: Problem) -> Run:
    """Take the stream as text and the table as a frame."""
    stream = problem.stream.tobytes().decode(errors="replace")
    users = pl.DataFrame({"User": problem.user_ids, "City": problem.cities})

    def run() -> Answer:
        lines = pl.Series("line", [stream]).str.split("\n").explode()
        truncated, lines = lines[-1] != "", lines[:-1]
        is_regular = lines.str.contains(rf"\A(?:{RECORD})\z")
        misfielded = (lines.filter(~is_regular).str.count_matches(",", literal=True) != 33).sum()  # noqa: PLR2004
        regular = lines.filter(is_regular).str.join("\n").item()
        read = pl.read_csv(
            BytesIO(regular.encode()), has_header=False, schema=SCHEMA, quote_char=None, raise_if_empty=False
        )
        # Only a number that is too large reads as infinite.
        payments = read.filter(~pl.any_horizontal(pl.col(*V, "Amount").is_infinite().fill_null(value=False)))
        preprocessed = payments.filter(pl.col("Class").is_not_null()).select(
            pl.col("Time").cast(pl.Float64), pl.col(*V).fill_null(0), "Amount", pl.col("Class").cast(pl.Float64)
        )
        enhanced = payments.select(mask_left(pl.col("User").fill_null(""), 2), pl.col("Class").fill_null(-1))
        joined = payments.filter(pl.col("V1") > 5, pl.col("V2").is_not_null()).join(  # noqa: PLR2004
            users.filter(pl.col("City").str.starts_with("Premium")), on="User", maintain_order="left"
        )
        return (
            preprocessed.to_numpy(order="c"),
            enhanced["User"].to_numpy().astype(np.str_),
            enhanced["Class"].to_numpy(writable=True),
            joined["Id"].to_numpy(writable=True),
            np.array([misfielded, len(lines) - misfielded - len(payments), truncated]),
        )

    return run
