"""`gate`: `paceline gate`, for the action; and the label by which a slowdown is let through.

The label counts in the one run that giving it has started, for the commit that it was given for: the event says
both. A later push starts a run whose event is another, so the label needs to be taken off and given again.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hub import install, job

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

LABEL = "slowdown-accepted"
LOGIN = r"[A-Za-z0-9-]{1,60}(?:\[bot\])?"

#: Inputs of the action that are options of the gate where they are given.
OPTIONS = {
    "PACELINE_TOLERANCE": "--benchmark-tolerance",
    "PACELINE_BUDGET": "--benchmark-budget",
}


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("gate", help="run `paceline gate` as the action's inputs say")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the gate; returns its exit status."""
    arguments = job.words(environment, "PACELINE_ARGUMENTS", "arguments")
    command = [str(install.judge_python(environment)), "-m", "paceline.cli", "gate", *_options(environment)]
    event = job.event(environment) if environment.get("GITHUB_EVENT_PATH") else {}
    giver = accepted_by(event, _tested_head())
    if giver is not None:
        commit = event["pull_request"]["head"]["sha"]
        command.append(f"--benchmark-accept=label {LABEL}, given by {giver} for {commit[:12]}")
    elif _has_label(event):
        print(
            f"::notice title=paceline::the label {LABEL} was not given for this run's commit:"
            " to let a slowdown through, take it off and give it again"
        )
    command += ["--", *arguments]
    print(shlex.join(command), flush=True)
    return subprocess.run(command, check=False).returncode


def accepted_by(event: Mapping[str, Any], tested: str) -> str | None:
    """Return who has just given the label for the commit that is tested here, None if nobody has."""
    if event.get("action") != "labeled" or job.path(event, "label", "name") != LABEL:
        return None
    if job.path(event, "pull_request", "head", "sha") != tested:
        return None
    login = job.path(event, "sender", "login")
    return login if isinstance(login, str) and re.fullmatch(LOGIN, login) else "someone"


def _has_label(event: Mapping[str, Any]) -> bool:
    labels = job.path(event, "pull_request", "labels")
    return isinstance(labels, list) and any(job.path(label, "name") == LABEL for label in labels)


def _tested_head() -> str:
    """Return the pull request's own commit: the second parent of a merge commit, else what is checked out."""
    for revision in ("HEAD^2", "HEAD"):
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", revision], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout.strip()
    return ""


def _options(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("PACELINE_AGAINST"):
        yield environment["PACELINE_AGAINST"]
    yield f"--python={sys.executable}"
    yield f"--benchmark-against-json={environment.get('PACELINE_JSON') or job.temporary(environment) / 'gate.json'}"
    for name, option in OPTIONS.items():
        if environment.get(name):
            yield f"{option}={environment[name]}"
