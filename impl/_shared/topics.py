"""The topics of the fraud pipeline: payments come in on one, alerts and malformed records go out on two others.

What a run that broke off leaves is on the broker and nowhere else: the offsets that it committed, and what it wrote.
So another run goes on from there, in any process, and writes nothing twice.
"""

from __future__ import annotations

import atexit
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.cimpl import NewTopic

from impl._shared.broker import PATIENCE, Broker, BrokerError, address, in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from confluent_kafka import Consumer, Producer

SOURCE, ALERTS, REJECTED = TOPICS = ("creditcardfraud_source", "fraud_alerts", "fraud_rejected")

#: The group whose offsets say how far a run came, and where its own alerts and rejected records begin.
PROGRESS = "fraud_streaming"

#: The group whose offsets say where those of the last complete run end.
ENDS = "fraud_streaming_ends"


class Topics:
    """A broker with the three topics."""

    def __init__(self) -> None:
        """Start a broker or connect to another one, and make the topics that it lacks; raises ``BrokerError``."""
        self.broker = Broker()
        self.made = self._make()
        atexit.register(self.close)

    def _make(self) -> list[str]:
        """Return the topics that were made."""
        admin = self.broker.admin()
        there = admin.list_topics(timeout=PATIENCE).topics
        for name in TOPICS:
            if name in there and (partitions := len(there[name].partitions)) != 1:
                raise BrokerError(f"topic {name} has {partitions} partitions, and this pipeline reads one")
        missing = [name for name in TOPICS if name not in there]
        wanted = admin.create_topics([NewTopic(name, 1) for name in missing]) if missing else {}
        for name, made in wanted.items():
            try:
                made.result(PATIENCE)
            except KafkaException as error:
                raise BrokerError(f"topic {name} cannot be made: {in_words(error)}") from None
        return missing

    def fill(self, payments: Sequence[bytes]) -> None:
        """Write ``payments``, unless they are there; raises ``BrokerError`` where there is anything else."""
        reader = self.broker.consumer(PROGRESS)
        if SOURCE in self.made:
            self.write(payments)
            commit(reader, dict.fromkeys(TOPICS, 0))  # a topic of this name may have been deleted before
        else:
            self._compare(payments)
        for name in (ALERTS, REJECTED):
            if name not in self.made and not progress(reader) and any(self.broker.read(reader, name)):
                raise self._other(name, "it is not empty, and no run has left its progress")

    def write(self, payments: Iterable[bytes]) -> None:
        """Write ``payments`` to the topic that they come in on, and wait until they are acknowledged."""
        producer = self.broker.producer()
        for payment in payments:
            produce(producer, SOURCE, payment)
        self.broker.flush(producer)

    def _compare(self, payments: Sequence[bytes]) -> None:
        count = 0
        for count, message in enumerate(self.broker.read(self.broker.consumer(PROGRESS), SOURCE), 1):
            if count > len(payments) or message.value() != payments[count - 1]:
                raise self._other(SOURCE, f"record {count:,} is {message.value() or b''!r:.60}")
        if count < len(payments):
            raise self._other(SOURCE, f"it has {count:,} records, and not {len(payments):,}")

    def _other(self, name: str, why: str) -> BrokerError:
        return BrokerError(
            f"topic {name} at {self.broker.servers} has other data: {why}. Delete it, or use another broker."
        )

    def close(self) -> None:
        """End the broker that was started here; on another one, delete the topics that were made here."""
        atexit.unregister(self.close)
        if address() and self.made and not self.broker.is_lost:
            admin = self.broker.admin()
            with suppress(KafkaException):  # the broker may have gone before
                for deleted in admin.delete_topics(self.made).values():
                    deleted.result(PATIENCE)
        self.broker.close()


_open: dict[str, Topics] = {}


def opened(stream: bytes, *, filled: bool = True) -> Topics:
    """Return topics with the payments of ``stream``, one a line; those of another stream are closed first.

    If they are not to be ``filled``, someone else writes the payments.
    """
    key = sha256(stream).hexdigest()
    if key not in _open or _open[key].broker.is_lost:
        close()
        topics = Topics()
        _open[key] = topics
        if filled:
            topics.fill(stream.split(b"\n"))
    return _open[key]


def close() -> None:
    """Close the topics that are open."""
    while _open:
        _open.popitem()[1].close()


def produce(producer: Producer, topic: str, value: bytes, **more: Any) -> None:
    """Write a record, and wait while too many are on their way."""
    while True:
        try:
            producer.produce(topic, value, **more)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def progress(consumer: Consumer) -> dict[str, int]:
    """Return the offsets that the group of ``consumer`` committed, by topic; raises ``KafkaException``."""
    found = consumer.committed([TopicPartition(name, 0) for name in TOPICS], PATIENCE)
    return {each.topic: each.offset for each in found if each.offset >= 0}


def commit(consumer: Consumer, offsets: dict[str, int]) -> None:
    """Commit ``offsets``, by topic, for the group of ``consumer``; raises ``KafkaException``."""
    consumer.commit(offsets=[TopicPartition(name, 0, at) for name, at in offsets.items()], asynchronous=False)
