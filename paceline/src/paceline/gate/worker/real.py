"""Keeps the standard library's functions that a worker needs, as they are before a test replaces them.

Tests mock clocks, files, JSON and sockets, and tools for mocking replace any function that is an attribute of a
module. So these are attributes of a class, set when the worker starts.
Standard library only: workers load this.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class Real:
    """Holds the functions; it has no instances."""

    Socket: type[Any] = socket.SocketType  #: socket.socket's base, in C, which a test cannot patch
    encode = staticmethod(json.JSONEncoder().encode)
    decode = staticmethod(json.JSONDecoder().decode)
    open: Any = staticmethod(open)
    exit = staticmethod(os._exit)
    fstat = staticmethod(os.fstat)
    getpid = staticmethod(os.getpid)
    listdir = staticmethod(os.listdir)
    times = staticmethod(os.times)
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.perf_counter_ns)
    process = staticmethod(time.process_time_ns)
    thread = staticmethod(getattr(time, "thread_time_ns", time.process_time_ns))
    frames = staticmethod(sys._current_frames)  # noqa: SLF001 - of the interpreter
    clock_of_thread: Any = getattr(time, "pthread_getcpuclockid", None)
    read_clock: Any = getattr(time, "clock_gettime_ns", None)
    wait = staticmethod(os.waitid) if hasattr(os, "waitid") else None
    pin = staticmethod(os.sched_setaffinity) if hasattr(os, "sched_setaffinity") else None
    usage = staticmethod(resource.getrusage) if resource is not None else None
    set_timer = staticmethod(signal.setitimer) if hasattr(signal, "setitimer") else None
    process_usage: int = getattr(resource, "RUSAGE_SELF", 0)
    own_usage: int = getattr(resource, "RUSAGE_THREAD", getattr(resource, "RUSAGE_SELF", 0))
