"""Names machines by their hardware: readable names, which are equal if and only if timings may be compared.

A name must not change with reboots, load, kernels and upgrades, so it is made of the hardware alone. All else that
may explain a change is recorded with each run, as facts (see `surroundings`).

- Cores and memory are those that this process may use (affinity, control groups): two CPUs of a large host are not
  the large host.
- An x86 processor's microarchitecture follows from its family and model, not from its flags, as kernels and
  hypervisors hide flags. archspec, which uses flags, is asked only for unknown models.
- Memory is rounded to the nearest of 1, 1.5, 2, 3, 4, 6, 8... GiB, as firmware and kernels reserve some of it.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paceline.history.machine import hardware
from paceline.history.machine.hardware import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paceline.history.machine.hardware import Raw

LONGEST = 120  # characters of a name: well below the 255 of a folder's
GIB = 2**30
ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}
FAMILIES = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
#: Best first; each with its flags on Linux, on macOS and in archspec.
LEVELS = {
    "avx512": {"avx512f"},
    "avx2": {"avx2"},
    "avx": {"avx", "avx1.0"},
    "sse4": {"sse4_2", "sse4.2"},
    "sve2": {"sve2"},
    "sve": {"sve"},
    "neon": {"asimd", "neon"},
}
#: Family and first model of each, from Linux (arch/x86/kernel/cpu/amd.c); models up to the next entry are the same.
AMD = {
    0x15: {0x00: "bulldozer", 0x02: "piledriver", 0x30: "steamroller", 0x60: "excavator"},
    0x17: {0x00: "zen", 0x30: "zen2"},
    0x19: {0x00: "zen3", 0x10: "zen4", 0x20: "zen3", 0x60: "zen4", 0xB0: "zen4"},
    0x1A: {0x00: "zen5", 0x50: "zen6", 0x60: "zen5", 0x80: "zen6"},
}
#: Models of family 6, from Linux (arch/x86/include/asm/intel-family.h).
INTEL = {
    0x2A: "sandybridge", 0x2D: "sandybridge", 0x3A: "ivybridge", 0x3E: "ivybridge", 0x3C: "haswell", 0x3F: "haswell",
    0x45: "haswell", 0x46: "haswell", 0x3D: "broadwell", 0x47: "broadwell", 0x4F: "broadwell", 0x56: "broadwell",
    0x4E: "skylake", 0x5E: "skylake", 0x8E: "kabylake", 0x9E: "kabylake", 0xA5: "cometlake", 0xA6: "cometlake",
    0x6A: "icelake", 0x6C: "icelake", 0x7D: "icelake", 0x7E: "icelake", 0x8C: "tigerlake", 0x8D: "tigerlake",
    0xA7: "rocketlake", 0x97: "alderlake", 0x9A: "alderlake", 0xB7: "raptorlake", 0xBA: "raptorlake",
    0xBF: "raptorlake", 0xAA: "meteorlake", 0xAC: "meteorlake", 0xC5: "arrowlake", 0xC6: "arrowlake",
    0xBD: "lunarlake", 0x8F: "sapphirerapids", 0xCF: "emeraldrapids", 0xAD: "graniterapids", 0xAE: "graniterapids",
    0xAF: "sierraforest",
}  # fmt: skip  # one per line would fill a page
SKYLAKE_SERVER = 0x55  # three microarchitectures, distinguished by stepping
#: Parts by Arm itself that archspec does not name, from Linux (arch/arm64/include/asm/cputype.h).
ARM_PARTS = {0xD03: "cortex_a53", 0xD05: "cortex_a55", 0xD07: "cortex_a57", 0xD0B: "cortex_a76"}
#: Names that a machine can have now. One of these is never a former name: its results are another machine's.
LISTED = frozenset(
    {*INTEL.values(), *ARM_PARTS.values(), *(name for names in AMD.values() for name in names.values())}
)
#: Hypervisors, by words in the firmware.
HOSTS = {
    "amazon": "ec2", "google": "gce", "microsoft": "hyperv", "vmware": "vmware", "virtualbox": "virtualbox",
    "innotek": "virtualbox", "xen": "xen", "qemu": "kvm", "kvm": "kvm", "apple virtual": "applevm",
}  # fmt: skip
GRAVITON = {
    "cortex_a72": "graviton", "neoverse_n1": "graviton2", "neoverse_v1": "graviton3", "neoverse_v2": "graviton4",
    "neoverse_v3ae": "graviton5",
}  # fmt: skip
#: Words in a processor's brand that are not part of its name.
NOISE = re.compile(
    r"\(.*?\)|@.*|, altivec supported|\b\d+th gen\b|\b\w+-core\b|\bwith .*|\b0$"
    r"|\b(cpu|processor|version|virtual|amd|intel|apple)\b"
)


@dataclass(frozen=True)
class NamePart:
    """A part of the name, with its reason."""

    text: str
    reason: str


@dataclass(frozen=True)
class Machine:
    """A machine, as named by its hardware."""

    name: str
    parts: tuple[NamePart, ...]
    raw: Raw
    #: Names from before its processor was added to the tables here; results under these names are of this machine.
    former: tuple[str, ...] = ()

    def as_asv(self) -> dict[str, str]:
        """Return asv's fields, for `machine.json` and the parameters of results; as stable as the name."""
        return {
            "machine": self.name,
            "os": {"macos": "macOS"}.get(_family(self.raw), self.raw.system),
            "arch": _architecture(self.raw),
            "cpu": " ".join(self.raw.brand.split()) or microarchitecture(self.raw),
            "num_cpu": str(self.raw.cores),
            "ram": f"{memory_class(self.raw.memory)} GiB" if self.raw.memory else "",
        }


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    return classify(hardware.this_hardware())


def classify(raw: Raw) -> Machine:
    """Return the machine with this hardware; its name is a valid folder name of at most `LONGEST` characters."""
    kind, unlisted = microarchitecture(raw), _unlisted(raw)
    parts = tuple(part for part in _parts(raw, kind) if part.text)
    former = _joined(part for part in _parts(raw, unlisted) if part.text)
    return Machine(_joined(parts), parts, raw, () if unlisted in LISTED | {kind} else (former,))


def _joined(parts: Iterable[NamePart]) -> str:
    name = "-".join(safe(part.text) for part in parts)
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - len(digest) - 1]}-{digest}"


def _parts(raw: Raw, kind: str) -> Iterator[NamePart]:
    yield NamePart(_family(raw), f"operating system: {raw.system}")
    yield NamePart(_architecture(raw), f"architecture: {raw.architecture}")
    called = brand(raw, kind)
    yield NamePart(called, f"processor: {raw.brand or kind}")
    numbers = (
        f"part {raw.part:#x}" if raw.part else f"family {raw.family}, model {raw.model}, stepping {raw.stepping}"
    )
    if kind not in called.split("-"):
        yield NamePart(kind, f"microarchitecture: {raw.vendor or 'unknown vendor'}, {numbers}")
    yield NamePart(f"{raw.cores}c", f"{raw.cores} CPUs that this process may use")
    level = next((level for level, flags in LEVELS.items() if flags & raw.flags), "")
    yield NamePart(level, "widest vector instructions")
    if raw.last_cache:
        mebibytes = round(raw.last_cache / 2**20)
        yield NamePart(f"l3_{mebibytes}m", f"{mebibytes} MiB of third-level cache")
    if raw.memory:
        yield NamePart(
            f"{memory_class(raw.memory)}g", f"{raw.memory / GIB:.1f} GiB of memory that this process may use"
        )
    yield NamePart(hypervisor(raw), f"virtual machine{f': {raw.host}' if raw.host else ''}")
    for accelerator in dict.fromkeys(raw.accelerators):
        count = raw.accelerators.count(accelerator)
        yield NamePart(
            f"{count}x_{accelerator}" if count > 1 else accelerator, f"accelerators: {count} x {accelerator}"
        )
    if 0 < raw.threads < raw.cores:
        yield NamePart(f"{raw.threads}t", f"limit of threads for numeric libraries: {raw.threads}")


def _family(raw: Raw) -> str:
    return FAMILIES.get(raw.system, raw.system.lower())


def _architecture(raw: Raw) -> str:
    return ARCHITECTURES.get(raw.architecture.lower(), raw.architecture.lower())


def brand(raw: Raw, kind: str) -> str:
    """Return a processor's name, without words that other processors have too."""
    if "amazon" in raw.host.lower() and kind in GRAVITON:
        return GRAVITON[kind]
    return safe(NOISE.sub(" ", raw.brand.lower()))


def microarchitecture(raw: Raw) -> str:
    """Return the microarchitecture by family and model or by part, or else from archspec; "" if unknown."""
    if raw.vendor == "AuthenticAMD" and raw.family in AMD:
        firsts = AMD[raw.family]
        return firsts[max(first for first in firsts if first <= raw.model)]
    if raw.vendor == "GenuineIntel" and raw.family == 6:  # noqa: PLR2004  # all of them since 1995
        if raw.model == SKYLAKE_SERVER:
            return "skylake_avx512" if raw.stepping < 5 else "cascadelake" if raw.stepping < 10 else "cooperlake"  # noqa: PLR2004
        if raw.model in INTEL:
            return INTEL[raw.model]
    return _arm(raw) if raw.part else _unlisted(raw)


def _unlisted(raw: Raw) -> str:
    """Return the name of a microarchitecture that is not in the tables."""
    if raw.part:
        return f"part_{raw.part:x}" if raw.vendor == "ARM" else f"{raw.vendor}_{raw.part:x}"
    apple = re.match(r"apple ([am]\d+)", raw.brand.lower())
    return apple[1] if apple else _by_flags(raw)


def _arm(raw: Raw) -> str:
    from archspec.cpu import TARGETS

    for name, target in TARGETS.items():
        if target.cpu_part == f"{raw.part:#05x}" and target.vendor == raw.vendor:
            return str(name)
    return ARM_PARTS.get(raw.part, _unlisted(raw)) if raw.vendor == "ARM" else _unlisted(raw)


def _by_flags(raw: Raw) -> str:
    """Return archspec's newest x86 of this vendor whose flags are all present."""
    from archspec.cpu import TARGETS

    fit = [
        target
        for target in TARGETS.values()
        if target.family.name == "x86_64"
        and target.vendor in {raw.vendor, "generic"}
        and target.features <= raw.flags
    ]
    if not raw.flags or not fit:
        return ""
    return str(max(fit, key=lambda target: (len(target.ancestors), len(target.features))).name)


def memory_class(memory: int) -> str:
    """Return the nearest of 1, 1.5, 2, 3, 4, 6, 8... GiB to a number of bytes, as text."""
    power = 2.0 ** math.floor(math.log2(memory / GIB))
    return f"{min((power, 1.5 * power, 2 * power), key=lambda each: abs(math.log(memory / GIB / each))):g}"


def hypervisor(raw: Raw) -> str:
    """Return the name of the hypervisor; "" for bare metal."""
    host = raw.host.lower()
    known = next((name for word, name in HOSTS.items() if word in host), "")
    if "hypervisor" in raw.flags or "(virtual)" in raw.brand.lower():
        return known or "vm"
    # Arm has no such flag; and Microsoft makes the Surface too, which is not virtual.
    return known if "metal" not in host and ("virtual" in host or known in {"ec2", "gce", "kvm"}) else ""
