"""`comment`: keeps one comment up to date on the pull request that a gate has judged.

It may write to pull requests, and runs after a job that ran untrusted code. The artifact is untrusted too: it gives
the gate's findings, and nothing else. GitHub is asked which pull request it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.report.markdown import escape, row
from paceline.report.terminal import HEADINGS, cells, in_order, reasons, summary
from paceline.report.verdicts import LET_THROUGH, UNSURE, Verdict

from hub import api as github
from hub import archive, gate_findings, job
from hub.gate_findings import FILE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from paceline.report.outcome import Outcome
    from paceline.report.verdicts import Finding

    from hub.api import Api

ARTIFACT = "gate"
FLAMES = "flamegraphs"
MARKER = re.compile(r"<!-- paceline:gate run=([0-9]{1,20}) -->")
LONGEST = 60_000  # characters; GitHub takes 65 536
SHOWN = 600  # characters of a reason
NOTICES = 10


@dataclass(frozen=True)
class Judged:
    """The run that judged, and the commit that it judged, as GitHub reports them."""

    run: int
    commit: str
    owner: str
    branch: str


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("comment", help="post a gate's findings on its pull request (workflow_run)")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Post or update the comment. If the pull request is not certain, post nothing and print the reason."""
    judged = _judged(job.event(environment))
    if judged is None:
        print("nothing to post: the run was not of a pull request, or its fork was deleted")
        return 0
    api = github.Api.of_job(environment)
    packed = github.artifact(api, judged.run, ARTIFACT, gate_findings.LARGEST)
    if packed is None:
        print(f"nothing to post: run {judged.run} left no artifact {ARTIFACT!r}. See its log.")
        return 0
    gate = gate_findings.read(archive.members(packed, re.escape(FILE), 1, gate_findings.LARGEST)[FILE])
    number = _pull_request(api, judged)
    if number is None:
        print(f"nothing to post: expected one open pull request with its head at {judged.commit}")
        return 0
    address = job.run_address(environment, judged.run)
    flames = github.newest_artifact(api, judged.run, FLAMES)
    graphs = f"{address}/artifacts/{flames['id']}" if flames is not None else None
    _post(api, environment, number, judged, page(gate, judged, address, graphs))
    return 0


def _judged(event: dict[str, Any]) -> Judged | None:
    """Return the needed part of a `workflow_run` event; None if a fork was deleted."""
    told = job.path(event, "workflow_run")
    found = (
        job.path(told, "id"),
        job.path(told, "head_sha"),
        job.path(told, "head_repository", "owner", "login"),
        job.path(told, "head_branch"),
    )
    if job.path(told, "event") != "pull_request" or not isinstance(found[0], int):
        return None
    if not all(isinstance(text, str) and text for text in found[1:]) or not re.fullmatch(job.COMMIT, found[1]):
        return None
    return Judged(*found)


def _pull_request(api: Api, judged: Judged) -> int | None:
    """Return the number of the one open pull request of this branch that still has this head."""
    numbers = [
        each["number"]
        for each in api.every("pulls", state="open", head=f"{judged.owner}:{judged.branch}")
        if job.path(each, "head", "sha") == judged.commit
        and job.path(each, "head", "ref") == judged.branch
        and job.path(each, "head", "repo", "owner", "login") == judged.owner
        and isinstance(each.get("number"), int)
    ]
    return numbers[0] if len(numbers) == 1 else None


def page(gate: Outcome, judged: Judged, address: str, graphs: str | None = None) -> str:
    """Return the comment: red, slower, broken and suspect benchmarks, or else unsure ones; the rest is folded.

    `graphs`: address of the flame graphs, if the run left any.
    """
    pairs = in_order(gate.findings)
    urgent = any(finding.urgency <= LET_THROUGH for finding in gate.findings)
    last = LET_THROUGH if urgent else UNSURE
    top = [pair for pair in pairs if pair[0].urgency <= last]
    rest = [pair for pair in pairs if pair[0].urgency > last]
    links = f"[details of this run]({address})" + (f", [flame graphs]({graphs})" if graphs else "")
    head = [
        f"<!-- paceline:gate run={judged.run} -->",
        f"### paceline: {escape(summary(gate.findings, gate.seconds)) if pairs else 'no benchmark'}",
        "",
        f"{_in_short(gate.findings)}Commit {judged.commit[:12]}, {links}.",
        "",
    ]
    parts = [*(f"- {escape(notice[:SHOWN])}" for notice in gate.notices[:NOTICES]), *[""] * bool(gate.notices)]
    parts += _table(top)
    if rest:
        parts += ["<details>", f"<summary>{len(rest)} {'more' if top else 'in all'}</summary>", "", *_table(rest)]
    return _within(head, parts, tail=["</details>"] if rest else [])


def _in_short(findings: Sequence[Finding]) -> str:
    """Return the result in short. `Nothing is slower` needs proof for every benchmark."""
    verdicts = [finding.verdict for finding in findings]
    if {Verdict.SLOWER.value, Verdict.BROKEN.value} & set(verdicts):
        return ""
    if unsure := verdicts.count(Verdict.UNSURE.value):
        suspects = sum(finding.suspect for finding in findings)
        more = f", {suspects} of them suspect" if suspects else ""
        return f"No slowdown found; {unsure} unsure{more}. "
    if unproven := sum(finding.unproven for finding in findings):
        return f"No slowdown found; {unproven} not judged because of one side. "
    judged = {Verdict.SAME.value, Verdict.FASTER.value} & set(verdicts)
    return "Nothing is slower. " if judged else "Nothing was judged. "


def _within(head: Sequence[str], parts: Sequence[str], tail: Sequence[str]) -> str:
    """Join lines up to GitHub's limit for a comment. Rows of the tables are left out."""
    left = LONGEST - sum(len(line) + 1 for line in [*head, *tail]) - 200
    kept: list[str] = []
    for number, line in enumerate(parts):
        left -= len(line) + 1
        if left < 0:
            inside = "<details>" in kept
            note = ["", f"{len(parts) - number} more lines are in the summary of the run.", ""]
            return "\n".join([*head, *kept, *note, *(tail if inside else [])]) + "\n"
        kept.append(line)
    return "\n".join([*head, *kept, *tail]) + "\n"


def _table(pairs: Sequence[tuple[Finding, str]]) -> list[str]:
    if not pairs:
        return []
    rows = [row([escape(cell) for cell in cells(finding, name)]) for finding, name in pairs]
    told = [f"- {escape(text[:SHOWN])}" for text in reasons(pairs)]
    return [row(HEADINGS), row(["---"] * len(HEADINGS)), *rows, "", *told, *([""] if told else [])]


def _post(api: Api, environment: Mapping[str, str], number: int, judged: Judged, text: str) -> None:
    """Update our comment. The oldest one stays; copies from a race are deleted."""

    def ours() -> list[dict[str, Any]]:
        found = [each for each in api.every(f"issues/{number}/comments") if _is_ours(each, environment)]
        return sorted(found, key=lambda each: int(each["id"]))

    def first() -> dict[str, Any] | None:
        return next(iter(ours()), None)

    def create() -> dict[str, Any]:
        made: dict[str, Any] = api.ask("POST", f"issues/{number}/comments", {"body": text}).document()
        return made

    kept = github.ensure(first, create, api.sleep)
    for copy in [each for each in ours() if each["id"] != kept["id"]]:
        older, newer = sorted((kept, copy), key=lambda each: int(each["id"]))
        _remove(api, newer["id"])
        kept = older
    # Another run may have written since the list was read; between here and the PATCH it still may.
    kept = api.ask("GET", f"issues/comments/{kept['id']}").document()
    if kept["body"] != text and _run_of(kept) <= judged.run:
        api.ask("PATCH", f"issues/comments/{kept['id']}", {"body": text})
    print(f"pull request {number}: comment {kept['id']} is up to date")


def _remove(api: Api, comment: int) -> None:
    try:
        api.ask("DELETE", f"issues/comments/{comment}")
    except github.ApiError as error:
        if error.status != 404:  # the other writer of the race was quicker
            raise


def _is_ours(entry: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    body = entry.get("body")
    is_sticky = isinstance(body, str) and MARKER.match(body) is not None
    return is_sticky and isinstance(entry.get("id"), int) and job.is_own(entry, environment)


def _run_of(comment: Mapping[str, Any]) -> int:
    marker = MARKER.match(comment["body"])
    return int(marker[1]) if marker else 0
