"""Shows what checks of many projects found: as text, as JSON, as GitHub annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.report.annotations import AT_MOST, command
from paceline.report.check_report import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class ProjectCheck:
    """A project whose history was checked, or the error that prevented it."""

    results: str  #: folder of the history
    status: int  #: exit status of this check alone
    lines: tuple[str, ...] = ()  #: to show
    document: Mapping[str, Any] | None = None  #: what `--json` writes of this history alone
    error: str | None = None

    @property
    def has_findings(self) -> bool:
        """Whether there is a new change, or a file that could not be used."""
        return bool(self.document and (self.document["places"] or self.document["quarantined"]))


def lines(projects: Sequence[ProjectCheck]) -> Iterator[str]:
    """Yield a block for each project that has one, and a line that counts them all."""
    for each in projects:
        if each.lines:
            yield from each.lines
            yield ""
    counts = {
        "with new slowdowns": sum(each.status == 1 for each in projects),
        "with other findings": sum(not each.status and each.has_findings for each in projects),
        "without findings": sum(not each.status and not each.has_findings for each in projects),
        "not checked": sum(each.error is not None for each in projects),
    }
    count = f"{len(projects)} project{'' if len(projects) == 1 else 's'}"
    yield f"{count}: {', '.join(f'{number} {what}' for what, number in counts.items() if number)}"


def document(projects: Sequence[ProjectCheck]) -> dict[str, Any]:
    """Return everything as a JSON document (schema 2)."""
    return {
        "schema": SCHEMA,
        "projects": [
            {"results": each.results, "status": each.status, "error": each.error, "report": each.document}
            for each in projects
        ],
    }


def github(projects: Sequence[ProjectCheck]) -> Iterator[str]:
    """Yield an error for each project with new slowdowns, or that was not checked, as GitHub annotations."""
    bad = [each for each in projects if each.status]
    shown = bad if len(bad) <= AT_MOST else bad[: AT_MOST - 1]
    for each in shown:
        yield command("error", each.error or "\n".join(each.lines), each.results)
    if len(shown) < len(bad):
        yield command("error", f"{len(bad) - len(shown)} other projects. See the log of the run.")
