"""A ``tf.data`` pipeline: split, batch, ``tf.io.decode_csv``.

``decode_csv`` ends the whole run at the first malformed record, so a regular expression tells them before. The join
is done once, behind the pipeline: ``tf.unique`` is the only hash join that needs no table outside of the run.

Batches are read by a compiled function and not by ``Dataset.map(read)``, the idiom: every run needs an iterator, and
for every iterator TensorFlow instantiates and optimises the mapped function anew, which was seen to take ten times
as long as reading 60 records. What remains is mostly ``decode_csv``'s, which makes a string of every field before it
reads the number in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from impl._shared.payments import RECORD

if TYPE_CHECKING:
    from impl.fraud_preprocessing.problem import Answer, Problem, Run

BATCH = 4096

#: No integer of the stream is as far from zero.
NULL = -(10**18)

#: What an empty field becomes, and by its type how the field is read: Id, User, Time, V1..V28, Amount, Class.
DEFAULTS: tuple[Any, ...] = (
    np.array([NULL]),
    np.array([b""], object),
    np.array([NULL]),
    *[np.array([np.nan])] * 29,
    np.array([NULL]),
)
COLUMNS = [0, 2, *range(3, 34)]

#: So many characters are masked, and an ASCII character by this.
MASKED = 2
MASKS = np.array(
    [ord("-Xxn"[c.isupper() + 2 * c.islower() + 3 * c.isdigit()]) for c in map(chr, range(128))], np.int32
)


def mask(users: tf.Tensor) -> tf.Tensor:
    """Mask the two leftmost characters of every one of ``users``."""
    letters = tf.strings.unicode_decode(users, "UTF-8")
    place = tf.ragged.range(letters.row_lengths()).flat_values
    ascii_letters = tf.gather(MASKS, tf.minimum(letters.flat_values, len(MASKS) - 1))
    by = tf.where(letters.flat_values < len(MASKS), ascii_letters, ord("-"))
    return tf.strings.unicode_encode(
        letters.with_flat_values(tf.where(place < MASKED, by, letters.flat_values)), "UTF-8"
    )


@tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string)])
def read(lines: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return of the records ``lines`` the matrix, masked users, classes, what to join, and the malformed by kind."""
    is_regular = tf.strings.regex_full_match(lines, RECORD)
    rejected = tf.strings.split(tf.boolean_mask(lines, ~is_regular), ",")
    has_all = rejected.row_lengths() == 34  # noqa: PLR2004 - as in the format
    columns = tf.io.decode_csv(
        tf.boolean_mask(lines, is_regular),
        [tf.constant(default) for default in DEFAULTS],
        use_quote_delim=False,
        select_cols=COLUMNS,
    )
    ids, users, times, label = columns[0], columns[1], columns[2], columns[-1]
    values = tf.stack(columns[3:-1], axis=1)
    # No text reads as infinite, only a number that is too large.
    is_good = ~tf.reduce_any(tf.math.is_inf(values), axis=1)
    is_labelled = label != NULL
    filled = tf.where(tf.math.is_nan(values), tf.zeros([], values.dtype), values)
    outer = [tf.cast(column[:, None], values.dtype) for column in (times, label)]
    matrix = tf.concat([outer[0], filled, outer[1]], axis=1)
    wanted = is_good & (values[:, 0] > 5) & ~tf.math.is_nan(values[:, 1])  # noqa: PLR2004 - as in the statement
    fields = tf.math.count_nonzero(~has_all)
    text = tf.math.count_nonzero(has_all) + tf.math.count_nonzero(~is_good)
    return (
        tf.boolean_mask(matrix, is_good & is_labelled),
        mask(tf.boolean_mask(users, is_good)),
        tf.boolean_mask(tf.where(is_labelled, label, tf.constant(-1, label.dtype)), is_good),
        tf.boolean_mask(ids, wanted),
        tf.boolean_mask(users, wanted),
        tf.stack([fields, text])[None],
    )


@tf.function(autograph=False, input_signature=[tf.TensorSpec([None], t) for t in (tf.int64, *[tf.string] * 3)])
def join(ids: tf.Tensor, users: tf.Tensor, user_ids: tf.Tensor, cities: tf.Tensor) -> tf.Tensor:
    """Return those of ``ids`` whose user is in the table and lives in a Premium city.

    The table comes first and its ids are unique, so a user of it is numbered by the row.
    """
    premium = tf.boolean_mask(user_ids, tf.strings.regex_full_match(cities, "(?s)Premium.*"))
    _, number = tf.unique(tf.concat([premium, users], axis=0))
    return tf.boolean_mask(ids, number[tf.size(premium) :] < tf.size(premium))


def batched(lines: tf.Tensor) -> tf.data.Dataset:
    """Return ``lines`` in batches."""
    options = tf.data.Options()
    options.autotune.enabled = False  # it would read ahead on a thread of its own
    return tf.data.Dataset.from_tensor_slices(lines).batch(BATCH).with_options(options)


def prepare(problem: Problem) -> Run:
    """Move the stream into one string, and the table of users into two."""
    stream = tf.constant(problem.stream.tobytes())
    user_ids, cities = tf.constant(problem.user_ids.tolist()), tf.constant(problem.cities.tolist())

    def run() -> Answer:
        lines = tf.strings.split(stream, "\n")
        # An empty batch first: there may be no other.
        parts = [read(batch) for batch in (tf.constant([], tf.string), *batched(lines[:-1]))]
        matrix, users, classes, ids, joining, malformed = (tf.concat(part, 0) for part in zip(*parts, strict=True))
        truncated = tf.cast(tf.strings.length(lines[-1:]) > 0, tf.int64)
        counts = tf.concat([tf.reduce_sum(malformed, axis=0), truncated], 0)
        masked = np.char.decode(users.numpy().astype(np.bytes_), "utf-8")
        joined = join(ids, joining, user_ids, cities)
        return matrix.numpy(), masked, classes.numpy(), joined.numpy(), counts.numpy()

    return run
