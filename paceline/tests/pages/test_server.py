"""`paceline pages --serve` serves this machine, and ends when it is told to."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

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


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_port_that_is_none_is_refused_before_the_build(history: History, port: str) -> None:
    simple(history)
    assert f"--serve {port} is no port: name one from 1 to 65535" in error(history.pages(f"--serve={port}"))
    assert not history.site.exists()


def test_port_that_is_taken(history: History) -> None:
    simple(history)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} cannot be served" in error(history.pages("--serve", str(port)))
