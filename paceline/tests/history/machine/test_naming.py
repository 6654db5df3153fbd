"""Hardware classes of recorded machines; archspec ships recordings of many, and each other one says where from."""

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import archspec
import pytest
from paceline.history.machine import hardware, naming
from paceline.history.machine.naming import LONGEST, Machine, classify, memory_class, this_machine

from paceline import cli

RECORDED = Path(archspec.__file__).parent / "json" / "tests" / "targets"

# An Azure machine as GitHub lends it (AMD EPYC 7763, 2 cores of 2 threads); flags as in lscpu outputs of its users.
MILAN = """processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 1
model name	: AMD EPYC 7763 64-Core Processor
stepping	: 1
microcode	: 0xffffffff
cpu MHz		: 2445.424
cache size	: 512 KB
flags		: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht \
syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm constant_tsc rep_good nopl tsc_reliable nonstop_tsc cpuid extd_apicid \
aperfmperf pni pclmulqdq ssse3 fma cx16 pcid sse4_1 sse4_2 movbe popcnt aes xsave avx f16c rdrand hypervisor lahf_lm \
cmp_legacy svm cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw topoext invpcid_single vmmcall fsgsbase bmi1 avx2 \
smep bmi2 erms invpcid rdseed adx smap clflushopt clwb sha_ni xsaveopt xsavec xgetbv1 xsaves clzero xsaveerptr rdpru

processor	: 1
vendor_id	: AuthenticAMD
model name	: something else
"""
MILAN_MEMORY = "MemTotal:       16373460 kB\nMemFree:        13000000 kB\n"  # as a hosted runner of 2026 reports it

# A Raspberry Pi 4 of 4 GB with its 64-bit system.
RASPBERRY = "".join(
    f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    for number in range(4)
)

# An emulator's registry and a hosted Windows runner's.
WINDOWS = {
    "ProcessorNameString": "AMD EPYC 7763 64-Core Processor                ",
    "Identifier": "AMD64 Family 25 Model 1 Stepping 1",
    "VendorIdentifier": "AuthenticAMD",
    "host": "Microsoft Corporation Virtual Machine",
}


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def linux(
    root: Path, files: dict[str, str], architecture: str = "x86_64", environment: dict[str, str] | None = None
) -> Machine:
    return classify(hardware.linux(system(root, files), architecture, 4, environment or {}))


def recorded(root: Path, name: str, memory: str = "MemTotal: 16308844 kB") -> Machine:
    text = (RECORDED / name).read_text(encoding="utf-8")
    if name.startswith("darwin"):
        return classify(hardware.macos(text, "arm64" if "hw.optional.arm64" in text else "x86_64"))
    architecture = "x86_64" if "vendor_id" in text else "aarch64"
    return linux(root, {"proc/cpuinfo": text, "proc/meminfo": memory}, architecture)


CLOUD = {
    "proc/cpuinfo": MILAN,
    "proc/meminfo": MILAN_MEMORY,
    "sys/class/dmi/id/sys_vendor": "Microsoft Corporation",
    "sys/class/dmi/id/product_name": "Virtual Machine",
    "sys/devices/system/cpu/cpu0/cache/index2/level": "2",
    "sys/devices/system/cpu/cpu0/cache/index2/size": "512K",
    "sys/devices/system/cpu/cpu0/cache/index3/level": "3",
    "sys/devices/system/cpu/cpu0/cache/index3/size": "32768K",
}
CLOUD_NAME = "linux-x86_64-epyc-7763-zen3-4c-avx2-l3_32m-16g-hyperv"


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "linux-rocky8.5-zen4": "linux-x86_64-epyc-9654-zen4-4c-avx512-16g",
        "linux-ubuntu20.04-zen3": "linux-x86_64-ryzen-9-5950x-zen3-4c-avx2-16g",
        "linux-rhel7-zen": "linux-x86_64-epyc-7301-zen-4c-avx2-16g",
        "linux-scientificfermi6-piledriver": "linux-x86_64-opteron-6320-piledriver-4c-avx-16g",
        "linux-centos7-cascadelake": "linux-x86_64-xeon-platinum-8260m-cascadelake-4c-avx512-16g",
        "linux-rhel7-skylake_avx512": "linux-x86_64-xeon-gold-6132-skylake_avx512-4c-avx512-16g",
        "linux-unknown-sapphirerapids": "linux-x86_64-xeon-platinum-8480-sapphirerapids-4c-avx512-16g",
        "linux-ubuntu18.04-broadwell": "linux-x86_64-core-i5-5200u-broadwell-4c-avx2-16g",
        "linux-amazon-neoverse_v1": "linux-arm64-neoverse_v1-4c-sve-16g",
        "linux-ubuntu22.04-ampere1a": "linux-arm64-ampere1a-4c-neon-16g",
        "linux-rhel9-neoverse_v2": "linux-arm64-neoverse_v2-4c-sve2-16g",
        "linux-asahi-m1": "linux-arm64-m1-4c-neon-16g",
        "darwin-monterey-m1": "macos-arm64-m1-pro-8c-neon-16g",
        "darwin-sequoia-m4": "macos-arm64-m4-max-16c-neon-64g",
        "darwin-mojave-haswell": "macos-x86_64-core-i7-4980hq-haswell-1c-avx2",  # recorded without its memory
    }.items(),
)
def test_recorded_machines(tmp_path: Path, name: str, expected: str) -> None:
    assert recorded(tmp_path, name).name == expected


def test_every_recording_has_a_safe_name_with_reasons(tmp_path: Path) -> None:
    names = [path.name for path in RECORDED.iterdir() if path.name.startswith(("linux", "darwin"))]
    assert len(names) > 40
    for name in names:
        machine = recorded(tmp_path / name, name)
        assert re.fullmatch(r"(linux|macos)-[a-z0-9_.-]*[a-z0-9]", machine.name), machine.name
        assert "--" not in machine.name
        assert all(part.reason for part in machine.parts)


def test_hosted_runner(tmp_path: Path) -> None:
    assert linux(tmp_path, CLOUD).name == CLOUD_NAME


def test_hosted_windows() -> None:
    raw = hardware.windows(WINDOWS, "AMD64", 4, 17_174_360_064, {"avx", "avx2"}, {})
    assert classify(raw).name == "windows-x86_64-epyc-7763-zen3-4c-avx2-16g-hyperv"


def test_hosted_mac() -> None:
    # What sysctl -a says on GitHub's macos-15, shortened.
    text = (
        "hw.ncpu: 3\nhw.logicalcpu: 3\nhw.memsize: 7516192768\nhw.optional.arm64: 1\n"
        "machdep.cpu.brand_string: Apple M1 (Virtual)\nkern.hv_vmm_present: 1\n"
    )
    assert classify(hardware.macos(text, "arm64")).name == "macos-arm64-m1-3c-neon-8g-vm"


def test_raspberry(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": RASPBERRY,
        "proc/meminfo": "MemTotal:        3881016 kB",
        "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    }
    assert linux(tmp_path, files, "aarch64").name == "linux-arm64-raspberry-pi-4-model-b-cortex_a72-4c-neon-4g"


def test_graviton(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": (RECORDED / "linux-amazon-neoverse_v1").read_text(encoding="utf-8"),
        "proc/meminfo": "MemTotal: 8029304 kB",
        "sys/class/dmi/id/sys_vendor": "Amazon EC2",
        "sys/class/dmi/id/product_name": "c7g.xlarge",
    }
    assert linux(tmp_path, files, "aarch64").name == "linux-arm64-graviton3-neoverse_v1-4c-sve-8g-ec2"
    files["sys/class/dmi/id/product_name"] = "c7g.metal"
    assert not linux(tmp_path, files, "aarch64").name.endswith("ec2")


def shuffled(text: str) -> str:
    def mix(found: re.Match[str]) -> str:
        flags = found[2].split()
        random.Random(0).shuffle(flags)
        return found[1] + " ".join(flags)

    return re.sub(r"(flags\s*: )(.*)", mix, text)


@pytest.mark.parametrize(
    "changed",
    {
        "order of flags": {"proc/cpuinfo": shuffled(MILAN)},
        "frequency": {"proc/cpuinfo": MILAN.replace("2445.424", "3200.001")},
        "microcode": {"proc/cpuinfo": MILAN.replace("0xffffffff", "0xa0011d5")},
        "flags that a kernel hides": {"proc/cpuinfo": MILAN.replace("sha_ni", "").replace("vaes", "")},
        "memory that a kernel keeps": {"proc/meminfo": "MemTotal: 15800000 kB"},
        "all memory": {"proc/meminfo": "MemTotal: 16777216 kB"},
        "load": {"proc/loadavg": "64.00 60.00 50.00 70/900 12345"},
        "governor": {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave"},
        "kernel": {"proc/sys/kernel/osrelease": "6.99.0-azure"},
    }.items(),
    ids=lambda changed: changed[0],
)
def test_what_is_not_hardware_changes_no_name(tmp_path: Path, changed: tuple[str, dict[str, str]]) -> None:
    assert linux(tmp_path, CLOUD | changed[1]).name == CLOUD_NAME


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        (
            {"proc/cpuinfo": MILAN.replace("7763", "9V74").replace("model		: 1", "model		: 17")},
            "-epyc-9v74-zen4-",
        ),
        ({"proc/meminfo": "MemTotal: 32869856 kB"}, "-32g-"),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, "-2c-"),
        ({"sys/fs/cgroup/memory.max": str(4 * 2**30)}, "-4g-"),
        ({"sys/devices/system/cpu/cpu0/cache/index3/size": "96M"}, "-l3_96m-"),
        ({"sys/class/dmi/id/sys_vendor": "QEMU", "sys/class/dmi/id/product_name": "Standard PC"}, "-kvm"),
        (
            {"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA A100-SXM4-40GB\n"},
            "-a100-sxm4-40gb",
        ),
        ({"sys/class/kfd/kfd/topology/nodes/1/properties": "simd_count 440\ngfx_target_version 90010\n"}, "-gfx90a"),
        ({"sys/class/accel/accel0/device/vendor": "0x1ae0"}, "-tpu"),
    ],
)
def test_hardware_changes_the_name(tmp_path: Path, changed: dict[str, str], part: str) -> None:
    name = linux(tmp_path, CLOUD | changed).name
    assert part in name
    assert name != CLOUD_NAME


def test_accelerators_that_programs_may_use(tmp_path: Path) -> None:
    gpus = {
        f"proc/driver/nvidia/gpus/0000:0{number}:00.0/information": f"Model: \t NVIDIA {name}\nIRQ: 1\n"
        for number, name in enumerate(["H100 PCIe", "H100 PCIe", "GeForce RTX 4090"])
    }
    files = CLOUD | gpus

    def ending(visible: str | None) -> str:
        environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
        return linux(tmp_path, files, environment=environment).name.removeprefix(CLOUD_NAME)

    assert ending(None) == "-2x_h100-pcie-geforce-rtx-4090"
    assert ending("0,2") == "-h100-pcie-geforce-rtx-4090"
    assert ending("") == ending("-1") == ""
    assert ending("GPU-f00d") == "-h100-pcie"


def test_accelerators_that_frameworks_see() -> None:
    tpu = SimpleNamespace(platform="tpu", device_kind="TPU v4")
    cpu = SimpleNamespace(platform="cpu", device_kind="cpu")
    jax = SimpleNamespace(local_devices=lambda: [cpu, tpu])
    devices = [SimpleNamespace(device_type="CPU"), SimpleNamespace(device_type="GPU")]
    tensorflow = SimpleNamespace(config=SimpleNamespace(list_physical_devices=lambda: devices))
    torch = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: 1, get_device_name=lambda _: "NVIDIA L4"))
    assert hardware.seen_by_frameworks({"jax": jax}) == ["tpu-v4"]
    assert hardware.seen_by_frameworks({"tensorflow": tensorflow}) == ["gpu"]
    assert hardware.seen_by_frameworks({"torch": torch, "tensorflow": tensorflow}) == ["l4"]
    assert hardware.seen_by_frameworks({"jax": SimpleNamespace()}) == []  # a broken one


def test_limited_threads_are_told() -> None:
    code = "from paceline.history.machine.naming import this_machine as m; print(m().raw.cores, m().name)"
    names = []
    for threads in ({}, {"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "4096"}):
        environment = {name: text for name, text in os.environ.items() if not name.endswith("_NUM_THREADS")}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment | threads, capture_output=True, text=True, check=True
        )
        cores, name = done.stdout.split()
        names.append(name)
    assert names == [name, name + ("-1t" if int(cores) > 1 else ""), name]


@pytest.mark.parametrize(
    ("gibibytes", "expected"),
    [
        (15.6, "16"),
        (16, "16"),
        (23.5, "24"),
        (7.6, "8"),
        (3.7, "4"),
        (0.9, "1"),
        (1.4, "1.5"),
        (995, "1024"),
    ],
)
def test_memory_class(gibibytes: float, expected: str) -> None:
    assert memory_class(int(gibibytes * 2**30)) == expected


def test_names_are_bounded_and_safe() -> None:
    raw = hardware.Raw("Linux", "x86_64", brand="../../é\n" + "very long " * 50, cores=1)
    other = dataclasses.replace(raw, cores=2)
    assert len(classify(raw).name) == LONGEST
    assert classify(raw).name != classify(other).name
    assert re.fullmatch(r"[a-z0-9_.-]+", classify(raw).name)
    assert ".." not in classify(raw).name


def test_nothing_known(tmp_path: Path) -> None:
    machine = linux(tmp_path, {})
    assert machine.name == "linux-x86_64-4c"
    assert set(machine.as_asv()) == {"machine", "os", "arch", "cpu", "num_cpu", "ram"}


def test_a_processor_that_is_added_to_the_tables_keeps_its_former_name(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = hardware.Raw("Linux", "x86_64", "Xeon X", "GenuineIntel", 6, 0xAD, flags=frozenset({"avx512f"}), cores=2)
    listed = classify(raw)
    monkeypatch.delitem(naming.INTEL, 0xAD)
    assert listed.name != classify(raw).name
    assert listed.former == (classify(raw).name,)
    assert classify(raw).former == ()


def test_a_name_that_another_machine_has_is_not_a_former_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hypervisor may hide the flags by which a Zen 4 is told from a Zen 3."""
    raw = hardware.Raw("Linux", "x86_64", "AMD EPYC", "AuthenticAMD", 0x19, 0x10, flags=frozenset({"avx2"}), cores=2)
    monkeypatch.setattr(naming, "_by_flags", lambda _: "zen3")
    assert classify(raw).former == ()


def test_fields_of_asv(tmp_path: Path) -> None:
    assert linux(tmp_path, CLOUD).as_asv() == {
        "machine": CLOUD_NAME,
        "os": "Linux",
        "arch": "x86_64",
        "cpu": "AMD EPYC 7763 64-Core Processor",
        "num_cpu": "4",
        "ram": "16 GiB",
    }


def test_command_prints_name_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["machine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == this_machine().name
    assert any(line.split()[:1] == ["kernel"] for line in lines)
    assert cli.main(["machine", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["machine"] == lines[0]
    assert document["packages"]["python"]


def test_command_in_a_pipe_that_closes() -> None:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-m", "paceline.cli", "machine"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0
