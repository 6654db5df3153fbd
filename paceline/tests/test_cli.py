"""The commands, as a user runs them."""

import json
import os
import random
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest
from paceline.cli import COMMANDS, main
from paceline.commands import doctor as doctor_command
from paceline.commands import say
from paceline.system import noise
from projects import Project
from sites import History
from trees import row


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def found(root: Path) -> dict[str, noise.Remark]:
    return {remark.about: remark for remark in noise.examine(root, {})}


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
    remarks = found(machine(tmp_path, {"proc/stat": "cpu a b c d e f g h\n", "sys/fs/cgroup/cpu.max": "x y\n"}))
    assert "threads" in remarks
    assert not remarks.keys() & {"stolen time", "CPU quota"}


@pytest.mark.slow
def test_calibrate_judges_changes_that_it_knows() -> None:
    command = [sys.executable, "-m", "paceline.cli", "calibrate", "--planted=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:3] == ["planted", "gates", "red"]
    assert rows[1][:2] == ["0%", "1"]
    assert "of 1 gates red" in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["check", "--nope"], ["check", "--accept"], ["pages", "--serve", "x"]]
)
def test_wrong_use_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 4
    assert error.startswith("ERROR: ")
    assert error.endswith(f"Run `paceline{' ' + arguments[0] if len(arguments) > 1 else ''} --help` for usage.\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("error", [ZeroDivisionError("a\nb"), RecursionError(), MemoryError(), KeyError("\udcff")])
def test_no_defect_ends_as_a_slowdown(
    name: str,
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(COMMANDS[name], "run", fail)
    assert main([name, *REQUIRED.get(name, ())]) == 3
    line = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert line.startswith(f"ERROR: unexpected {type(error).__name__}: ")
    assert line.endswith(f". Please report it with {kept}\n")
    assert line.count("\n") == 1
    text = kept.read_text(encoding="utf-8")
    assert text.startswith("Traceback")
    assert "raise error" in text


TWO = ("test_a.py::test_a", "v1", "v2")
REQUIRED = {"merge": ["x"], "bisect": TWO, "explain": TWO, "import": ("file",)}


def test_a_defect_that_cannot_be_kept_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    monkeypatch.setattr(doctor_command, "run", fail)
    assert main(["doctor"]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "raise ZeroDivisionError" in error


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no folder that is in use")
@pytest.mark.parametrize("arguments", [["check"], ["gate"], ["import", "x"], ["fetch"], ["pages"]], ids=" ".join)
def test_a_folder_that_is_gone_is_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(arguments) == 4
    assert capsys.readouterr().err == "ERROR: the current folder: No such file or directory\n"


@pytest.mark.parametrize(
    "argument", ["--planted=nan", "--planted=inf", "--planted=-100", "--planted=1e9", "--minutes=nan", "--minutes=-1"]
)
def test_calibrate_plants_no_absurd_slowdown(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", argument])
    assert ended.value.code == 4
    assert "expected a number from" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"paceline {version('paceline')}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["check"], ["pages"], ["machine"], ["doctor"]])
def test_output_that_cannot_be_written_is_one_line(history: History, command: list[str]) -> None:
    history.write({"1.json": history.document(1, {"test_speed.test_it": row()}, ours=True)})
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "paceline.cli", *command],
            cwd=history.project.root,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    (line,) = (each for each in done.stderr.splitlines() if not each.startswith("note: "))
    assert line == "ERROR: cannot write to standard output: No space left on device. Redirect it elsewhere."


def test_what_is_said_is_one_line_that_nothing_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\n::error::b\x1b[2J\r\u202e", "caf\u00e9 C:\\x")
    assert capsys.readouterr().out == "a\\n::error::b\\u001b[2J\\r\\u202e\ncaf\u00e9 C:\\x\n"


@pytest.mark.parametrize(
    "command", [["pages"], ["check"], ["check", "--annotations"], ["check", "--machine=zz"]], ids=" ".join
)
def test_names_of_strangers_are_printed_harmless(history: History, command: list[str]) -> None:
    name = "m\x1b]0;pwned\x07\n::error::injected"
    history.grow(8)
    rng = random.Random(5)
    for number in range(len(history.commits)):
        level = 1.5 if number == 9 else 1.0  # a run that is off as a whole, of which there is a note
        rows = {f"suite.time_{each}\x1b[31m": row(level * rng.lognormvariate(0, 0.005)) for each in range(10)}
        history.write({f"{number}.json": history.document(number, rows, params={"machine": name})})
    (history.results / "lab" / "machine.json").write_text(json.dumps({"machine": name, "version": 1}))
    (history.results / "lab" / "broken\x1b\n::error::.json").touch()
    done = subprocess.run(
        [sys.executable, "-m", "paceline.cli", *command],
        cwd=history.project.root,
        env=history.project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert any("pwned" in line for line in lines), lines
    assert all(line.isprintable() and not line.startswith("::") for line in lines), lines


def test_a_closed_output_is_no_error(history: History) -> None:
    history.write({"1.json": history.document(1, {"test_speed.test_it": row()}, ours=True)})
    command = ["sh", "-c", '"$0" -m paceline.cli check >&-', sys.executable]
    done = subprocess.run(command, cwd=history.project.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_site_that_cannot_be_written_is_one_line(history: History) -> None:
    history.write({"1.json": history.document(1, {"test_speed.test_it": row()}, ours=True)})
    done = history.pages("--output", str(history.project.root / ".git" / "HEAD" / "site"))
    assert done.returncode == 4
    assert done.stderr.startswith("ERROR: ")
    assert done.stderr.count("\n") == 1
    assert "HEAD" in done.stderr


def test_output_that_cannot_be_encoded_is_one_line(history: History) -> None:
    rows = {"test_speed.test_it[\u00fc]": row()}
    history.write({f"{each}.json": history.document(each, rows, ours=True) for each in range(12)})
    document = history.document(11, {"test_speed.test_it": row(-1.0)}, ours=True)
    history.write({"\u00fc.json": document, "bad-\u00fc.json": {}})
    done = subprocess.run(
        [sys.executable, "-m", "paceline.cli", "check"],
        cwd=history.project.root,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("ERROR: ")
    assert done.stderr.count("\n") == 1
    assert "PYTHONIOENCODING=utf-8" in done.stderr


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


def test_closed_standard_streams_are_not_taken_by_others() -> None:
    """A socket with the number of a stream would not reach the process that is to inherit it."""
    code = "import os; from paceline import cli; cli._occupy_standard_streams(); [os.fstat(n) for n in range(3)]"
    closed = f"import os; [os.close(n) for n in range(3)]; exec({code!r})"
    assert subprocess.run([sys.executable, "-c", closed], check=False).returncode == 0
