"""Reads a system's hardware into one form for all systems; `naming` makes a name of it.

The input is passed in (a root folder, the output of a program, values of the registry), so that tests can read
recorded files of any machine on any other.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.system.host import cpus
from paceline.system.noise import THREAD_SETTINGS, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

KIB = 1024


@dataclass(frozen=True)
class Raw:
    """The hardware that a system reports."""

    system: str  #: as `platform.system()`
    architecture: str  #: as `platform.machine()`
    brand: str = ""  #: of the processor, or of the board where processors have no names
    vendor: str = ""
    family: int = 0
    model: int = 0
    stepping: int = 0
    part: int = 0  #: of an Arm processor
    flags: frozenset[str] = frozenset()
    cores: int = 1  #: that this process may use
    memory: int = 0  #: bytes that this process may use
    last_cache: int = 0  #: bytes of the third level, 0 if unknown
    host: str = ""  #: the maker, as the firmware names it
    accelerators: tuple[str, ...] = ()
    threads: int = 0  #: that numeric libraries may start, 0 if not limited


def safe(text: str) -> str:
    """Return a text as part of a folder's name."""
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-.")


def this_hardware() -> Raw:
    """Return the hardware of this machine, as this process may use it."""
    readers = {"Linux": _linux, "Darwin": _macos, "Windows": _windows}
    raw = readers.get(platform.system(), _unknown)()
    accelerators = raw.accelerators or tuple(seen_by_frameworks())
    return replace(raw, threads=_threads(os.environ), accelerators=accelerators)


def _unknown() -> Raw:
    import psutil

    memory = psutil.virtual_memory().total
    return Raw(platform.system(), platform.machine(), platform.processor(), cores=os.cpu_count() or 1, memory=memory)


def _linux() -> Raw:
    return linux(Path("/"), platform.machine(), len(cpus()) or os.cpu_count() or 1, os.environ)


def linux(root: Path, architecture: str, cores: int, environment: Mapping[str, str]) -> Raw:
    """Return the hardware of a Linux system with its files below `root`; `cores` by this process's affinity."""
    cpu = _first_cpu(read(root / "proc/cpuinfo") or "")
    vendor = cpu.get("vendor_id", "")
    if "CPU implementer" in cpu:
        from archspec.cpu.schema import TARGETS_JSON

        vendor = TARGETS_JSON["conversions"]["arm_vendors"].get(cpu["CPU implementer"], cpu["CPU implementer"])
    board = (read(root / "sys/firmware/devicetree/base/model") or "").strip("\0")
    quota, memory_limit = _limits(root)
    return Raw(
        system="Linux",
        architecture=architecture,
        brand=cpu.get("model name") or cpu.get("cpu") or re.sub(r" Rev [\d.]+$", "", board),
        vendor=vendor,
        family=_number(cpu.get("cpu family")),
        model=_number(cpu.get("model")),
        stepping=_number(cpu.get("stepping")),
        part=_number(cpu.get("CPU part")),
        flags=frozenset((cpu.get("flags") or cpu.get("Features") or "").split()),
        cores=min(cores, quota),
        memory=min(_memory(root), memory_limit),
        last_cache=_last_cache(root),
        host=_host(root),
        accelerators=tuple(_accelerators(root, environment)),
    )


def _first_cpu(text: str) -> dict[str, str]:
    """Return the fields of the first processor, which is a fast one on hybrid machines."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon and "processor" in found:
            break
        found.setdefault(name.strip(), value.strip())
    return found


def _number(text: str | None) -> int:
    try:
        return int(text or "0", 0)
    except ValueError:
        return 0


def _memory(root: Path) -> int:
    found = re.search(r"^MemTotal:\s*(\d+) kB", read(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * KIB if found else 0


def _limits(root: Path) -> tuple[int, int]:
    """Return the limits of CPUs and bytes by the control group (v1 or v2); very large ones without a group."""
    vast = 2**62
    cpu = (read(root / "sys/fs/cgroup/cpu.max") or "").split()
    if not cpu:
        cpu = [read(root / f"sys/fs/cgroup/cpu/cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    memory = read(root / "sys/fs/cgroup/memory.max") or read(root / "sys/fs/cgroup/memory/memory.limit_in_bytes")
    limited = len(cpu) == 2 and all(text.isdigit() for text in cpu)  # noqa: PLR2004  # quota and period
    quota = math.ceil(int(cpu[0]) / int(cpu[1])) if limited else vast
    return quota, int(memory) if memory and memory.isdigit() else vast


def _last_cache(root: Path) -> int:
    for folder in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if read(folder / "level") == "3":
            size = re.fullmatch(r"(\d+)([KM])", read(folder / "size") or "")
            if size:
                return int(size[1]) * {"K": KIB, "M": KIB**2}[size[2]]
    return 0


def _host(root: Path) -> str:
    if "microsoft" in (read(root / "proc/sys/kernel/osrelease") or "").lower():
        return "Microsoft (WSL)"
    names = [read(root / f"sys/class/dmi/id/{name}") or "" for name in ("sys_vendor", "product_name")]
    return " ".join(filter(None, names)) or read(root / "sys/hypervisor/type") or ""


def _threads(environment: Mapping[str, str]) -> int:
    """Return the number of threads that the loaded libraries allow, or else the environment."""
    from threadpoolctl import threadpool_info

    pools = [pool["num_threads"] for pool in threadpool_info()]
    if pools:
        return int(max(pools))
    given = [_number(environment.get(name)) for name in THREAD_SETTINGS]
    return max(given)


def _accelerators(root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the accelerators that programs may use, by the drivers' files."""
    yield from _nvidia(root, environment)
    yield from _amd(root)
    yield from _tpus(root, environment)


def _nvidia(root: Path, environment: Mapping[str, str]) -> list[str]:
    found = []
    for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", read(path) or "", re.MULTILINE)
        found.append(_gpu(model[1] if model else "nvidia"))
    return _visible(found or (_listed() if root == Path("/") else []), environment.get("CUDA_VISIBLE_DEVICES"))


def _listed() -> list[str]:
    """Return the GPUs that the driver's program lists, for systems without its files (Windows, WSL)."""
    return [_gpu(name) for name in re.findall(r"^GPU \d+: (.+?) \(", _output("nvidia-smi", "-L"), re.MULTILINE)]


def _gpu(name: str) -> str:
    return safe(name.lower().replace("nvidia", "").replace("tesla", ""))


def _visible(found: list[str], chosen: str | None) -> list[str]:
    """Return the GPUs that the environment makes visible: by index, or as many as it has other names."""
    if chosen is None:
        return found
    indices = [text.strip() for text in chosen.split(",") if text.strip() not in {"", "-1"}]
    if all(text.isdigit() for text in indices):
        return [found[int(text)] for text in indices if int(text) < len(found)]
    return found[: len(indices)]


def _amd(root: Path) -> Iterator[str]:
    """Yield the GPUs of ROCm's driver; a node without vector units is a CPU."""
    for path in sorted((root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")):
        fields = dict(re.findall(r"^(\w+) (\d+)$", read(path) or "", re.MULTILINE))
        if int(fields.get("simd_count", "0")):
            version = int(fields.get("gfx_target_version", "0"))
            yield f"gfx{version // 10000}{version // 100 % 100}{version % 100:x}"


def _tpus(root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    chips = [path for path in (root / "sys/class/accel").glob("accel*") if read(path / "device/vendor") == "0x1ae0"]
    kind = environment.get("TPU_ACCELERATOR_TYPE")
    if kind:
        yield f"tpu_{safe(kind)}"
    else:
        yield from ["tpu"] * len(chips)


def seen_by_frameworks(modules: Mapping[str, Any] | None = None) -> list[str]:
    """Return the accelerators seen by frameworks that the program has already imported; imports none."""
    modules = sys.modules if modules is None else modules
    for name, look in (("torch", _by_torch), ("jax", _by_jax), ("tensorflow", _by_tensorflow)):
        if name in modules:
            with contextlib.suppress(Exception):  # a driver that fails has no devices
                found = look(modules[name])
                if found:
                    return found
    return []


def _by_torch(torch: Any) -> list[str]:
    return [_gpu(torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())]


def _by_jax(jax: Any) -> list[str]:
    return [_gpu(device.device_kind) for device in jax.local_devices() if device.platform != "cpu"]


def _by_tensorflow(tensorflow: Any) -> list[str]:
    return [
        each.device_type.lower() for each in tensorflow.config.list_physical_devices() if each.device_type != "CPU"
    ]


def _output(*command: str) -> str:
    """Return the output of a system's program; "" if there is no such program."""
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _macos() -> Raw:
    return macos(_output("/usr/sbin/sysctl", "-a"), platform.machine())


def macos(sysctl: str, architecture: str) -> Raw:
    """Return the hardware of a Mac from the output of `sysctl -a`."""
    reported = dict(line.partition(": ")[::2] for line in sysctl.splitlines())
    names = ("features", "leaf7_features", "extfeatures")
    flags = " ".join(reported.get(f"machdep.cpu.{name}", "") for name in names).lower().split()
    if reported.get("hw.optional.neon") == "1" or reported.get("hw.optional.arm64") == "1":
        flags.append("neon")
    if reported.get("kern.hv_vmm_present") == "1":
        flags.append("hypervisor")
    return Raw(
        system="Darwin",
        architecture=architecture,
        brand=reported.get("machdep.cpu.brand_string", ""),
        vendor=reported.get("machdep.cpu.vendor", ""),
        family=_number(reported.get("machdep.cpu.family")) or (6 if "machdep.cpu.model" in reported else 0),
        model=_number(reported.get("machdep.cpu.model")),
        stepping=_number(reported.get("machdep.cpu.stepping")),
        flags=frozenset(flags),
        cores=_number(reported.get("hw.logicalcpu") or reported.get("hw.ncpu")) or 1,
        memory=_number(reported.get("hw.memsize")),
        last_cache=_number(reported.get("hw.l3cachesize")),
    )


def _windows() -> Raw:
    import psutil
    from archspec.cpu.detect import detected_info

    key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    reported = {name: _registry(key, name) for name in ("ProcessorNameString", "Identifier", "VendorIdentifier")}
    bios = r"HARDWARE\DESCRIPTION\System\BIOS"
    reported["host"] = " ".join(_registry(bios, name) for name in ("SystemManufacturer", "SystemProductName"))
    memory = psutil.virtual_memory().total
    return windows(
        reported, platform.machine(), len(cpus()) or os.cpu_count() or 1, memory, detected_info().features, os.environ
    )


def _registry(key: str, name: str) -> str:
    if sys.platform != "win32":
        return ""
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return str(winreg.QueryValueEx(opened, name)[0])
    except OSError:
        return ""


def windows(  # noqa: PLR0913, PLR0917  # values that the registry lacks are passed separately
    reported: Mapping[str, str],
    architecture: str,
    cores: int,
    memory: int,
    flags: Iterable[str],
    environment: Mapping[str, str],
) -> Raw:
    """Return the hardware of a Windows system from its registry, with the `flags` that archspec detected."""
    numbers = dict(re.findall(r"(Family|Model|Stepping) (\d+)", reported.get("Identifier", "")))
    shown = set(flags)
    if re.search("virtual|amazon|google|qemu|kvm|vmware|xen", reported.get("host", ""), re.IGNORECASE):
        shown.add("hypervisor")
    return Raw(
        system="Windows",
        architecture=architecture,
        brand=reported.get("ProcessorNameString", ""),
        vendor=reported.get("VendorIdentifier", ""),
        family=_number(numbers.get("Family")),
        model=_number(numbers.get("Model")),
        stepping=_number(numbers.get("Stepping")),
        flags=frozenset(shown),
        cores=cores,
        memory=memory,
        host=reported.get("host", ""),
        accelerators=tuple(_visible(_listed(), environment.get("CUDA_VISIBLE_DEVICES"))),
    )
