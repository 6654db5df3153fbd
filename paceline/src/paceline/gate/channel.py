"""JSON lines between the gate and a worker, on a socket of their own.

Standard streams belong to the test. A test may even close every descriptor: the worker then dials again, and
never writes to a file that has taken over its number. Standard library only: workers load this.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Message = dict[str, Any]

ADDRESS = "PACELINE_WORKER"  # variable of the environment that tells a worker where its gate is
MAX_UNIX_PATH = 100  # bytes; the system's limit is 104 (macOS) or 108 (Linux)
DIALS_AGAIN_WITHIN = 2.0  # seconds between a lost connection and the worker's new one, or its end


class ChannelLostError(Exception):
    """The other side is gone."""


class _Lines:
    """Sends and receives one JSON object per line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._pending = b""

    def send(self, message: Message) -> None:
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Message:
        """Wait for a message. Raises TimeoutError by the socket's time-out, ChannelLostError at the end."""
        while b"\n" not in self._pending:
            received = self.connection.recv(1 << 16)
            if not received:
                raise ChannelLostError
            self._pending += received
        line, self._pending = self._pending.split(b"\n", 1)
        message: Message = json.loads(line)
        return message


class Caller:
    """The worker's end."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._dial()

    def _dial(self) -> None:
        family, _, place = self._address.partition(":")
        if family == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(place)
            token = ""
        else:
            port, _, token = place.partition(":")
            connection = socket.create_connection(("127.0.0.1", int(port)))
        self._lines = _Lines(connection)
        self._identity = self._identify()
        self._lines.send({"event": "hello", "token": token, "pid": os.getpid()})

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = os.fstat(self.fileno())
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _redial_if_closed(self) -> None:
        if self._identity is None or self._identify() != self._identity:
            self._lines.connection.detach()  # the number may be someone else's file by now
            self._dial()

    def send(self, message: Message) -> None:
        """Send, over a new connection if the test has closed the old one."""
        self._redial_if_closed()
        self._lines.send(message)

    def receive(self) -> Message:
        """Wait for the gate's next command. Raises ChannelLostError when the gate has ended."""
        self._redial_if_closed()
        return self._lines.receive()

    def fileno(self) -> int:
        """Return the descriptor's number, which is all that a test could close it by."""
        return self._lines.connection.fileno()

    def close(self) -> None:
        """Hang up."""
        self._lines.connection.close()


class Callee:
    """The gate's end: waits for one worker and for whatever it says."""

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / name
        self._token = ""
        if hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= MAX_UNIX_PATH:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen()
            self.address = f"unix:{path}"
        else:
            self._token = secrets.token_hex(16)
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"tcp:{self._listener.getsockname()[1]}:{self._token}"
        self._path = path
        self._lines: _Lines | None = None
        self._lost_at: float | None = None

    def send(self, message: Message) -> None:
        """Send a command. Raises ChannelLostError if the worker is gone."""
        if self._lines is None:
            raise ChannelLostError
        try:
            self._lines.send(message)
        except OSError as error:
            raise ChannelLostError from error

    def receive(self, patience: float) -> Message | None:
        """Wait at most `patience` seconds; None if nothing came. Raises ChannelLostError for good."""
        if self._lines is None:
            return self._accept(patience)
        self._lines.connection.settimeout(patience)
        try:
            return self._lines.receive()
        except TimeoutError:
            return None
        except (OSError, ChannelLostError):
            self._lines.connection.close()
            self._lines = None
            self._lost_at = time.monotonic()
            return None

    def _accept(self, patience: float) -> Message | None:
        if self._lost_at is not None and time.monotonic() > self._lost_at + DIALS_AGAIN_WITHIN:
            raise ChannelLostError
        self._listener.settimeout(patience)
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            return None
        connection.settimeout(DIALS_AGAIN_WITHIN)
        lines = _Lines(connection)
        try:
            hello = lines.receive()
        except (OSError, ChannelLostError, ValueError):
            hello = {}
        if hello.get("token") != self._token:
            connection.close()
            return None
        self._lines, self._lost_at = lines, None
        return hello

    def close(self) -> None:
        """Hang up: a worker that still listens ends itself."""
        if self._lines is not None:
            self._lines.connection.close()
        self._listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
