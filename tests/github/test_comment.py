"""The comment lands once, on the right pull request, fork or not; what is not sure is not posted."""

from __future__ import annotations

import json
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hub import comment

from tests.github.documents import HEAD, finding, gate
from tests.github.fakehub import Fault, meet, packed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.conftest import Script
    from tests.github.fakehub import Hub

RUN = 77


def event(
    owner: str = "owner", branch: str = "topic", sha: str = HEAD, run: int = RUN, **more: Any
) -> dict[str, Any]:
    """A `workflow_run` event of a gate."""
    fork = {"owner": {"login": owner}}
    told = {"id": run, "event": "pull_request", "head_sha": sha, "head_branch": branch, "head_repository": fork}
    return {"action": "completed", "workflow_run": {**told, **more}}


def give(hub: Hub, *findings: dict[str, Any], run: int = RUN) -> None:
    hub.add_artifact(run, "gate", packed({"gate.json": json.dumps(gate(*findings))}))


def test_one_comment_that_is_brought_up_to_date(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    hub.add_comment(number, "nice work", login="reviewer")
    give(hub, finding(), finding("t.py::test_b", "slower", ratio=1.2, low=1.1, high=1.3, reason="accepted: why"))
    assert script("comment", event=event()).returncode == 0
    give(hub, finding(), run=78)
    assert script("comment", event=event(run=78)).returncode == 0
    assert [each["user"]["login"] for each in hub.comments[number]] == ["reviewer", "github-actions[bot]"]
    assert "Nothing is slower" in hub.comments[number][1]["body"]
    assert "runs/78)" in hub.comments[number][1]["body"]


def test_flame_graphs_are_linked_if_there_are_any(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    give(hub, finding())
    script("comment", event=event())
    assert "flame graphs" not in hub.comments[number][0]["body"]
    hub.add_artifact(RUN, "flamegraphs", b"never fetched")
    script("comment", event=event())
    (identity,) = (each["id"] for each in hub.artifacts[RUN] if each["name"] == "flamegraphs")
    link = f"[flame graphs](https://github.com/owner/project/actions/runs/{RUN}/artifacts/{identity})."
    assert link in hub.comments[number][0]["body"]


def test_what_is_slower_stands_first_and_the_rest_is_folded(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    give(hub, finding("t.py::test_a"), finding("t.py::test_b", "slower"), finding("t.py::test_c", "unsure"))
    script("comment", event=event())
    body = hub.comments[number][0]["body"]
    before, _, folded = body.partition("<details>")
    assert "test\\_b" in before
    assert "test\\_a" not in before
    assert "test\\_a" in folded
    assert "test\\_c" in folded
    assert "<summary>2 more</summary>" in folded
    assert f"https://github.com/owner/project/actions/runs/{RUN}" in before


def test_suspects_stand_above_what_is_merely_unsure(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    suspect = finding(
        "t.py::test_b", "unsure", low=1.1, high=1.3, suspect=True, reason="9 more rounds would settle it"
    )
    give(hub, finding("t.py::test_a", "unsure"), suspect)
    script("comment", event=event())
    before, _, folded = hub.comments[number][0]["body"].partition("<details>")
    assert "2 unsure, 1 of them suspect" in before
    assert "| **" not in folded
    assert "9 more rounds" in before
    assert "test\\_b" in before
    assert "test\\_a" in folded


def test_notices_are_shown_as_text_and_values_are_understood(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    value = {"name": "b.py::track", "unit": "MB", "base": -1.5, "head": None, "reason": "head: skipped"}
    document = gate(notices=["not applied in a gate: -n", "see @team"], values=[value])
    hub.add_artifact(RUN, "gate", packed({"gate.json": json.dumps(document)}))
    done = script("comment", event=event())
    assert done.returncode == 0, done.stderr
    body = hub.comments[number][0]["body"]
    assert "- not applied in a gate: -n\n" in body
    assert "@team" not in body


def test_a_pull_request_of_a_fork_is_found(hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)  # same branch name and commit, but the base repository's own
    number = hub.add_pull(HEAD, owner="stranger")
    give(hub)
    script("comment", event=event(owner="stranger"))
    assert len(hub.comments[number]) == 1
    assert sum(map(len, hub.comments.values())) == 1


def test_odd_branch_names_are_quoted(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD, branch="a&state=closed#ü b")
    give(hub)
    script("comment", event=event(branch="a&state=closed#ü b"))
    assert len(hub.comments[number]) == 1


@pytest.mark.parametrize(
    "told",
    [
        event(sha="3d" * 20),  # the branch has moved on
        event(branch="other"),
        event(owner="stranger"),
        event(head_repository=None),  # the fork was deleted
        event(event="push"),
        {},
    ],
)
def test_nothing_is_posted_where_the_pull_request_is_not_certain(told: Any, hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)
    hub.add_pull(HEAD, state="closed")
    give(hub)
    done = script("comment", event=told)
    assert done.returncode == 0, done.stderr
    assert "nothing to post" in done.stdout
    assert hub.of("POST") + hub.of("PATCH") == []


def test_nothing_is_posted_if_two_pull_requests_have_this_head(hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)
    hub.add_pull(HEAD)
    give(hub)
    assert "nothing to post" in script("comment", event=event()).stdout
    assert hub.of("POST") == []


def test_a_run_without_findings_posts_nothing(hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)
    assert "left no artifact" in script("comment", event=event()).stdout


def test_an_older_run_never_overwrites_a_newer_one(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    give(hub, finding("t.py::test_new"), run=90)
    give(hub, finding("t.py::test_old"), run=80)
    script("comment", event=event(run=90))
    script("comment", event=event(run=80))
    (kept,) = hub.comments[number]
    assert "test\\_new" in kept["body"]


def test_a_newer_run_that_wrote_meanwhile_is_not_overwritten(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    there = hub.add_comment(number, "<!-- paceline:gate run=1 -->\nold")
    give(hub, finding("t.py::test_old"), run=80)
    newer = "<!-- paceline:gate run=90 -->\nnewer"

    def write(method: str, path: str) -> None:
        if method == "GET" and "/issues/comments/" in path:  # the list was read, and is about to be acted on
            there["body"] = newer

    hub.meanwhile = write
    assert script("comment", event=event(run=80)).returncode == 0
    assert there["body"] == newer
    assert hub.of("PATCH") == []


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["same"], "Nothing is slower. "),
        (["same", "faster", "new"], "Nothing is slower. "),
        (["unsure", "unsure"], "No slowdown found; 2 unsure. "),
        (["same", "unsure"], "No slowdown found; 1 unsure. "),
        (["new", "unavailable"], "Nothing was judged. "),
        ([], "Nothing was judged. "),
        (["slower", "unsure"], ""),
    ],
)
def test_that_nothing_is_slower_is_said_only_where_it_is_known(
    verdicts: list[str], said: str, hub: Hub, script: Script
) -> None:
    number = hub.add_pull(HEAD)
    findings = [finding(f"t.py::test_{place}", verdict) for place, verdict in enumerate(verdicts)]
    content = gate(*findings) | {"benchmarks": findings}
    hub.add_artifact(RUN, "gate", packed({"gate.json": json.dumps(content)}))
    assert script("comment", event=event()).returncode == 0
    body = hub.comments[number][0]["body"]
    assert f"\n{said}Commit {HEAD[:12]}" in body
    before, _, folded = body.partition("<details>")
    assert before.count("| unsure |") == verdicts.count("unsure") * ("slower" not in verdicts)
    assert folded.count("| unsure |") == verdicts.count("unsure") * ("slower" in verdicts)


def test_a_copied_marker_is_not_ours(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    copied = hub.add_comment(number, "<!-- paceline:gate run=1 -->\nmine", login="stranger")
    give(hub)
    script("comment", event=event())
    assert copied["body"].endswith("mine")
    assert len(hub.comments[number]) == 2


def test_the_sticky_comment_is_found_on_a_late_page(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    for place in range(250):
        hub.add_comment(number, f"talk {place}", login="reviewer")
    hub.add_comment(number, "<!-- paceline:gate run=1 -->\nold")
    give(hub)
    script("comment", event=event())
    assert len(hub.comments[number]) == 251
    assert "Nothing is slower" in hub.comments[number][-1]["body"]


def test_a_lost_answer_leaves_no_second_comment(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    give(hub)
    hub.faults.append(Fault("POST", "comments", 502, lost=True))
    done = script("comment", event=event())
    assert done.returncode == 0, done.stderr
    assert len(hub.comments[number]) == 1


def test_two_runs_at_once_leave_one_comment(hub: Hub, tmp_path: Path) -> None:
    number = hub.add_pull(HEAD)
    jobs = {80: finding("t.py::test_first"), 81: finding("t.py::test_last")}
    for run, found in jobs.items():
        give(hub, found, run=run)
        (tmp_path / f"{run}.json").write_text(json.dumps(event(run=run)), encoding="utf-8")
    hub.meanwhile = meet(2, "POST")
    with ThreadPoolExecutor() as pool:
        events = [hub.environment(GITHUB_EVENT_PATH=str(tmp_path / f"{run}.json")) for run in jobs]
        assert list(pool.map(partial(comment.run, Namespace()), events)) == [0, 0]
    (kept,) = hub.comments[number]
    assert "test\\_last" in kept["body"]


def test_a_locked_conversation_is_one_line(hub: Hub, script: Script) -> None:
    hub.add_pull(HEAD)
    hub.faults.append(Fault("POST", "comments", 403))
    give(hub)
    done = script("comment", event=event())
    assert done.returncode == 4
    assert "is the conversation open?" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_long_comment_stays_below_githubs_limit(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    many = [finding(f"t.py::test_{place}[{'x' * 200}]", "slower" if place % 2 else "same") for place in range(600)]
    give(hub, *many)
    assert script("comment", event=event()).returncode == 0
    body = hub.comments[number][0]["body"]
    assert 50_000 < len(body) <= 60_000
    assert "more lines are in the summary of the run" in body


def test_what_a_stranger_wrote_shows_as_text(hub: Hub, script: Script) -> None:
    number = hub.add_pull(HEAD)
    reason = "@team #1 https://evil.example <img src=x> | `x` [a](b)\n\n# Title\u202e"
    give(hub, finding("t.py::test_a", "broken", ratio=None, low=None, high=None, reason=reason))
    script("comment", event=event())
    body = hub.comments[number][0]["body"].replace("<!-- -->", "\0")
    for raw in ("@team", "#1", "://evil", "<img", " `x`", "[a]", "\n# Title", "\u202e"):
        assert raw not in body
