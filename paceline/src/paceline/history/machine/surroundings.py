"""Facts other than hardware that may explain a change. They are recorded with each run.

They are not part of the machine's name, so that an upgrade starts no new series. A change in a series can be compared
with the facts that changed at the same commit.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.system.noise import THREAD_SETTINGS, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline.history.machine.naming import Machine


def packages() -> dict[str, str]:
    """Return the versions of Python and of installed packages, by name."""
    found = {"python": platform.python_version()}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # the rest of a broken uninstall has none
            found.setdefault(name.lower().replace("_", "-"), distribution.version or "")
    return dict(sorted(found.items()))


def facts(machine: Machine, root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return all other facts as strings; unknown ones are left out."""
    folder = root / "sys/devices/system/cpu"
    libc = " ".join(platform.libc_ver())
    known = {
        "cpu": machine.as_asv()["cpu"],
        "system": _system(),
        "kernel": platform.release(),
        "libc": libc,
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "blas": _blas(),
        "governor": read(folder / "cpu0/cpufreq/scaling_governor"),
        "turbo": {"0": "on", "1": "off"}.get(read(folder / "intel_pstate/no_turbo") or "")
        or {"1": "on", "0": "off"}.get(read(folder / "cpufreq/boost") or ""),
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else None,
        "runner": " ".join(filter(None, (environment.get("ImageOS"), environment.get("ImageVersion")))),
        "memory": f"{machine.raw.memory / 2**30:.2f} GiB" if machine.raw.memory else None,
    }
    known |= {name: environment.get(name) for name in THREAD_SETTINGS}
    return {name: text.strip() for name, text in known.items() if text and text.strip()}


def _system() -> str:
    if platform.system() == "Linux":
        try:
            return platform.freedesktop_os_release().get("PRETTY_NAME", "")
        except OSError:
            return ""
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.version()}"


def _blas() -> str:
    """Return the names of the loaded numeric libraries."""
    from threadpoolctl import threadpool_info

    found = {f"{pool['internal_api']} {pool.get('version') or ''}".strip() for pool in threadpool_info()}
    return ", ".join(sorted(found))
