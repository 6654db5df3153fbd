"""`paceline pages --serve` serves this machine, and ends when it is told to."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sites import History, error, simple


@contextmanager
def serving(history: History) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the server on a free port, and give its process and its port."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "paceline.cli", "pages", "--serve", "0"],
        cwd=history.project.root,
        env=history.project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                yield process, int(found[1])
                break
    finally:
        process.kill()
        process.communicate()


def test_serves_this_machine_alone_until_it_is_interrupted(history: History) -> None:
    simple(history)
    with serving(history) as (process, port):
        listening = [each.laddr for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"]
        assert listening == [("127.0.0.1", port)]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/compare.html", timeout=20) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in output


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with links that lead out of it, and into it; and what else no site has."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.html").write_text("SECRET", encoding="utf-8")
    (secret / "index.html").write_text("SECRET", encoding="utf-8")
    site = tmp_path / "site"
    for name in ("sub", "bare", "page"):
        (site / name).mkdir(parents=True)
    for name in ("index.html", "sub/index.html", "large.bin"):
        (site / name).write_text("page", encoding="utf-8")
    (site / "file.html").symlink_to(secret / "key.html")
    (site / "folder").symlink_to(secret)
    (site / "page" / "index.html").symlink_to(secret / "key.html")
    (site / "inner.html").symlink_to("sub/index.html")
    os.mkfifo(site / "fifo")
    with (site / "large.bin").open("r+b") as file:
        file.truncate(1 << 28)
    return site


@contextmanager
def served(site: Path) -> Iterator[tuple[int, Path]]:
    """Serve a site in a process of its own; give its port and the file of what it prints."""
    output = site.parent / "output"
    code = "import sys; from pathlib import Path; from paceline.pages import server;"
    code += "server.serve(Path(sys.argv[1]), 0, lambda text: print(text, flush=True))"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(site)], stdout=file, stderr=subprocess.STDOUT, text=True
        )
    try:
        while not (found := re.search(r":(\d+)/", output.read_text(encoding="utf-8"))):
            assert process.poll() is None
        yield int(found[1]), output
    finally:
        process.kill()
        process.wait()


def ask(port: int, path: str, host: str | None = "127.0.0.1", *more: str) -> bytes:
    """Return the raw answer to a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        lines = [f"GET {path} HTTP/1.1", *([] if host is None else [f"Host: {host}"]), *more, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_only_this_machines_names_and_files_of_the_site_are_served(site: Path) -> None:
    with served(site) as (port, output):
        for host in ("127.0.0.1", f"localhost:{port}", "LOCALHOST:9000"):
            assert b" 200 " in ask(port, "/", host), host
        for hostile in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost@evil", "", None):
            assert ask(port, "/", hostile).startswith(b"HTTP/1.0 421 "), hostile
        for path in ("/inner.html", "/sub/", "/?x=1", "/#a"):
            assert ask(port, path).endswith(b"page"), path
        lost = ["/file.html", "/folder/key.html", "/folder/", "/page/", "/fifo", "/bare/", "/bare"]
        lost += ["/../secret/key.html", "/%2e%2e/secret/key.html", "/..%2fsecret/key.html", "//etc/passwd"]
        lost += ["/%00", "/" + "a" * 5000, "/%ff%fe", "/sub/index.html/", "/index.html%20", "/\\evil.example/../sub"]
        for path in lost:
            answer = ask(port, path)
            assert answer.startswith(b"HTTP/1.0 404 "), (path, answer[:200])
            assert b"SECRET" not in answer
        assert b"nosniff" in ask(port, "/")
        assert output.read_text(encoding="utf-8").count("\n") == 1


def test_requests_that_break_off_leave_no_word(site: Path) -> None:
    """One that resets the connection in the middle of a large answer, one after half a line, one with rubbish."""
    with served(site) as (port, output):
        for sent in (b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /lar", b"\x16\x03\x01\x02\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(sent)
                if sent.endswith(b"\n"):
                    assert connection.recv(1)
        assert b" 200 " in ask(port, "/")
        (process,) = (each for each in psutil.process_iter() if is_server(each, site))
        while process.num_threads() > 1:
            pass
        assert output.read_text(encoding="utf-8").count("\n") == 1


def is_server(process: psutil.Process, site: Path) -> bool:
    try:
        return str(site) in process.cmdline()
    except psutil.Error:
        return False


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_port_that_is_none_is_refused_before_the_build(history: History, port: str) -> None:
    simple(history)
    assert "--serve: expected a port from 1 to 65535" in error(history.pages(f"--serve={port}"))
    assert not history.site.exists()


def test_port_that_is_taken(history: History) -> None:
    simple(history)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot serve on port {port}" in error(history.pages("--serve", str(port)))
