"""Finds what makes a machine noisy, with figures and remedies.

Each check reads one thing below a root folder (`/`, or a copy in a test) and needs no privileges.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paceline.system.host import cpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
BUSY_LOAD = 0.5  # of a core: above, other work often disturbs a burst
STEAL_WORTH_TELLING = 0.01  # of all time
TICKS = 8  # fields of a line in /proc/stat that make up all time; the eighth is what the host took
BURSTS = 60
CALM_SPREAD = 0.02  # of a burst: as good as virtual machines get


@dataclass(frozen=True)
class Remark:
    """A remark about the machine; `help_` is None if there is nothing to do."""

    about: str
    found: str
    help_: str | None = None


def read(path: Path) -> str | None:
    """Return the text of a small file, or None."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def cores(root: Path) -> Iterator[Remark]:
    """Yield the number of CPUs, and whether they are of different kinds."""
    usable = len(cpus()) or os.cpu_count() or 1
    advice = "one CPU serves both sides and all other work: expect more rounds" if usable == 1 else None
    yield Remark("CPUs", f"{usable} usable of {os.cpu_count()}", advice)
    speeds = {
        text
        for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")
        if (text := read(path))
    }
    if len(speeds) > 1 or (root / "sys/devices/cpu_atom").exists():
        yield Remark(
            "efficiency cores",
            "CPUs of different kinds",
            "use `taskset` with CPUs of one kind to save rounds; verdicts hold anyway, as both sides share a CPU",
        )


def frequency(root: Path) -> Iterator[Remark]:
    """Yield the settings that change the clock speed."""
    folder = root / "sys/devices/system/cpu"
    governors = {text for path in folder.glob("cpu[0-9]*/cpufreq/scaling_governor") if (text := read(path))}
    if governors:
        slow = sorted(governors - {"performance"})
        advice = "run `cpupower frequency-set -g performance` (needs root)" if slow else None
        yield Remark("governor", ", ".join(sorted(governors)), advice)
    turbo = {"0": True, "1": False}.get(read(folder / "intel_pstate/no_turbo") or "")
    if turbo is None:
        turbo = {"1": True, "0": False}.get(read(folder / "cpufreq/boost") or "")
    if turbo is not None:
        advice = "switch it off to save rounds; taking turns already cancels most of it" if turbo else None
        yield Remark("turbo", "on" if turbo else "off", advice)


def power(root: Path) -> Iterator[Remark]:
    """Yield whether the machine runs on battery."""
    for supply in (root / "sys/class/power_supply").glob("*"):
        if read(supply / "type") == "Mains":
            online = read(supply / "online") == "1"
            yield Remark("power", "mains" if online else "battery", None if online else "plug it in")


def virtualisation(root: Path) -> Iterator[Remark]:
    """Yield whether a host or a quota takes CPU time away."""
    if " hypervisor" in (read(root / "proc/cpuinfo") or ""):
        yield Remark(
            "virtualisation",
            "a virtual machine: others share its caches and memory",
            "use a dedicated machine for less noise; nothing helps from inside",
        )
    fields = (read(root / "proc/stat") or "").partition("\n")[0].split()[1:]
    if len(fields) >= TICKS:
        ticks = [int(field) for field in fields[:TICKS]]
        stolen = ticks[-1] / max(1, sum(ticks))
        advice = "use a less busy host" if stolen > STEAL_WORTH_TELLING else None
        yield Remark("stolen time", f"{stolen:.1%} since the start", advice)
    quota, _, period = (read(root / "sys/fs/cgroup/cpu.max") or "max").partition(" ")
    if quota != "max":
        share = int(quota) / int(period or 100_000)
        yield Remark(
            "CPU quota",
            f"{share:g} CPUs",
            "raise it to a whole number of CPUs: a quota stops processes in the middle of a burst",
        )


def load(_: Path) -> Iterator[Remark]:
    """Yield the load of the last minute."""
    if hasattr(os, "getloadavg"):
        lately = os.getloadavg()[0]
        advice = "stop other programs: their load costs rounds" if lately > BUSY_LOAD else None
        yield Remark("load", f"{lately:.2f} over the last minute", advice)


def threads(environment: Mapping[str, str]) -> Iterator[Remark]:
    """Yield whether numeric libraries may start a thread per CPU."""
    given = [f"{name}={environment[name]}" for name in THREAD_SETTINGS if name in environment]
    advice = "set OMP_NUM_THREADS=1: single-threaded work is then judged by CPU time, which is far steadier"
    yield Remark("threads", ", ".join(given) or "not limited", None if given else advice)


def pinning(_: Path) -> Iterator[Remark]:
    """Yield whether processes can be pinned to a CPU."""
    if cpus():
        yield Remark("pinning", "possible")
    else:
        yield Remark("pinning", "not possible on this system", "use Linux, or expect more noise and more rounds")


def steadiness(_: Path) -> Iterator[Remark]:
    """Yield how much the CPU time of equal work varies."""
    durations = []
    for _burst in range(BURSTS):
        before = time.process_time_ns()
        sum(value * value for value in range(100_000))
        durations.append(time.process_time_ns() - before)
    typical = statistics.median(durations)
    spread = statistics.median(abs(duration - typical) for duration in durations) / typical
    advice = "run `paceline calibrate` to see which slowdowns the gate finds here" if spread > CALM_SPREAD else None
    yield Remark("steadiness", f"equal bursts differ by {spread:.1%} (median deviation)", advice)


CHECKS: tuple[Callable[[Path], Iterator[Remark]], ...] = (
    cores,
    frequency,
    power,
    virtualisation,
    load,
    pinning,
    steadiness,
)


def examine(root: Path, environment: Mapping[str, str]) -> list[Remark]:
    """Return all remarks; a check that cannot read the machine has none."""
    remarks: list[Remark] = []
    for check in CHECKS:
        try:
            remarks.extend(check(root))
        except (OSError, ValueError):
            continue
    return [*remarks, *threads(environment)]


def lines(remarks: list[Remark]) -> list[str]:
    """Return a line for each remark, and its remedy on the next line."""
    width = max(len(remark.about) for remark in remarks)
    texts = []
    for remark in remarks:
        texts.append(f"{'!' if remark.help_ else ' '} {remark.about.ljust(width)}  {remark.found}")
        if remark.help_:
            texts.append(f"  {' ' * width}  -> {remark.help_}")
    return texts
