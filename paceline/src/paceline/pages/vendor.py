"""Libraries of the pages, stored here so that a site needs no network.

`vendor/manifest.json` has the source and hash of every file.

    python -m paceline.pages.vendor             # compare the files with the manifest
    python -m paceline.pages.vendor --refresh   # fetch them again from the npm registry (needs npm)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "vendor"
MANIFEST = FOLDER / "manifest.json"


@dataclass(frozen=True)
class Vendored:
    """A file of a library: its name here, its name in the package, and the SHA-256 of its content."""

    name: str
    source: str
    sha256: str


def files() -> list[Vendored]:
    """Return every file that the manifest lists."""
    return [
        Vendored(name, entry["from"], entry["sha256"])
        for library in _manifest()["libraries"]
        for name, entry in library["files"].items()
    ]


def differences() -> list[str]:
    """Return a line for each file that is missing, altered, or not in the manifest."""
    listed = {each.name: each for each in files()}
    found = {path.name for path in FOLDER.iterdir()} - {MANIFEST.name}
    lines = [f"{name} is not in the manifest" for name in sorted(found - set(listed))]
    for name, each in listed.items():
        if name not in found:
            lines.append(f"{name} is missing")
        elif _sha256(FOLDER / name) != each.sha256:
            lines.append(f"{name} differs from the manifest")
    return lines


def refresh() -> None:
    """Fetch every library at the manifest's version, and write files and hashes again."""
    manifest = _manifest()
    for library in manifest["libraries"]:
        with tempfile.TemporaryDirectory() as folder:
            _fetch(library, Path(folder))
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _fetch(library: dict[str, Any], folder: Path) -> None:
    wanted = f"{library['name']}@{library['version']}"
    done = subprocess.run(["npm", "pack", "--json", wanted], cwd=folder, check=True, capture_output=True, text=True)
    (packed,) = json.loads(done.stdout)
    if library.get("integrity", packed["integrity"]) != packed["integrity"]:
        raise SystemExit(f"{wanted} differs from what was fetched before: {packed['integrity']}")
    library["integrity"] = packed["integrity"]
    with tarfile.open(folder / packed["filename"]) as package:
        for name, entry in library["files"].items():
            member = package.extractfile(f"package/{entry['from']}")
            if member is None:
                raise SystemExit(f"{wanted} has no file {entry['from']}")
            (FOLDER / name).write_bytes(member.read())
            entry["sha256"] = _sha256(FOLDER / name)


def _manifest() -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return manifest


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Compare the files, or fetch and compare them; return 1 if a file differs."""
    parser = argparse.ArgumentParser(prog="python -m paceline.pages.vendor", description=__doc__.split("\n")[0])
    parser.add_argument("--refresh", action="store_true", help="fetch every file again from the npm registry")
    if parser.parse_args().refresh:
        refresh()
    wrong = differences()
    print("\n".join(wrong or [f"{len(files())} files match the manifest"]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
