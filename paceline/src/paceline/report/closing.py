"""Reports the outcome of a gate: table, notices, JSON file, and GitHub's annotations and step summary."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError, why
from paceline.report import annotations as on_github
from paceline.report import json_file, markdown
from paceline.report.terminal import summary, table, values_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline.report.outcome import Outcome


@dataclass(frozen=True)
class Closing:
    """Shows the outcome of a gate that has ended, or was interrupted."""

    outcome: Outcome
    json: Path | None = None  #: file to write
    fold: bool = True  #: many untouched benchmarks into one line

    def lines(self) -> Iterator[str]:
        """Yield the table, notices and summary; nothing if nothing was judged."""
        outcome, findings = self.outcome, self.outcome.findings
        if not findings and not outcome.values:
            if outcome.part is not None:
                yield f"shard {outcome.part.shard}: no benchmark of {outcome.part.benchmarks} is in it"
            return
        base = str(outcome.base.get("commit") or "the same code")[:12]
        part = f"shard {outcome.part.shard}: " if outcome.part else ""
        yield (
            f"{part}head against {outcome.base.get('revision') or 'another environment'} ({base});"
            f" tolerance {outcome.tolerance:.1%}, at most {outcome.alpha:.1%} false alarms"
        )
        yield from map(_no_command, table(findings, fold=self.fold))
        if outcome.values:
            yield from ("", *map(_no_command, values_table(outcome.values)), "")
        yield from (f"note: {notice}" for notice in outcome.notices)
        yield summary(findings, outcome.seconds)
        if _is_on_github():
            yield from on_github.lines(findings)

    def write(self) -> None:
        """Write the JSON file and GitHub's step summary where asked. Raises PacelineError."""
        outcome, target = self.outcome, "GitHub's step summary"
        try:
            _add_to_step_summary(markdown.page(outcome.findings, outcome.seconds, outcome.notices))
            if self.json:
                target = str(self.json)
                json_file.write(outcome, self.json)
        except OSError as error:
            raise PacelineError(
                f"cannot write {target}: {why(error)}. Check the folder's permissions and free space."
            ) from None


def explain(error: Exception) -> Iterator[str]:
    """Write to GitHub's step summary why there is no verdict, and yield an annotation for the log."""
    with contextlib.suppress(OSError):  # the error itself matters more
        _add_to_step_summary(f"### paceline: nothing was judged\n\n{markdown.escape(str(error))}\n")
    if _is_on_github():
        yield on_github.command("error", str(error))


def _no_command(line: str) -> str:
    """Return a line that does not begin with `::`: a benchmark's name must not start a workflow command."""
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def _is_on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _add_to_step_summary(text: str) -> None:
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if step_summary:
        with Path(step_summary).open("a", encoding="utf-8") as file:
            file.write(text)
