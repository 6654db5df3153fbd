"""Reads a gate's findings from the artifact of a pull request's job: every field is untrusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.report import json_file

if TYPE_CHECKING:
    from paceline.report.outcome import Outcome

FILE = "gate.json"
LARGEST = 4_000_000
#: As pytest writes ids of the usual parameters. Others are refused with the whole file, and named in the job's log.
NAME = r"[A-Za-z0-9_./:\[\](),=+%~ -]{1,300}"


def read(content: bytes) -> Outcome:
    """Read a gate's document. Raises MalformedError."""
    return json_file.read(content, FILE, NAME)
