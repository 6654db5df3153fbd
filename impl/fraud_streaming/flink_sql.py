"""Flink SQL preprocesses, and a function in Python scores one payment at a time in Flink's own process.

The statements are in ``_flink.sql``. Flink has an environment of its own, which ``make flink`` makes. Its start is
part of ``prepare``. A run submits the statement that fills both topics, and plans and deploys that job.

Flink keeps no progress here. A run after one that broke off begins at the first payment, and writes its alerts again.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from impl._shared.broker import PATIENCE, BrokerError, in_words, properties
from impl._shared.outcomes import HEAD, of_last_run
from impl._shared.topics import ALERTS, ENDS, PROGRESS, REJECTED, SOURCE, commit, opened, progress

if TYPE_CHECKING:
    from impl._shared.broker import Broker
    from impl.fraud_streaming.problem import Answer, Problem, Run

FOLDER = Path(__file__).parent

#: Made by ``make flink``.
ENVIRONMENT = Path(sys.prefix, "flink")


class Flink:
    """A process in Flink's environment, with a Java process that ends with it."""

    def __init__(self) -> None:
        """Start it."""
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        (packages,) = ENVIRONMENT.glob("lib/python*/site-packages")
        root = FOLDER.parent.parent
        self.process = subprocess.Popen(  # noqa: S603 - our own
            [ENVIRONMENT / "bin" / "python", "-m", "impl.fraud_streaming._flink"],
            cwd=root,
            # Python in the Java process finds its packages by the path. The other keeps PyFlink from importing Beam.
            env=os.environ | {"PYTHONPATH": f"{packages}:{root}", "_python_worker_execution_mode": "process"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            start_new_session=True,  # Ctrl-C is for this process, which then ends Flink
        )
        atexit.register(self.close)

    def ask(self, what: object, broker: Broker) -> int:
        """Return the number of the job that ``what`` is about, when it is prepared or has run.

        Raises ``BrokerError``. Flink itself would wait for a broker without end.
        """
        if self.process.stdin is None or self.process.stdout is None:
            raise ValueError
        with suppress(BrokenPipeError):  # standard output tells that the process has ended
            self.process.stdin.write(json.dumps(what).encode() + b"\n")
            self.process.stdin.flush()
        while not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.require(broker)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or self.last_words())
        if "error" in answer:
            raise BrokerError(f"Flink: {answer['error']}")
        return int(answer["job"])

    def require(self, broker: Broker) -> None:
        """End Flink and raise ``BrokerError`` if ``broker`` does not answer."""
        try:
            broker.admin().list_topics(timeout=PATIENCE)
        except KafkaException as error:
            self.close()
            raise broker.lost(in_words(error)) from None

    def last_words(self) -> str:
        """Return an answer that says why the process has ended."""
        self.process.wait()
        self.log.seek(0)
        *_, last = [b"it said nothing", *self.log.read().splitlines()]
        self.close()
        return json.dumps({"error": f"the process ended: {last.decode(errors='replace')}"})

    def close(self) -> None:
        """End the process, and wait for that."""
        atexit.unregister(self.close)
        started.cache_clear()
        self.process.communicate()
        self.log.close()


@cache
def started() -> Flink:
    """Return the process, which is the same for all problems."""
    return Flink()


def require_java() -> None:
    """Raise ``ModuleNotFoundError`` where Flink would not start."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=f"{home}/bin" if home else None) is None:
        raise ModuleNotFoundError(name="Java (17, on the PATH or at JAVA_HOME)")
    if properties():
        raise BrokerError(
            "flink_sql takes no KAFKA_PROPERTIES, which are librdkafka's. Unset it or leave flink_sql out."
        )


def statements(problem: Problem, servers: str) -> list[str]:
    """Return the statements for a broker at ``servers``."""
    template = Template(FOLDER.joinpath("_flink.sql").read_text(encoding="utf-8"))
    script = template.substitute(servers=servers, records=problem.records, threshold=problem.threshold)
    return [f"{statement};" for statement in script.removesuffix(";\n").split(";\n\n")]


def prepare(problem: Problem) -> Run:
    """Start Flink, fill the topic, and declare tables, views and functions."""
    require_java()
    broker = opened(problem.stream.tobytes()).broker
    consumer, ends = broker.consumer(PROGRESS), broker.consumer(ENDS)
    model = {"weights": problem.weights.tolist(), "scale": problem.scale.tolist(), "head": HEAD.hex()}
    job = started().ask({"statements": statements(problem, broker.servers), **model}, broker)

    def run() -> Answer:
        try:
            begins = {ALERTS: 0, REJECTED: 0} | progress(ends)
            begins |= {name: at + sum(1 for _ in broker.read(consumer, name, at)) for name, at in begins.items()}
            commit(consumer, {SOURCE: 0, **begins})
            started().ask(job, broker)
            answer = of_last_run(broker)
            commit(ends, {ALERTS: begins[ALERTS] + len(answer[0]), REJECTED: begins[REJECTED] + len(answer[2])})
            commit(consumer, {SOURCE: problem.records, **begins})
        except KafkaException as error:
            raise broker.lost(in_words(error)) from None
        return answer

    return run
