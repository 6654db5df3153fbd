"""One issue for each place with slowdowns, as long as they last, and never two."""

from __future__ import annotations

import json
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from hub import issues

from tests.github.documents import BASE, HEAD, change_point, check, place
from tests.github.fakehub import Fault, meet, packed

if TYPE_CHECKING:
    from tests.github.conftest import Script
    from tests.github.fakehub import Hub


def bring_up_to_date(hub: Hub, script: Script, *findings: dict[str, Any], run: int = 1) -> str:
    """Let a check find these, and run the command; returns what it printed."""
    hub.add_artifact(run, "check", packed({"check.json": json.dumps(check(*findings))}))
    done = script("issues", GITHUB_RUN_ID=str(run))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_opened_updated_closed_and_opened_again(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    (issue,) = hub.issues
    assert issue["title"] == "benchmarks.test_speed.test_speed('small') is slower by 21.0 %"
    assert "numpy 2.4.5 to 2.4.6" in issue["body"]
    assert issue["labels"] == [{"name": "slowdown"}]

    bring_up_to_date(hub, script, change_point(ratio=1.3), run=2)
    assert issue["title"].endswith("30.0 %")

    bring_up_to_date(hub, script, change_point(ratio=1.3, left=1.06), run=2)
    assert issue["title"].endswith("slower by 6.0 %")
    assert "partly recovered: 6.0 % left" in issue["body"]

    bring_up_to_date(hub, script, run=3)
    assert issue["state"] == "closed"
    assert "**Closed**" in issue["body"]
    assert "runs/3)" in issue["body"]

    bring_up_to_date(hub, script, run=4)  # stays closed, untouched
    bring_up_to_date(hub, script, change_point(), run=5)
    assert issue["state"] == "open"
    assert "**Closed**" not in issue["body"]
    assert len(hub.issues) == 1


def test_the_command_that_explains_it_is_in_the_issue(hub: Hub, script: Script) -> None:
    hostile = "t.test_a[`$(x)` @team]"
    bring_up_to_date(hub, script, change_point(benchmark=hostile, parameters=[]), change_point("abcd2", engine="asv"))
    (ours, of_asv) = hub.issues
    command = f"\n\n    paceline explain '{hostile}' {BASE} {HEAD}\n\n"
    assert command in ours["body"]
    assert "paceline explain" not in of_asv["body"]


def several(hub: Hub, script: Script, *ids: str, run: int = 1) -> list[dict[str, Any]]:
    """Let a check find slowdowns at one place, and return the open issues."""
    found = [change_point(name, benchmark=name, ratio=1.1 + number / 10) for number, name in enumerate(ids)]
    document = check(*found, places=[place(*found, cause="code")])
    hub.add_artifact(run, "check", packed({"check.json": json.dumps(document)}))
    assert script("issues", GITHUB_RUN_ID=str(run)).returncode == 0
    return [issue for issue in hub.issues if issue["state"] == "open"]


def test_one_issue_for_all_slowdowns_at_a_place(hub: Hub, script: Script) -> None:
    (issue,) = several(hub, script, "aaaa", "bbbb", "cccc", "dddd")
    assert issue["title"] == f"4 benchmarks are slower by 25.0 % (median) since {HEAD[:12]}"
    assert f"since [{HEAD[:12]}](https://example.org/{HEAD}) of 2026-11-20: Check more\n" in issue["body"]
    assert "(65, 1 measured)" in issue["body"]
    assert "- **cause**: code" in issue["body"]
    assert [name in issue["body"].partition("\n")[2] for name in ("aaaa", "cccc", "dddd")] == [True, True, False]
    assert "- and 1 more slowdowns" in issue["body"]
    (same,) = several(hub, script, "eeee", "dddd", run=2)
    assert same is issue
    assert same["title"].startswith("2 benchmarks")


def test_issues_of_slowdowns_that_turn_out_to_be_at_one_place_become_one(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point("aaaa"), change_point("bbbb"))
    assert len(hub.issues) == 2
    (issue,) = several(hub, script, "aaaa", "bbbb", run=2)
    assert issue["number"] == min(each["number"] for each in hub.issues)


def test_values_that_fell_where_more_is_better_are_worse(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point(ratio=0.8, evidence={"unit": "score", "more_is_better": True}))
    (issue,) = hub.issues
    assert issue["title"].endswith("is worse by 20.0 %")
    assert "0.800 times as much as before" in issue["body"]


def test_more_memory_is_not_called_slower(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point(ratio=1.2, evidence={"unit": "bytes"}))
    (issue,) = hub.issues
    assert issue["title"].endswith(" needs 20.0 % more memory")
    assert "paceline explain" not in issue["body"]


def test_surroundings_get_no_issue(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point(cause="surroundings"))
    assert not hub.issues


def test_nothing_new_writes_nothing(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    written = len(hub.of("PATCH")) + len(hub.of("POST"))
    bring_up_to_date(hub, script, change_point(), run=2)
    assert len(hub.of("PATCH")) + len(hub.of("POST")) == written


def test_only_slowdowns_that_are_not_known_get_an_issue(hub: Hub, script: Script) -> None:
    bring_up_to_date(
        hub,
        script,
        change_point("aaaa1", kind="faster", ratio=0.5),
        change_point("aaaa2", state="accepted", accepted={"reason": "worth it", "date": "2026-11-01"}),
        change_point("aaaa3", kind="suite-slower", benchmark="", parameters=[]),
    )
    (issue,) = hub.issues
    assert issue["title"].startswith("The whole suite is slower")


def test_a_slowdown_that_becomes_known_closes_its_issue(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    bring_up_to_date(
        hub, script, change_point(state="accepted", accepted={"reason": "worth it", "date": "2026-11-01"}), run=2
    )
    assert hub.issues[0]["state"] == "closed"


def test_a_slowdown_that_was_made_up_for_closes_its_issue(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    bring_up_to_date(hub, script, change_point(state="recovered", elsewhere=None), run=2)
    assert hub.issues[0]["state"] == "closed"


def test_a_person_who_closes_an_issue_has_decided(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    hub.issues[0]["state"] = "closed"
    assert "a person closed it" in bring_up_to_date(hub, script, change_point(ratio=1.5), run=2)
    assert hub.issues[0]["state"] == "closed"
    assert len(hub.issues) == 1


def test_an_issue_on_a_late_page_or_without_its_label_is_found(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    hub.issues[0]["labels"] = []
    for number in range(120):
        hub.add_issue(login="someone", title=f"talk {number}")
        hub.add_issue(login="someone", title="a change", body=hub.issues[0]["body"], pull_request={})
    hub.issues.append(hub.issues.pop(0))
    bring_up_to_date(hub, script, change_point(ratio=1.4), run=2)
    assert len(hub.issues) == 241
    assert hub.issues[-1]["title"].endswith("40.0 %")


def test_a_copied_marker_of_a_stranger_changes_nothing(hub: Hub, script: Script) -> None:
    copied = hub.add_issue(login="stranger", body="<!-- paceline:change-point=abcd1234 state=open -->\nmine")
    bring_up_to_date(hub, script, change_point())
    assert copied["body"].endswith("mine")
    assert copied["state"] == "open"
    assert len(hub.issues) == 2


def test_an_issue_from_long_ago_is_found(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point(), change_point("other1"))
    hub.issues[0]["updated_at"] = "2020-01-01T00:00:00Z"
    bring_up_to_date(hub, script, change_point(), change_point("other2"), run=2)
    assert len(hub.issues) == 3


def test_a_lost_answer_opens_no_second_issue(hub: Hub, script: Script) -> None:
    hub.faults.append(Fault("POST", "issues$", 502, lost=True))
    bring_up_to_date(hub, script, change_point())
    assert len(hub.issues) == 1


def test_two_runs_at_once_leave_one_open_issue(hub: Hub, script: Script) -> None:
    for run in (1, 2):
        hub.add_artifact(run, "check", packed({"check.json": json.dumps(check(change_point()))}))
    hub.meanwhile = meet(2, "POST")
    with ThreadPoolExecutor() as pool:
        jobs = [hub.environment(GITHUB_RUN_ID=str(run)) for run in (1, 2)]
        assert list(pool.map(partial(issues.run, Namespace()), jobs)) == [0, 0]
    assert [issue["state"] for issue in sorted(hub.issues, key=lambda each: each["number"])] == ["open", "closed"]
    hub.meanwhile = None
    bring_up_to_date(hub, script, change_point(), run=3)
    assert [issue["state"] for issue in hub.issues].count("open") == 1
    assert len(hub.issues) == 2


def test_no_findings_at_all_leave_the_issues_alone(hub: Hub, script: Script) -> None:
    bring_up_to_date(hub, script, change_point())
    done = script("issues", GITHUB_RUN_ID="2")  # the check failed before it wrote anything
    assert done.returncode == 0
    assert "left no findings" in done.stdout
    assert hub.issues[0]["state"] == "open"


def test_a_crowd_of_findings_is_opened_in_parts(hub: Hub, script: Script) -> None:
    said = bring_up_to_date(hub, script, *(change_point(f"crowd{number}") for number in range(53)))
    assert len(hub.issues) == 50
    assert "3 more places" in said


def test_names_show_as_text(hub: Hub, script: Script) -> None:
    hostile = "\u202et.\u200b<img src=x>@team [a](b) `c` https://evil.example #1"
    bring_up_to_date(hub, script, change_point(benchmark=hostile, machines=["<b>m</b>"], engine="@all"))
    body = hub.issues[0]["body"].partition("\n")[2].replace("<!-- -->", "\0")
    for raw in ("<img", "@team", "[a]", " `c`", "://evil", "#1", "<b>", "@all"):
        assert raw not in body
    assert "@" not in hub.issues[0]["title"]
    assert hub.issues[0]["title"].isprintable()


def test_a_repository_without_issues_is_one_line(hub: Hub, script: Script) -> None:
    hub.add_artifact(1, "check", packed({"check.json": json.dumps(check(change_point()))}))
    hub.faults.append(Fault("GET", "/issues$", 410, times=9))
    done = script("issues", GITHUB_RUN_ID="1")
    assert done.returncode == 4
    assert done.stderr.startswith("ERROR: GET ")
    assert done.stderr.count("\n") == 1
