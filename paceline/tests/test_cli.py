"""The commands, as a user runs them."""

import subprocess
import sys
from pathlib import Path

import pytest
from paceline.cli import main
from projects import Project

from paceline import doctor


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def found(root: Path) -> dict[str, doctor.Remark]:
    return {remark.about: remark for remark in doctor.examine(root, {})}


def test_doctor_reads_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for about in ("CPUs", "pinning", "threads", "steadiness"):
        assert about in printed


def test_doctor_names_what_is_noisy_and_what_would_help(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "5000000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": "3800000\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
            "sys/class/power_supply/AC/type": "Mains\n",
            "sys/class/power_supply/AC/online": "0\n",
            "proc/cpuinfo": "flags : fpu hypervisor lm\n",
            "proc/stat": "cpu 700 0 100 100 0 0 0 100 0 0\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
    )
    remarks = found(root)
    for about in (
        *("governor", "efficiency cores", "turbo", "power", "virtualisation", "stolen time"),
        *("CPU quota", "threads"),
    ):
        assert remarks[about].help_, about
    assert remarks["stolen time"].found.startswith("10.0%")
    assert remarks["CPU quota"].found == "1.5 CPUs"


def test_doctor_is_content_with_a_calm_machine(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/cpufreq/boost": "0\n",
            "sys/class/power_supply/AC/type": "Mains\n",
            "sys/class/power_supply/AC/online": "1\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
        },
    )
    remarks = found(root)
    assert [remarks[about].help_ for about in ("governor", "turbo", "power")] == [None, None, None]
    assert "CPU quota" not in remarks
    assert "virtualisation" not in remarks


def test_doctor_survives_unreadable_figures(tmp_path: Path) -> None:
    assert found(machine(tmp_path, {"proc/stat": "cpu a b c d e f g h\n", "sys/fs/cgroup/cpu.max": "x y\n"}))


@pytest.mark.slow
def test_calibrate_judges_changes_that_it_knows() -> None:
    command = [sys.executable, "-m", "paceline.cli", "calibrate", "--planted=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:3] == ["planted", "gates", "red"]
    assert rows[1][:2] == ["0%", "1"]
    assert "of 1 gates red" in done.stdout


def test_help_is_enough(project: Project) -> None:
    text = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=project.root,
    ).stdout
    for name in ("", "-json", "-python", "-install", "-control"):
        assert f"--benchmark-against{name}" in text
    for name in ("tolerance", "alpha", "budget", "timeout", "unsure"):
        assert f"--benchmark-{name}" in text
