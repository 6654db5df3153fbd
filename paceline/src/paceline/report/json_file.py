"""The findings for programs: schema 2, whose fields never change their meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paceline.system import files

if TYPE_CHECKING:
    from pathlib import Path

    from paceline.report.outcome import Outcome

SCHEMA = 2


def text(outcome: Outcome) -> str:
    """Return the document; strict JSON, as no figure is infinite."""
    document = {
        "schema": SCHEMA,
        "base": dict(outcome.base),
        "head": dict(outcome.head),
        "machine": dict(outcome.machine),
        "alpha": outcome.alpha,
        "tolerance": outcome.tolerance,
        "seconds": round(outcome.seconds, 3),
        "benchmarks": [finding.as_json() for finding in outcome.findings],
        "values": [value.as_json() for value in outcome.values],
        "notices": list(outcome.notices),
    }
    if outcome.part is not None:
        shard = {"number": outcome.part.shard.number, "count": outcome.part.shard.count}
        document["shard"] = {**shard, "benchmarks": outcome.part.benchmarks, "digest": outcome.part.digest}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def write(outcome: Outcome, path: Path) -> None:
    """Write it whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text(outcome))
