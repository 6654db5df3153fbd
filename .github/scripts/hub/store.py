"""`store`: adds the runs of this workflow's jobs to the shared history, a branch of files that never change."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.system.strict import MalformedError, quoted

from hub import api as github
from hub import archive, gate_findings, job, result_files
from hub.branch import Branch, immutable
from hub.gate_findings import FILE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from hub.api import Api

BRANCH = "benchmark-results"
RESULTS = "results"  # the folder of the runs on it
LARGEST = 20_000_000  # bytes of an artifact


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("store", help="add this workflow's results to the branch of results")
    parser.add_argument("artifacts", nargs="+", metavar="ARTIFACT", help="names of this run's artifacts")
    parser.add_argument("--aa", action="store_true", help="they are gates of a commit against itself")
    parser.add_argument("--remote", help="the repository to push to (default: the job's own)")
    parser.add_argument("--branch", default=BRANCH, help="default: %(default)s")


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Check the artifacts and append them. Missing ones are named; if all are missing, the job fails."""
    api = github.Api.of_job(environment)
    prefix = f"aa/{_day(api, job.run_id(environment))}-{job.run_id(environment)}" if arguments.aa else ""
    files: dict[str, bytes] = {}
    for name in arguments.artifacts:
        packed = github.artifact(api, job.run_id(environment), name, LARGEST)
        if packed is None:
            print(f"::warning title=paceline::no artifact {name}. See the log of its job.")
            continue
        _join(files, _gate(packed, prefix) if arguments.aa else _results(packed, environment))
    if not files:
        raise PacelineError(f"nothing to store: none of {', '.join(arguments.artifacts)} exists")
    remote = arguments.remote or _remote(environment)
    message = (
        result_files.commit_message(files, job.commit(environment))
        if not arguments.aa
        else "Add a gate of identical code"
    )
    with Branch.of(remote, arguments.branch, api.token) as branch:

        def settle(path: str, old: bytes | None, new: bytes) -> bytes:
            return _settle(path, old, new, lambda: _newest(branch, files))

        commit = branch.append(files, message, settle)
    print(f"{arguments.branch}: {commit or 'nothing new'}")
    return 0


def _results(packed: bytes, environment: Mapping[str, str]) -> dict[str, bytes]:
    files = archive.members(packed, result_files.NAMES, result_files.MOST, result_files.LARGEST)
    result_files.check(files, job.commit(environment))
    return {f"{RESULTS}/{name}": content for name, content in files.items()}


def _gate(packed: bytes, prefix: str) -> dict[str, bytes]:
    content = archive.members(packed, re.escape(FILE), 1, gate_findings.LARGEST)[FILE]
    gate_findings.read(content)
    # Named by its content: repeating the whole run measures again, repeating only this job does not.
    return {f"{prefix}-{hashlib.sha256(content).hexdigest()[:8]}.json": content}


def _day(api: Api, run: int) -> str:
    """Return the day on which the run was first started: a repeated run keeps it."""
    document = api.ask("GET", f"actions/runs/{run}").document()
    created = job.path(document, "created_at")
    if not isinstance(created, str) or not re.match(r"\d{4}-\d\d-\d\dT", created):
        raise PacelineError(f"GitHub's answer to actions/runs/{run}: expected a date, got {quoted(created)}")
    return created[:10]


def _join(files: dict[str, bytes], more: Mapping[str, bytes]) -> None:
    for path, content in more.items():
        files[path] = _settle(path, files.get(path), content)


def _newest(branch: Branch, files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the newest version of each benchmark, of what is there and of what is added."""
    there = {**dict(branch.read(RESULTS)), **files}
    return result_files.newest_versions(run for path, run in there.items() if not result_files.is_shared(path))


def _settle(path: str, old: bytes | None, new: bytes, newest: Callable[[], Mapping[str, str]] = dict) -> bytes:
    if old is None or not result_files.is_shared(path):
        return immutable(path, old, new)
    try:
        return result_files.merge(old, new, path, newest)
    except (MalformedError, TypeError, AttributeError, KeyError, ValueError):
        print(f"::warning title=paceline::{path} on the branch cannot be read, and is replaced")
        return new


def _remote(environment: Mapping[str, str]) -> str:
    server = environment.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    return f"{server}/{environment['GITHUB_REPOSITORY']}.git"
