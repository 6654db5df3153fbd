"""`issues`: keeps one issue open for each place where something became slower, as long as `paceline check` finds it.

A hidden marker in the issue's first line has the ids of its slowdowns. An issue belongs to the place that has one of
them. Only issues of the bot count. An issue that a person has closed stays closed. One that this command closed is
opened again if its slowdowns return.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
from statistics import median
from typing import TYPE_CHECKING, Any

from paceline.report.markdown import escape, visible
from paceline.report.terminal import percent

from hub import api as github
from hub import archive, check_findings, job
from hub.check_findings import FILE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from hub.api import Api
    from hub.check_findings import Place, Slowdown

ARTIFACT = "check"
LABEL = "slowdown"
OPEN, CLOSED = "open", "closed"
MARKER = re.compile(r"<!-- paceline:change-point=([0-9A-Za-z._,-]{4,20000}) state=(open|closed) -->")
LONGEST = 60_000
LONGEST_TITLE = 200
MOST = 50  # issues opened by one run: if everything is slower, one issue is enough
MOST_IDS = 300  # in a marker
WORST = 3  # slowdowns of a place
LISTED = 20
SHORT = 12  # digits of a commit
ACCEPTED = 8  # digits of a commit that `paceline check --accept` takes


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
    _Tracker(api, environment, job.run_address(environment, own_run)).settle(check_findings.read(content))
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

    def settle(self, found: Iterable[Place]) -> None:
        there = self._ours()
        missing = []
        for place in found:
            copies = _of(place, there)
            there = [issue for issue in there if issue not in copies]
            if copies:
                self._close_copies(copies)
                self._update(copies[0], place)
            else:
                missing.append(place)
        for issue in there:
            if issue["state"] == "open":
                self._close(issue)
        for place in missing[:MOST]:
            self._open(place)
        if len(missing) > MOST:
            print(f"::warning title=paceline::{len(missing) - MOST} more places get their issues in later runs")

    def _ours(self, **query: str) -> list[dict[str, Any]]:
        """Return the bot's issues, the oldest first.

        Labels do not count: an issue without its label would be opened twice.
        """
        every = self._api.every("issues", state="all", sort="created", direction="asc", **query)
        return sorted(filter(self._is_ours, every), key=lambda each: int(each["number"]))

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        is_issue = "pull_request" not in entry and isinstance(entry.get("number"), int)
        return is_issue and job.is_own(entry, self._environment) and MARKER.match(entry.get("body") or "") is not None

    def _open(self, place: Place) -> None:
        def find() -> dict[str, Any] | None:
            return next(iter(recent()), None)

        def recent() -> list[dict[str, Any]]:
            return _of(place, self._ours(since=self._since))

        def create() -> dict[str, Any]:
            body = {"title": title(place), "body": text(place, self._address), "labels": [LABEL]}
            made: dict[str, Any] = self._api.ask("POST", "issues", body).document()
            return made

        made = github.ensure(find, create, self._api.sleep)
        print(f"issue {made['number']}: opened for {place.at[:SHORT]}")
        self._close_copies(recent())

    def _close_copies(self, copies: list[dict[str, Any]]) -> None:
        """Close copies, such as those that two runs opened at once: both keep the oldest."""
        for copy in copies[1:]:
            if copy["state"] == "open":
                self._change(copy, {"state": "closed", "state_reason": "not_planned"})
                print(f"issue {copy['number']}: closed, as a duplicate of {copies[0]['number']}")

    def _update(self, issue: dict[str, Any], place: Place) -> None:
        marker = MARKER.match(issue["body"])
        closed_by_us = marker is not None and marker[2] == CLOSED
        if issue["state"] == "closed" and not closed_by_us:
            print(f"issue {issue['number']}: stays closed, because a person closed it")
            return
        wanted = {"title": title(place), "body": text(place, self._address), "state": "open"}
        if _without_run(issue["body"]) != _without_run(wanted["body"]) or issue["state"] != "open":
            self._change(issue, wanted)
            print(f"issue {issue['number']}: {'reopened' if closed_by_us else 'updated'}")

    def _close(self, issue: dict[str, Any]) -> None:
        rest = MARKER.sub("", issue["body"], count=1).strip()
        why = f"**Closed**: [the latest check]({self._address}) no longer finds it."
        body = f"{marker(_ids(issue), CLOSED)}\n{why}\n\n{rest}"
        self._change(issue, {"state": "closed", "state_reason": "completed", "body": body[:LONGEST]})
        print(f"issue {issue['number']}: closed, as its slowdowns are no longer found")

    def _change(self, issue: dict[str, Any], change: Mapping[str, str]) -> None:
        self._api.ask("PATCH", f"issues/{issue['number']}", dict(change))


def _ids(issue: Mapping[str, Any]) -> list[str]:
    """Return the ids in the marker of one of our issues."""
    found = MARKER.match(issue["body"])
    return found[1].split(",") if found else []


def _of(place: Place, issues: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the issues that share a slowdown with a place, open ones first: the first one stays."""
    wanted = {each.id for each in place.slowdowns}
    return sorted((each for each in issues if wanted & {*_ids(each)}), key=lambda each: each["state"] != "open")


def marker(ids: Iterable[str], state: str) -> str:
    """Return the line that marks our issues."""
    return f"<!-- paceline:change-point={','.join([*ids][:MOST_IDS])} state={state} -->"


def title(place: Place) -> str:
    """Return the title: one line of plain text, without mentions."""
    worst, *others = place.slowdowns
    what = f"{_name(worst)} {_what_it_does(place)}"
    if others:
        what = f"{len(place.slowdowns)} benchmarks {_what_it_does(place)} since {place.at[:SHORT]}"
    return visible(what).replace("@", "(at)")[:LONGEST_TITLE]


def _what_it_does(place: Place) -> str:
    """Return "is slower by 21.0 %" of times, "needs 21.0 % more memory" of bytes, "is worse by" of other values."""
    found = place.slowdowns
    is_one, units = len(found) == 1, {each.unit for each in found}
    size = percent(median(abs(each.left - 1) for each in found))
    if units == {"bytes"}:
        return f"need{'s' * is_one} {size} more memory{' (median)' * (not is_one)}"
    kind = "slower" if units == {"seconds"} else "worse"
    return f"{'is' if is_one else 'are'} {kind} by {size}{' (median)' * (not is_one)}"


def _name(slowdown: Slowdown) -> str:
    return "The whole suite" if slowdown.kind == "suite-slower" else slowdown.benchmark


def text(place: Place, address: str) -> str:
    """Return the issue: the commit, how many benchmarks by how much, and other changes at the same place."""
    found = place.slowdowns
    what = "A benchmark" if len(found) == 1 else f"{len(found)} benchmarks"
    at = f"[{place.at[:SHORT]}]({place.link})" if place.link else place.at[:SHORT]
    subject = f": {escape(place.subject[:LONGEST_TITLE])}" if place.subject else ""
    accept = f"paceline check --accept {place.at[:ACCEPTED]} --reason ..."
    lines = [
        marker((each.id for each in found), OPEN),
        f"{what} {_what_it_does(place)}, most likely since {at} of {escape(place.date[:10])}{subject}",
        "",
        *(f"- {escape(_name(each))}: {_size(each)}" for each in found[:WORST]),
        *_more(len(found) - WORST, "slowdowns"),
        "",
        *_facts(place),
        "",
        *_command(place),
        f"Found by [the latest check]({address}). The issue is closed when a check no longer finds it.",
        f"To accept it, run `{accept}` and commit `.paceline/accepted.toml`.",
    ]
    return "\n".join(lines)[:LONGEST] + "\n"


def _command(place: Place) -> list[str]:
    """Return the command that names the functions behind the worst slowdown of one of pytest's benchmarks.

    asv's have parameters apart from their names.
    """
    ours = (each for each in place.slowdowns if each.engine.startswith("pytest") and each.unit == "seconds")
    worst = next((each for each in ours if each.name and each.name == each.benchmark), None)
    if worst is None:
        return []
    command = shlex.join(["paceline", "explain", worst.name, place.before, place.after])
    return ["To name the functions that are slower, run this in a clone:", "", f"    {visible(command)}", ""]


def _size(slowdown: Slowdown) -> str:
    size = f"{slowdown.ratio:.3f} times as {'long' if slowdown.unit == 'seconds' else 'much'} as before"
    if slowdown.low is not None and slowdown.high is not None:
        size += f" (interval {slowdown.low:.3f} to {slowdown.high:.3f})"
    if slowdown.left != slowdown.ratio:
        size += f", partly recovered: {percent(abs(slowdown.left - 1))} left"
    return size


def _facts(place: Place) -> Iterator[str]:
    found = place.slowdowns
    machines = dict.fromkeys(machine for each in found for machine in each.machines)
    changes = [*dict.fromkeys(change for each in found for change in each.changes)]
    count = f"{place.measured} measured" if place.commits is None else f"{place.commits}, {place.measured} measured"
    yield f"- **commits**: after {place.before[:SHORT]}, up to {place.after[:SHORT]} ({count})"
    yield f"- **cause**: {place.cause}"
    yield f"- **machines**: {escape(', '.join(machines))}"
    yield f"- **measured by**: {escape(', '.join(dict.fromkeys(each.engine for each in found)))}"
    for name, old, new in changes[:LISTED]:
        yield f"- **also changed**: {escape(name)} {escape(old)} to {escape(new)}"
    yield from _more(len(changes) - LISTED, "other changes")


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"- and {count} more {what}"


def _without_run(body: str) -> str:
    return re.sub(r"\(https?://[^)]*/actions/runs/[0-9]+\)", "", body).strip()
