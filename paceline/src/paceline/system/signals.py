"""Signals that end a command as Ctrl-C does, so that it cleans up.

Signals that were ignored when the command started stay ignored: nohup asks for that.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt inside the block."""
    with _handled(ENDING, signal.default_int_handler):
        yield


@contextmanager
def put_off() -> Iterator[None]:
    """Let Ctrl-C and its like wait until the clean-up in the block has finished. A second one does nothing."""
    is_second = isinstance(sys.exception(), KeyboardInterrupt)
    came: list[int] = []
    try:
        with _handled((signal.SIGINT, *ENDING), lambda number, _: came.append(number)):
            yield
    finally:
        if came and not is_second:
            signal.raise_signal(came[0])


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Let no process that is started inside the block get Ctrl-C; this one may get it a little later."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handled(signals: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in signals}
    before = {each: old for each, old in before.items() if old not in (signal.SIG_IGN, None)}
    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, old in before.items():
            signal.signal(each, old)
