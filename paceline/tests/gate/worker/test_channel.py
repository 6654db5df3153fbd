"""The channel between the gate and a worker, with both ends in this process unless a test forks."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paceline.gate.worker.channel import GATE_ENDED, LONGEST, Callee, Caller, ChannelLostError

BURST = {"event": "burst", "iterations": 1, "wall": 9, "process": 9, "thread": 9, "queued": 0, "waits": 0}
BURST |= {"children": False}


@pytest.fixture
def callee() -> Iterator[Callee]:
    callee = Callee()
    yield callee
    callee.close()


@pytest.fixture
def caller(callee: Callee) -> Iterator[Caller]:
    """Return the worker's end, with a number of its own, which a worker inherits."""
    caller = Caller(str(os.dup(callee.inherited.fileno())))
    callee.hand_over()
    assert callee.receive(5) == {"event": "hello"}
    yield caller
    caller._lines.connection.close()  # noqa: SLF001


def number_of(caller: Caller) -> int:
    return int(caller._lines.connection.fileno())  # noqa: SLF001


def write(caller: Caller, text: bytes) -> None:
    """Write to a worker's channel as a test in its process can."""
    os.write(number_of(caller), text)


def test_messages_go_both_ways(callee: Callee, caller: Caller) -> None:
    callee.send({"do": "burst", "calls": 3})
    assert caller.receive() == {"do": "burst", "calls": 3}
    caller.send(BURST)
    caller.send({"event": "pinned"})
    assert callee.receive(5) == BURST
    assert callee.receive(5) == {"event": "pinned"}
    assert callee.receive(0.01) is None
    callee.close()
    with pytest.raises(ChannelLostError):
        caller.receive()


def test_worker_leaves_a_file_alone_that_has_its_number(callee: Callee, caller: Caller, tmp_path: Path) -> None:
    stolen = tmp_path / "file"
    file = os.open(stolen, os.O_CREAT | os.O_RDWR)
    os.dup2(file, number_of(caller))  # closes the socket, and puts the user's file in its place
    with pytest.raises(ChannelLostError):
        caller.send(BURST)
    assert stolen.read_bytes() == b""
    with pytest.raises(ChannelLostError, match="closed the gate's channel"):
        callee.receive(5)


def test_process_that_was_forked_from_a_worker_says_nothing(callee: Callee, caller: Caller) -> None:
    child = os.fork()
    if not child:
        try:
            caller.send(BURST)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == GATE_ENDED
    caller.send({"event": "pinned"})
    assert callee.receive(5) == {"event": "pinned"}


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 5000,
        b"null",
        b"[]",
        b"{}",
        b'{"event": ["burst"]}',
        b'{"event": "burst"}',
        b'{"event": "shutdown"}',
        json.dumps(BURST | {"iterations": 0}).encode(),
        json.dumps(BURST | {"wall": 10**400}).encode(),
        json.dumps(BURST | {"wall": 1.5}).encode(),
        json.dumps(BURST | {"children": 0}).encode(),
        json.dumps(BURST | {"more": 0}).encode(),
        b'{"event": "at", "most": true}',
        b'{"event": "collected", "errors": {}, "set_aside": [], "benchmarks": [{}], "items": [], "nanoseconds": {}}',
    ],
)
def test_whatever_is_no_message_is_refused(callee: Callee, caller: Caller, line: bytes) -> None:
    write(caller, line + b"\n")
    with pytest.raises(ChannelLostError, match="sent the gate something that is not a message"):
        callee.receive(5)


def test_line_without_an_end_is_given_up(callee: Callee, caller: Caller) -> None:
    def flood() -> None:
        with contextlib.suppress(OSError):
            for _ in range(2 * LONGEST >> 16):
                write(caller, b"x" * (1 << 16))

    thread = threading.Thread(target=flood)
    thread.start()
    with pytest.raises(ChannelLostError, match="sent the gate a message of more than 64 MiB"):
        callee.receive(60)
    assert len(callee._lines._pending) < LONGEST + (1 << 17)  # noqa: SLF001
    callee.close()
    thread.join()


def test_line_that_trickles_in_does_not_hold_the_gate(callee: Callee, caller: Caller) -> None:
    for _ in range(3):
        write(caller, b"x")
        assert callee.receive(0.01) is None


@pytest.mark.parametrize("name", ["AF_UNIX", "AF_INET"])
def test_nobody_can_take_the_place_of_a_worker(callee: Callee, name: str) -> None:
    """Neither end has an address, so there is nothing to connect to, as another side's process would."""
    own: Any = callee._lines.connection  # noqa: SLF001
    assert own.getsockname() in {"", b""}
    assert own.getpeername() in {"", b""}
    with socket.socket(getattr(socket, name)) as stranger, pytest.raises((OSError, TypeError)):
        stranger.connect(own.getsockname())
    assert callee.receive(0.01) is None
