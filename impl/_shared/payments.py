"""The format of a payment as one regular expression, for the engines that have nothing but these to tell text by.

RE2 (TensorFlow, DuckDB) and Rust's regex (Polars) run it in time linear in the text, faster than they split it.
"""

from __future__ import annotations

INTEGER = r"[+-]?0*[0-9]{1,18}"
DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
TEXT = r"[^,\x00-\x1f]*"

#: Id, Timestamp, User, Time, V1..V28, Amount, Class. That decimals are finite it cannot tell.
RECORD = ",".join((INTEGER, TEXT, TEXT, INTEGER, *[f"(?:{DECIMAL})?"] * 28, DECIMAL, f"(?:{INTEGER})?"))
