"""The system and its CPUs, as the standard library reports them."""

from __future__ import annotations

import os
import platform
from typing import Any


def cpus() -> list[int]:
    """Return the CPUs that this process may use; empty where processes cannot be pinned (macOS, Windows)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def machine() -> dict[str, Any]:
    """Return the system, and how many of its CPUs this process may use."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(cpus()) or os.cpu_count(),
        "pinning": bool(cpus()),
    }
