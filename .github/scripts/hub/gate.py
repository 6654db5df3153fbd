"""`gate`: runs `paceline gate` for the action, and accepts slowdowns by a label.

The label counts in the run that it started, for the commit that it was given for. The event names both. A later push
starts a run with another event, so the label must be taken off and given again.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.system import strict

from hub import install, job

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

LABEL = "slowdown-accepted"
LOGIN = r"[A-Za-z0-9-]{1,60}(?:\[bot\])?"

#: Inputs of the action that become options of the gate.
OPTIONS = {
    "PACELINE_TOLERANCE": "--benchmark-tolerance",
    "PACELINE_BUDGET": "--benchmark-budget",
    "PACELINE_SHARD": "--benchmark-shard",
}


def add(commands: Any) -> None:
    """Add the command to the command line."""
    commands.add_parser("gate", help="run `paceline gate` with the action's inputs")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the gate and return its exit status."""
    arguments = job.words(environment, "PACELINE_ARGUMENTS", "arguments")
    command = [str(install.judge_python(environment)), "-m", "paceline.cli", "gate", *_options(environment)]
    event = job.event(environment) if environment.get("GITHUB_EVENT_PATH") else {}
    giver = accepted_by(event, _tested_head())
    if giver is not None:
        commit = event["pull_request"]["head"]["sha"]
        command.append(f"--benchmark-accept=label {LABEL}, given by {giver} for {commit[:12]}")
    elif _has_label(event):
        print(
            f"::notice title=paceline::the label {LABEL} was not given for this run's commit."
            " To accept a slowdown, take it off and give it again."
        )
    command += ["--", *arguments]
    print(shlex.join(command), flush=True)
    path = _document(environment)
    _remove(path)
    expected = {"base": _commit(environment.get("PACELINE_AGAINST", "")), "head": _commit("HEAD")}
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        _insist_on_green(path, expected)
    return status


def _remove(path: Path) -> None:
    """Remove an old JSON file: a checkout may contain one."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PacelineError(f"the input `json` is {str(path)!r}, which cannot be written: {error.strerror}") from None


def _insist_on_green(path: Path, expected: Mapping[str, str]) -> None:
    """Raise PacelineError unless the findings exist, are of these commits, and have nothing red.

    The status alone is not enough: a process that ends early with success would be a green gate.
    """
    try:
        document = strict.loads(path.read_bytes(), path.name)
    except OSError as error:
        raise PacelineError(
            f"the gate ended with status 0, but left no {path.name}: {error.strerror}. See its log."
        ) from None
    for side, commit in expected.items():
        found = job.path(document, side, "commit")
        if commit and found != commit:
            raise PacelineError(
                f"the gate ended with status 0, but {path.name} is of {side} {strict.quoted(found)}, not {commit}."
                " See its log."
            )
    rows = job.path(document, "benchmarks")
    if not isinstance(rows, list) or not all(job.path(row, "red") is False for row in rows):
        raise PacelineError(
            f"the gate ended with status 0, but {path.name} has red or unreadable benchmarks. See its log."
        )


def accepted_by(event: Mapping[str, Any], tested: str) -> str | None:
    """Return who has given the label for the tested commit; None if nobody has."""
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
    """Return the pull request's own commit: the second parent of a merge commit, or else HEAD."""
    return _commit("HEAD^2") or _commit("HEAD")


def _commit(revision: str) -> str:
    """Return a revision's commit; an empty text if there is none."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if revision and done.returncode == 0 else ""


def _document(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("PACELINE_JSON") or job.temporary(environment) / "gate.json")


def _options(environment: Mapping[str, str]) -> Iterator[str]:
    against = environment.get("PACELINE_AGAINST", "")
    if against.startswith("-"):
        raise PacelineError(f"the input `against` is {against!r}, expected a revision such as HEAD^1")
    if against:
        yield against
    yield f"--python={sys.executable}"
    yield f"--benchmark-against-json={_document(environment)}"
    yield f"--benchmark-flamegraph={_document(environment).parent / 'flamegraphs'}"
    for name, option in OPTIONS.items():
        if environment.get(name):
            yield f"{option}={environment[name]}"
