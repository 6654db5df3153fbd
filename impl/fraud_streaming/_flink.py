"""Runs SQL on Flink. This is a program in Flink's own environment, and ``flink_sql`` starts it.

A line of standard input is a job to prepare, or the number of a prepared job to run, in JSON. A line of standard
output answers each. Flink runs in a Java process that ends with this one, or on the cluster at ``FLINK_ADDRESS``.
This module can only import what Flink's environment has.
"""

from __future__ import annotations

import json
import os
import sys
from queue import SimpleQueue
from struct import pack
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from py4j.protocol import Py4JJavaError
from pyflink.common import Configuration
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import ScalarFunction, udf
from pyflink.util.exceptions import JavaException

from impl._shared.autoencoder import kernels_and_biases, reconstruct

if TYPE_CHECKING:
    from collections.abc import Callable


class Score(ScalarFunction):  # type: ignore[misc] # PyFlink has no types
    """The deployed model: the error of one payment."""

    def __init__(self, weights: list[float], scale: list[float]) -> None:
        """Keep the model, which Flink takes to where it runs."""
        self.weights, self.scale = np.array(weights), np.array(scale)

    def open(self, _: object) -> None:
        """Cut the weights into layers."""
        self.pairs = kernels_and_biases(self.weights, np.reshape)

    def eval(self, *values: float) -> float:
        """Return the error for V1..V28 and Amount."""
        features = 1 + np.array([values]) / self.scale
        with np.errstate(over="ignore"):
            return float(np.square(reconstruct(self.pairs, features, np.tanh, relu) - features).mean())


class Avro(ScalarFunction):  # type: ignore[misc] # as above
    """An alert in Avro's single-object encoding, which no format of Flink's writes."""

    def __init__(self, head: str) -> None:
        """Keep what begins each alert: Avro's marker and the fingerprint of the schema, in hexadecimal digits."""
        self.head = bytes.fromhex(head)

    def eval(self, payment: int, score: float) -> bytes:
        """Return the head, a long in groups of seven bits, lowest first, and a double."""
        left, groups = payment << 1 ^ payment >> 63, bytearray()
        while left > 0x7F:  # noqa: PLR2004 - seven bits
            groups.append(left & 0x7F | 0x80)
            left >>= 7
        return self.head + bytes([*groups, left]) + pack("<d", score)


def relu(values: Any) -> Any:
    """Return ``values`` with zero for what is negative."""
    return np.maximum(values, 0.0)


def started() -> str:
    """Start Flink in the Java process, and return its address."""
    java = get_gateway().jvm.org.apache.flink
    settings = java.configuration.Configuration()
    for name, value in {
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": "0",
        "web.submit.enable": "false",
        "taskmanager.memory.managed.size": "64m",
    }.items():
        settings.setString(name, value)
    builder = java.runtime.minicluster.MiniClusterConfiguration.Builder().setConfiguration(settings)
    cluster = java.runtime.minicluster.MiniCluster(builder.setNumSlotsPerTaskManager(1).build())
    cluster.start()
    return str(cluster.getRestAddress().get().getAuthority())


def connected(address: str) -> TableEnvironment:
    """Return what plans SQL here, and runs it on Flink at ``address``."""
    host, port = address.rsplit(":", 1)
    configuration = Configuration()
    for name, value in {
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        "parallelism.default": "1",
        "pipeline.object-reuse": "true",
        "python.execution-mode": "thread",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "restart-strategy.type": "none",  # a job that starts again writes alerts again
    }.items():
        configuration.set_string(name, value)
    settings = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    return TableEnvironment.create(settings.build())


def prepare(job: dict[str, Any], address: str) -> Callable[[], object]:
    """Declare tables, views and functions of ``job``, and return what runs its last statement to the end."""
    tables = connected(address)
    score, avro = Score(job["weights"], job["scale"]), Avro(job["head"])
    number, real = DataTypes.BIGINT(), DataTypes.DOUBLE()
    tables.create_temporary_system_function("score", udf(score, [real] * 29, real))
    tables.create_temporary_system_function("avro", udf(avro, [number, real], DataTypes.BYTES()))
    *declarations, last = job["statements"]
    for declaration in declarations:
        tables.execute_sql(declaration)
    return lambda: tables.execute_sql(last).wait()


def listen(asked: SimpleQueue[Any]) -> None:
    """Pass on the lines of standard input, and end this process at their end, even if a job runs."""
    for line in sys.stdin:
        asked.put(json.loads(line))
    os._exit(0)


def serve() -> None:
    """Answer what is asked."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # answers are on the copy: Flink prints on standard output too
    asked: SimpleQueue[Any] = SimpleQueue()
    Thread(target=listen, args=(asked,), daemon=True).start()
    address = os.environ.get("FLINK_ADDRESS") or started()
    jobs: list[Callable[[], object]] = []
    while True:
        what = asked.get()
        try:
            if isinstance(what, int):
                jobs[what]()
            else:
                jobs.append(prepare(what, address))
            answer: dict[str, Any] = {"job": len(jobs) - 1}
        except (Py4JJavaError, JavaException) as error:
            answer = {"error": reason(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def reason(error: Exception) -> str:
    """Return what is at the bottom of an error of Java's, in one line."""
    text = str(error)
    return text.rsplit("Caused by: ", 1)[-1].strip().split("\n")[0]


if __name__ == "__main__":
    serve()
