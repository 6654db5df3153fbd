"""What the fraud pipeline writes, and what the topics hold of it.

An alert is in Avro's single-object encoding, which needs no registry of schemas: each record begins with the
fingerprint of its schema. The key of every record is the offset of the payment that it is about.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from impl._shared.broker import BrokerError
from impl._shared.topics import ALERTS, PROGRESS, REJECTED, SOURCE, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from confluent_kafka import Consumer, Message
    from numpy.typing import NDArray

    from impl._shared.broker import Broker

    Alert = tuple[int, float]  #: the payment's id, and its score
    Answer = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.str_]]

SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "FraudAlert",
        "fields": [{"name": "id", "type": "long"}, {"name": "score", "type": "double"}],
    }
)

#: Avro's marker, and the fingerprint, whose bytes fastavro gives in the order in which Avro writes them.
HEAD = b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(SCHEMA), "CRC-64-AVRO"))


def encode(payment: int, score: float) -> bytes:
    """Return an alert for the id of a ``payment`` and its score."""
    written = BytesIO()
    written.write(HEAD)
    schemaless_writer(written, SCHEMA, {"id": payment, "score": score})
    return written.getvalue()


def decode(record: bytes, where: str) -> Alert:
    """Return an alert's id and score; raises ``BrokerError`` with ``where`` if the schema is another."""
    if not record.startswith(HEAD):
        found, own = record[: len(HEAD)].hex(), HEAD.hex()
        raise BrokerError(f"{where}: unknown schema: the alert begins with {found}, and FraudAlert with {own}")
    alert: Any = schemaless_reader(BytesIO(record[len(HEAD) :]), SCHEMA, None)
    return alert["id"], alert["score"]


def alerts(broker: Broker, consumer: Consumer, start: int) -> Iterator[tuple[int, Alert]]:
    """Yield the alerts from the offset ``start`` on, each with the offset of its payment."""
    for message in broker.read(consumer, ALERTS, start):
        yield _payment(message), decode(message.value() or b"", f"topic {ALERTS}, offset {message.offset()}")


def rejected(broker: Broker, consumer: Consumer, start: int) -> Iterator[tuple[int, str]]:
    """Yield the offsets of rejected records, each with the reason, from the offset ``start`` on."""
    for message in broker.read(consumer, REJECTED, start):
        headers: dict[str, Any] = dict(message.headers() or [])
        yield _payment(message), headers.get("reason", b"").decode()


def _payment(message: Message) -> int:
    """Return the offset of the payment that ``message`` is about."""
    return int(message.key() or -1)


def as_answer(alerted: Iterable[tuple[int, Alert]], refused: Iterable[tuple[int, str]]) -> Answer:
    """Return ids, scores, offsets of rejected records and reasons, all in the order of the payments."""
    found, malformed = sorted(alerted), sorted(refused)
    return (
        np.array([payment for _, (payment, _) in found], np.int64),
        np.array([score for _, (_, score) in found], np.float64),
        np.array([offset for offset, _ in malformed], np.int64),
        np.array([reason for _, reason in malformed], np.str_),
    )


def of_last_run(broker: Broker) -> Answer:
    """Return what the topics hold of the last run; raises ``BrokerError`` if none has begun."""
    consumer = broker.consumer(PROGRESS)
    begun = progress(consumer)
    if SOURCE not in begun:
        raise BrokerError(f"{broker.kind}: no run has left its progress")
    return as_answer(
        alerts(broker, consumer, begun[ALERTS]),
        rejected(broker, consumer, begun[REJECTED]),
    )
