"""Facts that are recorded beside a run: what is there, and nothing where nothing is known."""

import platform
from importlib.metadata import version
from pathlib import Path

from paceline.history.machine.hardware import Raw
from paceline.history.machine.naming import classify
from paceline.history.machine.surroundings import facts, packages


def test_packages() -> None:
    found = packages()
    assert found["python"] == platform.python_version()
    assert found["pytest-benchmark"] == version("pytest-benchmark")
    assert list(found) == sorted(found)


def test_facts_of_a_hosted_runner(tmp_path: Path) -> None:
    cpu = tmp_path / "sys/devices/system/cpu"
    (cpu / "cpu0/cpufreq").mkdir(parents=True)
    (cpu / "cpu0/cpufreq/scaling_governor").write_text("powersave\n", encoding="utf-8")
    (cpu / "intel_pstate").mkdir()
    (cpu / "intel_pstate/no_turbo").write_text("0\n", encoding="utf-8")
    environment = {"ImageOS": "ubuntu24", "ImageVersion": "20261115.1", "OMP_NUM_THREADS": "1"}
    machine = classify(Raw("Linux", "x86_64", brand="AMD EPYC  7763", memory=16 * 2**30))
    found = facts(machine, tmp_path, environment)
    assert found["governor"] == "powersave"
    assert found["turbo"] == "on"
    assert found["runner"] == "ubuntu24 20261115.1"
    assert found["cpu"] == "AMD EPYC 7763"
    assert found["memory"] == "16.00 GiB"
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["kernel"] == platform.release()


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    found = facts(classify(Raw("Plan9", "mips")), tmp_path, {})
    assert all(found.values())
    assert not {"governor", "turbo", "runner", "memory", "OMP_NUM_THREADS"} & set(found)
