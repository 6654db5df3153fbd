"""Sound documents, as a gate, a check and a recorded run write them, for tests to spoil."""

from __future__ import annotations

import math
from typing import Any

HEAD = "1f" * 20
BASE = "2e" * 20


def finding(name: str = "test_speed.py::test_a", verdict: str = "same", **more: Any) -> dict[str, Any]:
    """One benchmark of a gate."""
    return {
        "name": name,
        "verdict": verdict,
        "ratio": 1.002,
        "low": None,
        "high": 1.01,
        "rounds": 5,
        "clock": "cpu",
        "base_seconds": 0.0012,
        "head_seconds": 0.0012,
        "detectable": 0.021,
        "reason": None,
        "suspect": False,
        "tolerance": 0.03,
        "critical": True,
        "red": verdict in ("slower", "broken"),
        "unproven": verdict == "changed",
        **more,
    }


def gate(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What `--benchmark-against-json` writes."""
    side = {"revision": "HEAD", "commit": HEAD, "dirty": False, "python": "3.13.1"}
    machine = {
        "system": "Linux",
        "release": "6.1",
        "architecture": "x86_64",
        "cpus": 2,
        "usable_cpus": 2,
        "pinning": True,
    }
    return {
        "schema": 2,
        "base": {**side, "commit": BASE},
        "head": side,
        "machine": machine,
        "alpha": 0.01,
        "tolerance": 0.03,
        "seconds": 61.2,
        "benchmarks": list(findings) or [finding()],
        "values": [],
        "notices": [],
        **more,
    }


def change_point(identity: str = "abcd1234", **more: Any) -> dict[str, Any]:
    """One finding of a check."""
    return {
        "id": identity,
        "kind": "slower",
        "state": "new",
        "benchmark": "benchmarks.test_speed.test_speed",
        "parameters": ["'small'"],
        "machines": ["linux-x86_64-2c"],
        "elsewhere": "same",
        "engine": "pytest-benchmark 5.3.1",
        "environment": "",
        "ratio": 1.21,
        "left": more.get("ratio", 1.21),
        "low": 1.15,
        "high": 1.27,
        "before": BASE,
        "after": HEAD,
        "at": HEAD,
        "commits": [HEAD],
        "date": "2026-11-20T12:00:00+00:00",
        "dependencies": [{"name": "numpy", "before": "2.4.5", "after": "2.4.6"}],
        "facts": [],
        "accepted": None,
        "cause": "unclear",
        "evidence": {},
        **more,
    }


def place(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The place of some findings of a check."""
    return {
        "at": HEAD,
        "date": "2026-11-20T12:00:00+00:00",
        "subject": "Check more",
        "link": f"https://example.org/{HEAD}",
        "before": BASE,
        "after": HEAD,
        "commits": 65,
        "measured": 1,
        "cause": "unclear",
        "misfits": {},
        "findings": [each["id"] for each in findings],
        **more,
    }


def check(*findings: dict[str, Any], places: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What `paceline check --json` writes; by default each new finding has a place of its own."""
    new = [place(each) for each in findings if each["state"] == "new"]
    places = new if places is None else places
    return {"schema": 2, "places": places, "findings": list(findings), "quarantined": [], "notices": []}


def run(commit: str = HEAD, machine: str = "linux-x86_64-2c", **more: Any) -> dict[str, Any]:
    """A recorded run."""
    return {
        "commit_hash": commit,
        "env_name": "",
        "date": 1795292282000,
        "params": {"machine": machine, "os": "Linux", "arch": "x86_64"},
        "python": "3.13",
        "requirements": {},
        "env_vars": {},
        "result_columns": ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"],
        "results": {
            "benchmarks.test_speed.test_a": [[1.5e-5], [], "1", 1795292336864, 0.8, [-math.inf], [math.inf]],
            "benchmarks.test_speed.test_b": [[1.5e-5], [], "1", 1795292336864, 0.8, [1.4e-5], None],
        },
        "durations": {},
        "version": 2,
        "paceline": {"schema": 1},
        **more,
    }


def machine(name: str = "linux-x86_64-2c", **more: Any) -> dict[str, Any]:
    """A machine file."""
    return {
        "machine": name,
        "os": "Linux",
        "arch": "x86_64",
        "cpu": "x",
        "num_cpu": "2",
        "ram": "8",
        "version": 1,
        **more,
    }


def benchmarks(*names: str) -> dict[str, Any]:
    """The list of benchmarks."""
    entries = {
        name: {"name": name, "params": [], "param_names": [], "version": "1", "type": "time"} for name in names
    }
    return {"version": 2, **entries}
