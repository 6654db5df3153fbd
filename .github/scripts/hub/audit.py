"""`audit`: asks osv.dev for known vulnerabilities of locked packages, as pip-audit does.

It sends names and versions of public packages, and nothing else.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paceline.errors import PacelineError
from paceline.system import strict

from hub import job

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

ADDRESS = "https://api.osv.dev"
AT_ONCE = 1000  # queries: osv.dev takes no more
TIMEOUT = 60.0
LARGEST = 20_000_000
PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==(?P<version>[\w.!+-]+)", re.ASCII)


class Pin(NamedTuple):
    """A package at a version."""

    name: str
    version: str


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("audit", help="report known vulnerabilities of locked packages")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a lock file, with NAME==VERSION at the start of lines"
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="ID",
        help="a vulnerability that was reviewed: do not report it",
    )


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Print the vulnerabilities, and return 1 if there are any."""
    pins = sorted({pin for name in arguments.files for pin in read(Path(name))})
    found = 0
    for start in range(0, len(pins), AT_ONCE):
        some = pins[start : start + AT_ONCE]
        for pin, identity in _vulnerabilities(environment.get("PACELINE_OSV_URL", ADDRESS), some):
            if identity not in arguments.ignore:
                found += 1
                print(f"{pin.name} {pin.version}: https://osv.dev/vulnerability/{identity}")
    print(f"{found or 'no'} known vulnerabilities in {len(pins)} packages")
    return 1 if found else 0


def read(path: Path) -> list[Pin]:
    """Return the packages that a lock file pins. Raises PacelineError if there are none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise PacelineError(f"cannot read {path}: {error}. Name a lock file.") from None
    pins = [Pin(found["name"], found["version"]) for line in lines if (found := PIN.match(line))]
    if not pins:
        raise PacelineError(f"{path} pins no package. Name a lock file, with NAME==VERSION at the start of lines.")
    return pins


def _vulnerabilities(address: str, pins: Sequence[Pin]) -> Iterator[tuple[Pin, str]]:
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in pins]
    results = job.path(_ask(f"{address}/v1/querybatch", {"queries": queries}), "results")
    if not isinstance(results, list) or len(results) != len(pins):
        raise PacelineError("osv.dev did not answer every question. Run this again.")
    for pin, result in zip(pins, results, strict=True):
        for row in strict.array(job.path(result, "vulns") or [], pin.name, LARGEST):
            yield pin, strict.text(job.path(row, "id"), pin.name, r"[A-Za-z0-9-]{1,60}")


def _ask(address: str, body: object) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            content = answer.read(LARGEST)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise PacelineError(f"cannot reach {address}: {error}. Run this again.") from None
    return strict.loads(content, "osv.dev's answer")
