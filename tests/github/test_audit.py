"""Locked packages with known vulnerabilities are found; an answer that cannot be used is never called clean."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hub import audit

from tests.github.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.github.conftest import Script

LOCK = """\
# comment==1
alpha==1.0 ; python_version < "3" \\
    --hash=sha256:00
    # via beta==9
beta[extra]==2.0.post1+local \\
"""


@dataclass
class Osv:
    """osv.dev on loopback: `answer` is what it says, `asked` what it was asked."""

    answer: bytes = b'{"results": [{}, {}]}'
    status: int = 200
    asked: list[Any] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def osv() -> Iterator[Osv]:
    told = Osv()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.answer)))
            self.end_headers()
            self.wfile.write(told.answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield told
        server.shutdown()


def test_every_pin_is_asked_for_and_what_is_known_is_red(osv: Osv, command: Script, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(LOCK, encoding="utf-8")
    clean = command("audit", "lock.txt", PACELINE_OSV_URL=osv.url)
    assert (clean.returncode, clean.stdout) == (0, "no known vulnerabilities in 2 packages\n")
    ((path, asked),) = osv.asked
    assert path == "/v1/querybatch"
    assert asked["queries"] == [
        {"package": {"name": "alpha", "ecosystem": "PyPI"}, "version": "1.0"},
        {"package": {"name": "beta", "ecosystem": "PyPI"}, "version": "2.0.post1+local"},
    ]
    osv.answer = b'{"results": [{}, {"vulns": [{"id": "GHSA-1"}, {"id": "PYSEC-2"}]}]}'
    red = command("audit", "lock.txt", "--ignore=PYSEC-2", PACELINE_OSV_URL=osv.url)
    assert red.returncode == 1
    assert red.stdout.splitlines() == [
        "beta 2.0.post1+local: https://osv.dev/vulnerability/GHSA-1",
        "1 known vulnerabilities in 2 packages",
    ]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b'{"results": [{}]}'),
        (200, b'{"results": {}}'),
        (200, b"[]"),
        (200, b"<html>"),
        (200, b'{"results": [{}, {"vulns": {"id": "x"}}]}'),
        (200, b'{"results": [{}, {"vulns": [{"id": "x\\n::stop-commands::y"}]}]}'),
        (200, b'{"results": [{}, {"vulns": [{}]}]}'),
        (500, b"{}"),
        (404, b""),
    ],
)
def test_an_answer_that_cannot_be_used_is_one_line_and_not_clean(
    status: int, answer: bytes, osv: Osv, command: Script, tmp_path: Path
) -> None:
    (tmp_path / "lock.txt").write_text(LOCK, encoding="utf-8")
    osv.status, osv.answer = status, answer
    done = command("audit", "lock.txt", PACELINE_OSV_URL=osv.url)
    assert done.returncode == 4
    assert done.stderr.startswith("ERROR: ")
    assert done.stderr.count("\n") == 1
    assert "known vulnerabilities" not in done.stdout


@pytest.mark.parametrize("lock", ["", "# nothing\n", None])
def test_a_file_that_pins_nothing_is_not_clean(lock: str | None, command: Script, tmp_path: Path) -> None:
    if lock is not None:
        (tmp_path / "lock.txt").write_text(lock, encoding="utf-8")
    done = command("audit", "lock.txt", PACELINE_OSV_URL="http://127.0.0.1:9")
    assert done.returncode == 4
    assert "lock.txt" in done.stderr


def test_no_pin_of_our_own_lock_files_is_missed() -> None:
    for name in ("requirements.txt", "requirements-flink.txt", ".github/requirements-release.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line[:1].isalnum()]
        assert len(audit.read(ROOT / name)) == len(lines) > 10
