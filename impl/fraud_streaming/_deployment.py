"""A scorer deployed onto the stream: consumes in batches, and writes what the contender finds, each once.

Every so many records all that was written is acknowledged, and the offset that was reached is committed. A run that
finds such an offset before the end goes on from there: first it reads what was written since, which it does not
write again. This needs no transactions, and an alert can be read as soon as it is written.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from impl._shared import outcomes
from impl._shared.broker import PATIENCE, BrokerError, in_words
from impl._shared.topics import ALERTS, ENDS, PROGRESS, REJECTED, SOURCE, commit, opened, produce, progress
from impl.fraud_streaming.problem import WRONG_FIELDS, WRONG_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from confluent_kafka import Consumer, KafkaError, Message, Producer

    from impl._shared.broker import Broker
    from impl._shared.outcomes import Alert
    from impl.fraud_streaming.problem import Answer, Problem, Run

    #: Takes batches of records, and gives an outcome for each batch, in order.
    Detect = Callable[[Iterator[list[bytes]]], Iterable["Outcome"]]

#: Records between two commits. What was consumed since is consumed again by the run that goes on.
BETWEEN_COMMITS = 20_000

#: In a record that has all of its fields.
COMMAS = 33


class Outcome(NamedTuple):
    """What is found in a batch, by places in it: alerts with id and score, malformed records with reasons."""

    alerts: list[tuple[int, int, float]]
    rejected: list[tuple[int, str]]


def deploy(problem: Problem, detect: Detect, most: int) -> Run:
    """Fill the topic, and return a run that hands ``detect`` batches of at most ``most`` records."""
    broker = opened(problem.stream.tobytes()).broker
    clients = Clients(broker, broker.consumer(PROGRESS), broker.consumer(ENDS), broker.producer())

    def run() -> Answer:
        stream = Stream(clients, problem.records, most)
        try:
            return stream.watch(detect)
        except KafkaException as error:
            raise broker.lost(in_words(error)) from None

    return run


class Clients(NamedTuple):
    """Connections, which cost more than a short run does."""

    broker: Broker
    consumer: Consumer
    ends: Consumer
    producer: Producer


class Stream:
    """One run: what it has consumed, and what of its records is acknowledged, by the offset of the payment."""

    def __init__(self, clients: Clients, records: int, most: int) -> None:
        """Expect ``records`` on the topic, and hand out at most ``most`` at a time."""
        self.clients, self.records, self.most = clients, records, most
        self.alerts: dict[int, Alert] = {}
        self.rejected: dict[int, str] = {}
        self.begins: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        self.handed: deque[list[Message]] = deque()
        self.failure: BrokerError | None = None

    def watch(self, detect: Detect) -> Answer:
        """Consume to the end of the topic; return what is acknowledged; raises ``BrokerError``."""
        committed = self.begin()
        try:
            for outcome in detect(self.batches(committed)):
                messages = self.handed.popleft()
                self.write(messages, outcome)
                reached = (messages[-1].offset() or 0) + 1
                if reached - committed >= BETWEEN_COMMITS:
                    committed = self.commit(reached)
            self.require_acknowledged()
            commit(self.clients.ends, self.ends)
            commit(self.clients.consumer, {SOURCE: self.records, **self.begins})
        except Exception:
            self.leave_nothing_on_its_way()
            # tf.data makes an error of its own of what its source raised.
            if self.failure is not None:
                raise self.failure from None
            raise
        finally:
            self.clients.consumer.unassign()
        return outcomes.as_answer(self.alerts.items(), self.rejected.items())

    def begin(self) -> int:
        """Return the offset to begin at: 0, or where a run broke off, with what is written already."""
        broker, consumer, ends, _ = self.clients
        begun = progress(consumer)
        start = begun.pop(SOURCE, self.records)
        if start < self.records:
            self.begins = begun
            written = list(outcomes.alerts(broker, consumer, begun[ALERTS]))
            refused = list(outcomes.rejected(broker, consumer, begun[REJECTED]))
            self.alerts, self.rejected = dict(written), dict(refused)
            self.ends = {ALERTS: begun[ALERTS] + len(written), REJECTED: begun[REJECTED] + len(refused)}
            return start
        self.begins = {ALERTS: 0, REJECTED: 0} | progress(ends)
        self.ends = dict(self.begins)
        return self.commit(0)

    def batches(self, start: int) -> Iterator[list[bytes]]:
        """Yield batches of records until the topic ends; keep an error, whoever takes the batches."""
        broker, consumer = self.clients.broker, self.clients.consumer
        consumer.assign([TopicPartition(SOURCE, 0, start)])
        reached, has_ended = start, False
        try:
            while reached < self.records or not has_ended:
                messages = broker.batch(consumer, self.most)
                read = [message for message in messages if message.error() is None]
                has_ended = len(read) < len(messages)
                if read:
                    reached = (read[-1].offset() or 0) + 1
                    self.handed.append(read)
                    yield in_lines(read)
            self.require_end(reached)
        except BrokerError as error:
            self.failure = error
            raise

    def require_end(self, reached: int) -> None:
        """Raise ``BrokerError`` if there are more records than were expected."""
        if reached > self.records:
            raise BrokerError(f"topic {SOURCE} has {reached:,} records, and not {self.records:,}")

    def write(self, messages: list[Message], outcome: Outcome) -> None:
        """Write what was found in ``messages``, unless it is on a topic already."""
        producer = self.clients.producer
        for place, payment, score in outcome.alerts:
            offset = messages[place].offset() or 0
            if offset not in self.alerts:
                kept = partial(self.keep, self.alerts, offset, (payment, score))
                produce(producer, ALERTS, outcomes.encode(payment, score), key=str(offset), on_delivery=kept)
        for place, reason in outcome.rejected:
            record, offset = messages[place].value() or b"", messages[place].offset() or 0
            if offset not in self.rejected:
                kept = partial(self.keep, self.rejected, offset, reason)
                produce(producer, REJECTED, record, key=str(offset), headers={"reason": reason}, on_delivery=kept)
        producer.poll(0)

    def keep(self, kept: dict[int, Any], offset: int, what: object, error: KafkaError | None, to: Message) -> None:
        """Note that the broker has acknowledged ``what``, or why it has not."""
        if error is not None:
            self.failure = self.clients.broker.lost(f"topic {to.topic()}: {error.str()}")
            return
        kept[offset] = what
        self.ends[str(to.topic())] = (to.offset() or 0) + 1

    def leave_nothing_on_its_way(self) -> None:
        """Let nothing be written after another run has read what is written."""
        if self.clients.broker.is_lost:
            self.clients.producer.purge()
        else:
            self.clients.producer.flush(PATIENCE)

    def require_acknowledged(self) -> None:
        """Wait until all is acknowledged that was written; raises ``BrokerError`` if it is not."""
        self.clients.broker.flush(self.clients.producer)
        if self.failure is not None:
            raise self.failure

    def commit(self, reached: int) -> int:
        """Return ``reached``, of which another run goes on if this one breaks off."""
        self.require_acknowledged()
        commit(self.clients.consumer, {SOURCE: reached, **self.begins})
        return reached


def in_lines(messages: list[Message]) -> list[bytes]:
    """Return the records as UTF-8, with a control character in place of each line feed."""
    values = [message.value() or b"" for message in messages]
    try:
        text = b"\n".join(values).decode()
    except UnicodeDecodeError:
        values = [value.decode(errors="replace").encode() for value in values]
    else:
        if text.count("\n") < len(values):
            return values
    return [value.replace(b"\n", b"\0") for value in values]


def refused(records: list[bytes], well_formed: Iterable[int]) -> list[tuple[int, str]]:
    """Return the places of all ``records`` but the ``well_formed``, each with what is wrong."""
    return [
        (place, WRONG_TEXT if records[place].count(b",") == COMMAS else WRONG_FIELDS)
        for place in sorted(set(range(len(records))).difference(well_formed))
    ]
