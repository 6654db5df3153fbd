"""The findings for programs: schema 2, whose fields never change their meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paceline import files
from paceline.gate.host import machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paceline.gate.trial import Trial

SCHEMA = 2


def text(trial: Trial, notices: Sequence[str]) -> str:
    """Return the document; strict JSON, as no figure is infinite."""
    document = {
        "schema": SCHEMA,
        "base": trial.base,
        "head": trial.head,
        "machine": machine(),
        "alpha": trial.settings.alpha,
        "tolerance": trial.settings.tolerance,
        "seconds": round(trial.seconds, 3),
        "benchmarks": [finding.as_json() for finding in trial.findings()],
        "values": [value.as_json() for value in trial.values],
        "notices": list(notices),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def write(trial: Trial, notices: Sequence[str], path: Path) -> None:
    """Write it whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text(trial, notices))
