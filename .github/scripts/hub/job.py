"""Reads the event and the environment that GitHub gives a job. They come from GitHub, not from the pull request."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMIT = r"[0-9a-f]{40}"


def event(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read the event that started the job. Raises PacelineError."""
    path = Path(environment.get("GITHUB_EVENT_PATH", ""))
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PacelineError(
            f"cannot read GITHUB_EVENT_PATH {str(path)!r}: {error}. Run this in a job on GitHub."
        ) from None
    if not isinstance(document, dict):
        raise PacelineError(f"GITHUB_EVENT_PATH {str(path)!r}: expected a JSON object")
    return document


def run_id(environment: Mapping[str, str]) -> int:
    """Return the number of the job's own run. Raises PacelineError."""
    number = environment.get("GITHUB_RUN_ID", "")
    if not re.fullmatch(r"[0-9]{1,20}", number):
        raise PacelineError(f"GITHUB_RUN_ID is {number!r}, expected a number. Run this in a job on GitHub.")
    return int(number)


def commit(environment: Mapping[str, str]) -> str:
    """Return the commit that the job runs for. Raises PacelineError."""
    sha = environment.get("GITHUB_SHA", "")
    if not re.fullmatch(COMMIT, sha):
        raise PacelineError(f"GITHUB_SHA is {sha!r}, expected a commit. Run this in a job on GitHub.")
    return sha


def words(environment: Mapping[str, str], variable: str, called: str) -> list[str]:
    """Split an input of the action as a shell does. `called` is its name. Raises PacelineError."""
    text = environment.get(variable, "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise PacelineError(f"the input `{called}` is {text!r}: {error}") from None


def temporary(environment: Mapping[str, str]) -> Path:
    """Return the job's temporary folder, outside of the checkout."""
    return Path(environment.get("RUNNER_TEMP") or tempfile.gettempdir())


def run_address(environment: Mapping[str, str], run: int) -> str:
    """Return the address of a run's page."""
    server = environment.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    return f"{server}/{environment.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"


def path(document: Any, *keys: str) -> Any:
    """Return the value at these nested keys; None if one is missing."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def is_own(entry: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return whether the job's own bot wrote this comment or issue: others may copy a marker."""
    return bool(path(entry, "user", "login") == environment.get("PACELINE_BOT", "github-actions[bot]"))
