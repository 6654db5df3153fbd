"""Finds a project's folders: root, results, site and columns. Reads asv's configuration, but needs none."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from paceline.config import asv_conf
from paceline.config.asv_conf import CONFIGURATIONS
from paceline.config.settings import read_table
from paceline.errors import PacelineError

RESULTS = ".asv/results"
ASV_RESULTS = "results"  # asv's own default, where it has a configuration
HTML = ".asv/html"  # asv's own default is `html`, at the top of the project
OURS = ".paceline"
COLUMNS = f"{OURS}/columns"
MIRRORS = f"{OURS}/mirrors"
SHOWN = 60  # characters of a URL in the name of its mirror
AA = "aa"
MARKS = (*CONFIGURATIONS, ".git", "pyproject.toml")
#: Variables that say where S3 is: the same URL may name one bucket here and another there.
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


class Results(NamedTuple):
    """A folder of results; with a `url`, the mirror of what is there."""

    folder: Path
    url: str | None = None


def find_root(here: Path) -> Path:
    """Return the root of the project that contains a folder.

    That is the nearest folder, up to the top of the repository, with asv's configuration, [tool.paceline] or results;
    else the top of the repository; else `here`.
    """
    start = here.absolute()
    for folder in (start, *start.parents):
        if _has_history(folder) or (folder / ".git").exists():
            return here if folder == start else folder
    return here


def place(folder: Path, root: Path) -> str:
    """Return a folder's path below the project's root, as a prefix for paths: `sub/folder/`, or an empty string.

    pytest names tests by their path below its rootdir, and a project may have several; the history names them by
    their path below the project's root.
    """
    below = folder.absolute().relative_to(root.absolute()).as_posix()
    return "" if below == "." else f"{below}/"


def _has_history(folder: Path) -> bool:
    named = any((folder / name).exists() for name in CONFIGURATIONS)
    return named or (folder / RESULTS).is_dir() or bool(read_table(folder))


def results(here: Path, given: str | Path | None = None) -> Results:
    """Return where the results are: `given`, seen from `here`, else as in [tool.paceline] or asv's configuration.

    Raises PacelineError if these cannot be read.
    """
    if given and "://" not in str(given):
        return Results(here / given)
    root = find_root(here)
    asv = {} if given else asv_conf.read(root)
    default = asv.get("results_dir") or (ASV_RESULTS if asv else RESULTS)
    chosen = str(given or read_table(root).get("results") or default)
    return _mirror(root, chosen) if "://" in chosen else Results(root / chosen)


def _mirror(root: Path, url: str) -> Results:
    place = url.partition("://")[2].partition("?")[0]
    if "@" in place.partition("/")[0]:
        raise PacelineError(
            "results: the URL has credentials, which would be printed. Leave them out, and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY."
        )
    endpoint = next(filter(None, map(os.environ.get, ENDPOINTS)), "")
    digest = hashlib.sha256(f"{url} {endpoint}".encode()).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9]+", "-", place).strip("-")[:SHOWN]
    return Results(root / MIRRORS / f"{name}-{digest}" / "results", url)


def html_folder(here: Path) -> Path:
    """Return the folder for the site of the project that contains `here`."""
    root = find_root(here)
    return root / (asv_conf.read(root).get("html_dir") or HTML)


def columns_folder(results: Path) -> Path:
    """Return the folder of what is computed from a results folder: its own place below `.paceline/columns`."""
    place = Path(os.path.abspath(results))  # noqa: PTH100  # resolve() would follow links
    root = root_of(place)
    return root / COLUMNS / place.relative_to(root)


def aa_folder(results: Path) -> Path:
    """Return the folder with the results of gates of identical code."""
    return results.parent / AA


def branches(root: Path) -> tuple[str, ...]:
    """Return the branches that asv's configuration names."""
    return tuple(filter(None, asv_conf.read(root).get("branches", [])))


def commit_url(root: Path) -> str:
    """Return the address that a commit's hash is added to, of asv's configuration; empty if it names none."""
    address = str(asv_conf.read(root).get("show_commit_url") or "")
    return address if address.startswith(("http://", "https://")) else ""


def root_of(results: Path) -> Path:
    """Return the root of the project that a results folder belongs to: the nearest folder above with a mark."""
    above = results.absolute().parents
    for folder in above:
        if folder.name == OURS:  # of a mirror
            return folder.parent
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return above[0]
