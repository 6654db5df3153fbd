"""The notebook's statements in SQL, on DuckDB.

DuckDB's own reader of files is not used: it passes over empty lines in silence, reads ``nan``, `` 1`` and ``1_000``
as numbers and ``3.7`` as an integer. A regular expression and casts tell by the format instead. For some thousand
records the time is that of planning: six statements over 31 columns take 20 ms, however few the records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from impl._shared.payments import RECORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_preprocessing.problem import Answer, Problem, Run

V = [f"V{i}" for i in range(1, 29)]

VALUES = ", ".join(f"CASE WHEN is_regular THEN nullif(field[{i}], '')::DOUBLE END AS {v}" for i, v in enumerate(V, 5))

#: The stream becomes a table: one row a record, and NULL in every column where it is malformed.
SOURCE = f"""
CREATE OR REPLACE TEMP TABLE source AS
WITH lines AS (SELECT unnest(string_split($stream, chr(10))[:-2]) AS line),
     checked AS (SELECT regexp_full_match(line, '{RECORD}') AS is_regular, line FROM lines),
     split AS (SELECT is_regular, string_split(line, ',') AS field FROM checked)
SELECT len(field) <> 34 AS is_misfielded, is_regular,
       CASE WHEN is_regular THEN field[1]::BIGINT END AS Id,
       CASE WHEN is_regular THEN field[3] END AS User,
       CASE WHEN is_regular THEN field[4]::BIGINT END AS Time,
       {VALUES},
       CASE WHEN is_regular THEN field[33]::DOUBLE END AS Amount,
       CASE WHEN is_regular THEN nullif(field[34], '')::BIGINT END AS Class
FROM split
"""  # noqa: S608 - made of constants

#: Only a number that is too large reads as infinite.
TOO_LARGE = " OR ".join(f"ifnull(isinf({name}), false)" for name in [*V, "Amount"])
PAYMENTS = f"CREATE OR REPLACE TEMP VIEW payments AS SELECT * FROM source WHERE is_regular AND NOT ({TOO_LARGE})"  # noqa: S608 - as above

PREPROCESSED = f"""
SELECT Time::DOUBLE AS Time, {", ".join(f"ifnull({v}, 0) AS {v}" for v in V)}, Amount, Class::DOUBLE AS Class
FROM payments WHERE Class IS NOT NULL
"""  # noqa: S608 - as above

#: Lower case first, so that the x and n that stand for something are not masked again.
MASK = """
CREATE OR REPLACE TEMP MACRO mask_left(name, count) AS
  regexp_replace(regexp_replace(regexp_replace(regexp_replace(
    name[:count], '[^A-Za-z0-9]', '-', 'g'), '[a-z]', 'x', 'g'), '[0-9]', 'n', 'g'), '[A-Z]', 'X', 'g')
  || name[count + 1:]
"""

ENHANCED = "SELECT mask_left(User, 2) AS User, ifnull(Class, -1) AS Class FROM payments"

JOINED = """
SELECT Id FROM (SELECT *, row_number() OVER () AS number FROM payments) payments
INNER JOIN users ON payments.User = users.UserId
WHERE V1 > 5 AND V2 IS NOT NULL AND City LIKE 'Premium%'
ORDER BY number
"""

MALFORMED = """
SELECT count(*) FILTER (is_misfielded), count(*) FILTER (NOT is_misfielded) - (SELECT count(*) FROM payments),
       ($stream <> '' AND NOT ends_with($stream, chr(10)))::BIGINT
FROM source
"""


def prepare(problem: Problem) -> Run:
    """Connect to a database in memory, hand it the table of users, and take the stream as text."""
    stream = problem.stream.tobytes().decode(errors="replace")
    database = duckdb.connect(config={"threads": 1})
    database.execute("CREATE TABLE users (UserId VARCHAR, City VARCHAR)")
    rows = zip(problem.user_ids.tolist(), problem.cities.tolist(), strict=True)
    database.executemany("INSERT INTO users VALUES (?, ?)", list(rows))
    database.execute(MASK)

    def query(statement: str) -> list[NDArray[Any]]:
        """Return the columns of the answer to ``statement``, none of which holds NULL."""
        return [np.asarray(column) for column in database.execute(statement).fetchnumpy().values()]

    def run() -> Answer:
        database.execute(SOURCE, {"stream": stream})
        database.execute(PAYMENTS)
        matrix = np.column_stack(query(PREPROCESSED))
        masked, classes = query(ENHANCED)
        (joined,) = query(JOINED)
        malformed = database.execute(MALFORMED, {"stream": stream}).fetchone()
        database.execute("DROP VIEW payments; DROP TABLE source")
        return matrix, masked.astype(np.str_), classes, joined, np.array(malformed)

    return run
