"""`issues`: keeps one issue open for each slowdown, as long as `paceline check` finds it.

A hidden marker in the issue's first line has the slowdown's id. Only issues of the bot count. An issue that a person
has closed stays closed. One that this command closed is opened again if its slowdown returns.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
from typing import TYPE_CHECKING, Any

from paceline.report.markdown import escape, visible
from paceline.report.terminal import percent

from hub import api as github
from hub import archive, check_findings, job
from hub.check_findings import FILE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from hub.api import Api
    from hub.check_findings import ChangePoint

ARTIFACT = "check"
LABEL = "slowdown"
OPEN, CLOSED = "open", "closed"
MARKER = re.compile(r"<!-- paceline:change-point=([0-9A-Za-z._-]{4,64}) state=(open|closed) -->")
LONGEST = 60_000
LONGEST_TITLE = 200
MOST = 50  # issues opened by one run: if everything is slower, one issue is enough
LISTED = 20


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("issues", help="update issues from the findings of `paceline check --json`")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Open, update, close and reopen issues."""
    api = github.Api.of_job(environment)
    own_run = job.run_id(environment)
    packed = github.artifact(api, own_run, ARTIFACT, check_findings.LARGEST)
    if packed is None:
        print("::warning title=paceline::the check left no findings. Issues stay as they are.")
        return 0
    content = archive.members(packed, re.escape(FILE), 1, check_findings.LARGEST)[FILE]
    found = [each for each in check_findings.read(content) if each.is_alarm]
    _Tracker(api, environment, job.run_address(environment, own_run)).settle(found)
    return 0


class _Tracker:
    """The bot's issues in the repository."""

    def __init__(self, api: Api, environment: Mapping[str, str], address: str) -> None:
        self._api = api
        self._environment = environment
        self._address = address
        # Clocks differ; an hour costs nothing.
        hour_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
        self._since = hour_ago.strftime("%Y-%m-%dT%H:%M:%SZ")

    def settle(self, found: Iterable[ChangePoint]) -> None:
        wanted = {each.id: each for each in found}
        there = self._by_id()
        for identity, copies in there.items():
            self._close_copies(copies)
            if identity in wanted:
                self._update(copies[0], wanted[identity])
            elif copies[0]["state"] == "open":
                self._close(copies[0], identity)
        missing = [each for identity, each in wanted.items() if identity not in there]
        for each in missing[:MOST]:
            self._open(each)
        if len(missing) > MOST:
            print(f"::warning title=paceline::{len(missing) - MOST} more slowdowns get their issues in later runs")

    def _by_id(self, **query: str) -> dict[str, list[dict[str, Any]]]:
        """Return the bot's issues by id, the oldest first: that one stays.

        Labels do not count: an issue without its label would be opened twice.
        """
        ours: dict[str, list[dict[str, Any]]] = {}
        for entry in self._api.every("issues", state="all", sort="created", direction="asc", **query):
            identity = self._identity(entry)
            if identity is not None:
                ours.setdefault(identity, []).append(entry)
        return {name: sorted(copies, key=lambda each: int(each["number"])) for name, copies in ours.items()}

    def _identity(self, entry: Mapping[str, Any]) -> str | None:
        marker = MARKER.match(entry.get("body") or "")
        is_issue = "pull_request" not in entry and isinstance(entry.get("number"), int)
        return marker[1] if marker and is_issue and job.is_own(entry, self._environment) else None

    def _open(self, point: ChangePoint) -> None:
        def find() -> dict[str, Any] | None:
            return next(iter(recent()), None)

        def recent() -> list[dict[str, Any]]:
            return self._by_id(since=self._since).get(point.id, [])

        def create() -> dict[str, Any]:
            body = {"title": title(point), "body": text(point, self._address), "labels": [LABEL]}
            made: dict[str, Any] = self._api.ask("POST", "issues", body).document()
            return made

        made = github.ensure(find, create, self._api.sleep)
        print(f"issue {made['number']}: opened for {point.id}")
        self._close_copies(recent())

    def _close_copies(self, copies: list[dict[str, Any]]) -> None:
        """Close copies that two runs opened at once; both keep the oldest."""
        for copy in copies[1:]:
            if copy["state"] == "open":
                self._change(copy, {"state": "closed", "state_reason": "not_planned"})
                print(f"issue {copy['number']}: closed, as a duplicate of {copies[0]['number']}")

    def _update(self, issue: dict[str, Any], point: ChangePoint) -> None:
        marker = MARKER.match(issue["body"])
        closed_by_us = marker is not None and marker[2] == CLOSED
        if issue["state"] == "closed" and not closed_by_us:
            print(f"issue {issue['number']}: stays closed, because a person closed it")
            return
        wanted = {"title": title(point), "body": text(point, self._address), "state": "open"}
        if _without_run(issue["body"]) != _without_run(wanted["body"]) or issue["state"] != "open":
            self._change(issue, wanted)
            print(f"issue {issue['number']}: {'reopened' if closed_by_us else 'updated'}")

    def _close(self, issue: dict[str, Any], identity: str) -> None:
        rest = MARKER.sub("", issue["body"], count=1).strip()
        why = f"**Closed**: [the latest check]({self._address}) no longer finds it."
        body = f"{marker(identity, CLOSED)}\n{why}\n\n{rest}"
        self._change(issue, {"state": "closed", "state_reason": "completed", "body": body[:LONGEST]})
        print(f"issue {issue['number']}: closed, as {identity} is no longer found")

    def _change(self, issue: dict[str, Any], change: Mapping[str, str]) -> None:
        self._api.ask("PATCH", f"issues/{issue['number']}", dict(change))


def marker(identity: str, state: str) -> str:
    """Return the line that marks our issues."""
    return f"<!-- paceline:change-point={identity} state={state} -->"


def title(point: ChangePoint) -> str:
    """Return the title: one line of plain text, without mentions."""
    what = "The whole suite" if point.kind == "suite-slower" else point.benchmark
    more = f"{what} is slower by {percent(point.left - 1)}"
    return visible(more).replace("@", "(at)")[:LONGEST_TITLE]


def text(point: ChangePoint, address: str) -> str:
    """Return the issue: benchmark, size, machines, commits, and other changes at the same place."""
    times = f"{point.ratio:.3f} times as long as before"
    if point.low is not None and point.high is not None:
        times += f" (interval {point.low:.3f} to {point.high:.3f})"
    if point.left != point.ratio:
        times += f". It is partly recovered: {percent(point.left - 1)} left"
    lines = [
        marker(point.id, OPEN),
        f"{escape(point.benchmark or 'The whole suite')} takes {times}.",
        "",
        f"- **machines**: {escape(', '.join(point.machines))}",
        f"- **other machines**: {escape(point.elsewhere)}",
        f"- **measured by**: {escape(point.engine)}",
        f"- **since**: {escape(point.date)}, after {_commit(point.before)}, seen at {_commit(point.after)}",
        f"- **commits**: {', '.join(map(_commit, point.commits[:LISTED]))}{_more(len(point.commits))}",
        *(f"- **also changed**: {escape(name)} {escape(old)} to {escape(new)}" for name, old, new in point.changes),
        "",
        *_command(point),
        f"Found by [the latest check]({address}). The issue is closed when a check no longer finds it.",
        f"To accept it, run `paceline check --accept {point.id} --reason ...` and commit `.paceline/accepted.toml`.",
    ]
    return "\n".join(lines)[:LONGEST] + "\n"


def _command(point: ChangePoint) -> list[str]:
    """Return the command that names the functions behind a slowdown, if it is of one benchmark of pytest.

    asv's have parameters apart from their names.
    """
    if not point.engine.startswith("pytest") or not point.name or point.name != point.benchmark:
        return []
    command = shlex.join(["paceline", "explain", point.name, point.before, point.after])
    return ["To name the functions that are slower, run this in a clone:", "", f"    {visible(command)}", ""]


def _without_run(body: str) -> str:
    return re.sub(r"\(https?://[^)]*/actions/runs/[0-9]+\)", "", body).strip()


def _commit(sha: str) -> str:
    return sha[:12]


def _more(count: int) -> str:
    return f" and {count - LISTED} more" if count > LISTED else ""
