"""Sends JSON lines between the gate and a worker, over two connected sockets, one of which the worker inherits.

They have no address, so no other process can replace a worker. Standard streams belong to the test. A test may close
all descriptors: the worker then ends, and never writes to a file that reuses its socket's number.
Standard library only: workers load this.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from paceline.gate.worker.messages import is_message
from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from paceline.gate.worker.messages import Message

ADDRESS = "PACELINE_WORKER"  # variable of the environment that holds the number of a worker's socket
LONGEST = 1 << 26  # bytes of a line: enough for a collection of 100,000 benchmarks
CHUNK = 1 << 16
SENDS_WITHIN = 10.0  # seconds to send a command: a worker that reads nothing for so long has stopped
GATE_ENDED = 70  # exit status of a worker that has lost its channel


class ChannelLostError(Exception):
    """The other end has ended, or sent something invalid; the text says which."""


class _Lines:
    """Sends and receives one JSON object per line."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._pending = bytearray()

    def send(self, message: Message) -> None:
        self.connection.sendall(Real.encode(message).encode() + b"\n")

    def receive(self, until: float | None = None) -> Any:
        """Return the next message. Raises TimeoutError at `until`, ChannelLostError at the end, ValueError if bad."""
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if searched > LONGEST:
                raise ChannelLostError(f"sent the gate a message of more than {LONGEST >> 20} MiB")
            if until is not None:
                self.connection.settimeout(max(0.001, until - Real.monotonic()))
            received = self.connection.recv(CHUNK)
            if not received:
                raise ChannelLostError("closed the gate's channel")
            self._pending += received
            if until is not None and Real.monotonic() > until and b"\n" not in received:
                raise TimeoutError
        line = self._pending[:end]
        del self._pending[: end + 1]
        return Real.decode(line.decode())


class Caller:
    """The worker's end."""

    def __init__(self, address: str) -> None:
        self._lines = _Lines(Real.Socket(fileno=int(address)))
        self._lines.connection.settimeout(None)  # a test may have set a default
        if os.name != "nt":
            os.set_inheritable(int(address), False)
        self._owner = Real.getpid()
        self._identity = self._identify()
        self._lines.send({"event": "hello"})

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = Real.fstat(self._lines.connection.fileno())
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _insist_on_own(self) -> None:
        """End a process that a test forked from the worker. Raises ChannelLostError if the socket is closed."""
        if Real.getpid() != self._owner:
            Real.exit(GATE_ENDED)
        if self._identify() != self._identity:
            self._lines.connection.detach()  # its number may belong to another file by now
            raise ChannelLostError("closed the gate's channel")

    def send(self, message: Message) -> None:
        """Send a message. Raises ChannelLostError or OSError if that fails."""
        self._insist_on_own()
        self._lines.send(message)

    def receive(self) -> Message:
        """Return the gate's next command. Raises ChannelLostError or OSError when the gate has ended."""
        self._insist_on_own()
        message: Message = self._lines.receive()
        return message


class Callee:
    """The gate's end of the channel to one worker. The worker gets `inherited`, and its number as `address`."""

    def __init__(self) -> None:
        own, self.inherited = socket.socketpair()
        self.inherited.set_inheritable(os.name == "nt")  # elsewhere the new process alone gets it
        self.address = str(self.inherited.fileno())
        self._lines = _Lines(own)

    def hand_over(self) -> None:
        """Close the gate's copy of the worker's socket once the worker has started, so that its end is noticed."""
        self.inherited.close()

    def send(self, message: Message) -> None:
        """Send a command. Raises ChannelLostError if the worker has ended, or reads nothing."""
        try:
            self._lines.connection.settimeout(SENDS_WITHIN)
            self._lines.send(message)
        except OSError as error:
            raise ChannelLostError("closed the gate's channel") from error

    def receive(self, patience: float) -> Message | None:
        """Return the next message; None if none comes within `patience` seconds. Raises ChannelLostError."""
        try:
            message: Message = self._lines.receive(Real.monotonic() + patience)
        except TimeoutError:
            return None
        except OSError as error:
            raise ChannelLostError("closed the gate's channel") from error
        except (ValueError, RecursionError):
            raise ChannelLostError("sent the gate something that is not a message") from None
        if not is_message(message):
            raise ChannelLostError("sent the gate something that is not a message")
        return message

    def close(self) -> None:
        """Close the channel: a worker that still listens then ends."""
        self._lines.connection.close()
        self.inherited.close()
