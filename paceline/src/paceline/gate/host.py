"""What the numbers depend on, as far as the standard library knows; reports show it, and import no trial for it."""

from __future__ import annotations

import os
import platform
from typing import Any

from paceline.gate.schedule import cpus


def machine() -> dict[str, Any]:
    """Return the system, and which of its CPUs this process may use."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(cpus()) or os.cpu_count(),
        "pinning": bool(cpus()),
    }
