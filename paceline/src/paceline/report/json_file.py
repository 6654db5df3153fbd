"""The verdicts as JSON, schema 2. The meaning of its fields never changes, as programs rely on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paceline.system import files
from paceline.system.host import machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paceline.report.outcome import Outcome

SCHEMA = 2


def text(outcome: Outcome, notices: Sequence[str]) -> str:
    """Return the document as strict JSON: no number is infinite or NaN."""
    document = {
        "schema": SCHEMA,
        "base": outcome.base,
        "head": outcome.head,
        "machine": machine(),
        "alpha": outcome.settings.alpha,
        "tolerance": outcome.settings.tolerance,
        "seconds": round(outcome.seconds, 3),
        "benchmarks": [finding.as_json() for finding in outcome.findings],
        "values": [value.as_json() for value in outcome.values],
        "notices": list(notices),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def write(outcome: Outcome, notices: Sequence[str], path: Path) -> None:
    """Write the document as a whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text(outcome, notices))
