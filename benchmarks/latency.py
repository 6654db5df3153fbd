"""Measures how long it takes from a payment to its alert, at a fixed rate: ``python -m benchmarks.latency``.

Payments are written, and alerts read, by a process of their own. The time of a payment is when it is due, not when it
could be written, so a scorer that falls behind cannot hide it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks import catalog
from benchmarks.first_call import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKLOAD = "fraud_streaming"


def feed(records: int, rate: float) -> list[float]:
    """Write the payments of a problem of so many ``records``, and return the latency of each alert in seconds."""
    from impl._shared.topics import ALERTS, PROGRESS, SOURCE, Topics, produce

    module = catalog.problem_module(WORKLOAD)
    payments = module.make((records,)).stream.tobytes().split(b"\n")
    expected = len(module.truth(records)[0])
    broker = Topics().broker
    producer, consumer = broker.producer(), broker.consumer(PROGRESS)
    alerts = broker.follow(consumer, ALERTS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    begin, written, seconds = perf_counter() + 1, 0, list[float]()
    while written < records or len(seconds) < expected:
        due = min(records, int((perf_counter() - begin) * rate) + 1) if perf_counter() > begin else 0
        for payment in payments[written:due]:
            produce(producer, SOURCE, payment)
        written = max(written, due)
        producer.poll(0)
        message = alerts(1 / rate)
        if message is not None:
            seconds.append(perf_counter() - begin - int(message.key() or 0) / rate)
    broker.flush(producer)
    return seconds


def measure(contender: str, records: int, rate: float) -> list[float]:
    """Return the latencies of ``contender``, and check what it wrote; may raise ``Unavailable``."""
    from impl._shared import topics

    module = catalog.problem_module(WORKLOAD)
    problem = module.make((records,))
    warm = module.make(module.SIZES["small"])
    catalog.prepare(WORKLOAD, contender, warm)()  # compiles
    broker = topics.opened(problem.stream.tobytes(), filled=False).broker
    run = catalog.prepare(WORKLOAD, contender, problem)
    command = [sys.executable, "-m", "benchmarks.latency", "--feed", "--records", str(records), "--rate", str(rate)]
    environment = os.environ | {"KAFKA_BOOTSTRAP_SERVERS": broker.servers}
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE) as feeder:  # noqa: S603 - our own
        if feeder.stdout is None or not feeder.stdout.readline():
            raise RuntimeError("the process that writes the payments ended before it began")
        module.check(problem, run())
        found: list[float] = json.loads(feeder.stdout.read())
    return found


def line(contender: str, seconds: Sequence[float]) -> str:
    """Return what is printed of a contender's latencies."""
    *_, last = statistics.quantiles(seconds, n=100)
    return f"{contender:<26}{1e3 * statistics.median(seconds):8.1f} ms {1e3 * last:8.1f} ms {len(seconds):8,} alerts"


def main() -> None:
    """Measure the contenders that the command line names, or all of them."""
    say: Any = sys.stdout.write
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rate", type=float, default=2_000.0, help="payments a second (default: 2000)")
    parser.add_argument("--records", type=int, default=30_000, help="payments in all (default: 30000)")
    parser.add_argument("--contender", help="only these, separated by commas")
    parser.add_argument("--feed", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.feed:
        say(json.dumps(feed(given.records, given.rate)))
        return
    module = catalog.problem_module(WORKLOAD)
    names = given.contender.split(",") if given.contender else catalog.contenders(WORKLOAD)
    say(f"from payment to alert through {module.recorded()['broker']}, {given.rate:,.0f} payments a second\n")
    say(f"{'contender':<26}{'median':>11}{'99 %':>12}\n")
    for name in names:
        try:
            say(line(name, measure(name, given.records, given.rate)) + "\n")
        except catalog.Unavailable as reason:
            say(f"{name:<26} n/a: {reason}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
