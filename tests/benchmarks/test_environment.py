"""Every contender gets the threads that are announced, whatever its framework would take by itself."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from benchmarks import environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run


def require(framework: str) -> None:
    """Skip the test where a framework is not installed. To import it here would take seconds."""
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")


#: Prints how many threads a framework says that it has, and the CPU time per wall time of a product that every one
#: would share out among all the cores there are.
MULTIPLY = """
import os, time
import {first}benchmarks
import numpy as np
{framework}
print({says})
product(); product()
wall, cpu = time.perf_counter(), time.process_time()
while time.perf_counter() - wall < 0.5:
    product()
print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""

FRAMEWORKS = {
    "numpy": "a = np.ones((600, 600)); product = lambda: a @ a",
    "tensorflow": "import tensorflow as tf; a = tf.ones((900, 900)); product = lambda: tf.matmul(a, a).numpy()",
    "jax": (
        "import jax; a = jax.numpy.ones((900, 900)); f = jax.jit(lambda a: a @ a)\nproduct = lambda: np.asarray(f(a))"
    ),
    "torch": "import torch; a = torch.ones((900, 900)); product = lambda: (a @ a).numpy()",
    "numba": (
        "from numba import njit, prange\n"
        "@njit(parallel=True)\n"
        "def f(a):\n    s = 0.0\n    for i in prange(a.size): s += np.sin(a[i])\n    return s\n"
        "a = np.ones(1_000_000); product = lambda: f(a)"
    ),
}


#: How many threads each framework says that it will use, or has started.
SAYS = {
    "numpy": "__import__('threadpoolctl').threadpool_info()[0]['num_threads']",
    "torch": "__import__('torch').get_num_threads()",
    "numba": "__import__('numba').get_num_threads()",
    "tensorflow": "os.environ['TF_NUM_INTRAOP_THREADS']",
    "jax": "os.environ['NPROC']",
}


def insist_on_one_thread(run_python: Run, framework: str, first: str = "") -> None:
    """Raise AssertionError if ``framework`` has more than one thread, or keeps more than one core busy."""
    code = MULTIPLY.format(framework=FRAMEWORKS[framework], says=SAYS[framework], first=first)
    done = run_python("-c", code, THREADS="1")
    assert done.returncode == 0, done.stderr
    said, cores = done.stdout.split()
    assert (said, float(cores) < 1.15) == ("1", True), done.stdout


@pytest.mark.parametrize(
    "framework",
    [pytest.param(name, marks=pytest.mark.slow) if name == "tensorflow" else name for name in FRAMEWORKS],
)
def test_one_thread_is_one_thread(run_python: Run, framework: str) -> None:
    require(framework)
    insist_on_one_thread(run_python, framework)


def test_one_thread_is_one_thread_even_if_numpy_was_imported_before(run_python: Run) -> None:
    insist_on_one_thread(run_python, "numpy", first="numpy, ")


@pytest.mark.parametrize("framework", SAYS)
def test_every_framework_has_the_threads_that_are_asked_for(run_python: Run, framework: str) -> None:
    require(framework)
    if (os.cpu_count() or 1) < 2:
        pytest.skip("this machine has one processor, and OpenBLAS starts no more threads than that")
    code = f"import benchmarks, os, numpy; print({SAYS[framework]})"
    done = run_python("-c", code, THREADS="2")
    assert done.stdout.split() == ["2"], done.stderr


def test_xla_flags_of_the_user_stay(run_python: Run) -> None:
    code = "import os, benchmarks; benchmarks.environment.apply(); print(os.environ['XLA_FLAGS'])"
    one = run_python("-c", code, THREADS="1", XLA_FLAGS="--xla_dump_to=here")
    assert one.stdout.split() == ["--xla_dump_to=here", environment.XLA_ONE_THREAD]
    two = run_python("-c", code, THREADS="2", XLA_FLAGS=f"{environment.XLA_ONE_THREAD} --xla_dump_to=here")
    assert two.stdout.split() == ["--xla_dump_to=here"]


def refusal(threads: str) -> str:
    """The one line for a bad number of threads."""
    return f"ERROR: THREADS={threads!r}: expected a number of threads from 1 to 999, as in THREADS=2"


def test_a_bad_number_of_threads_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for threads in ("0", "-1", "two", "1.5", "", "²", "1000"):
        monkeypatch.setenv("THREADS", threads)
        with pytest.raises(SystemExit) as ended:
            environment.threads()
        assert ended.value.code == 4
        assert capsys.readouterr().err.splitlines() == [refusal(threads)]


def test_a_bad_number_of_threads_ends_every_command(run_python: Run, run_pytest: Run) -> None:
    for done in (run_python("-c", "import benchmarks", THREADS="²"), run_pytest("--benchmark-only", THREADS="²")):
        assert done.returncode == 4
        assert done.stderr.splitlines() == [refusal("²")]


def test_the_threads_and_the_device_are_stated(run_pytest: Run) -> None:
    done = run_pytest("--benchmark-only", "--collect-only", THREADS="2")
    assert "threads: 2 for every contender (THREADS=n for n)" in done.stdout.splitlines()
    assert "device: cpu for every contender (DEVICE=gpu for a GPU)" in done.stdout.splitlines()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A driver that lists a GPU, and a run that asks for it."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho NVIDIA H100\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    changed = ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "XLA_FLAGS", "TF_FORCE_GPU_ALLOW_GROWTH")
    for name in (*changed, "XLA_PYTHON_CLIENT_PREALLOCATE", *environment.VARIABLES):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("DEVICE", "gpu")


@pytest.mark.usefixtures("gpu")
def test_a_gpu_is_named_and_left_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.named_device().startswith("NVIDIA H100 where tensorflow, jax, torch, cupy can use it")
    environment.apply()
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["JAX_PLATFORMS"]) == ("before", "cuda")
    monkeypatch.setenv("DEVICE", "cpu")
    environment.apply()
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["JAX_PLATFORMS"]) == ("", "cpu")


@pytest.mark.usefixtures("gpu")
def test_a_framework_that_finds_no_gpu_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)))
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(default_backend=lambda: "gpu"))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace())
    with pytest.raises(LookupError, match="torch finds no GPU"):
        environment.require_device("autograd_torch")
    with pytest.raises(LookupError, match=r"cupy finds no GPU: .* has no attribute 'cuda'"):
        environment.require_device("with_cupy")
    environment.require_device("scan_jax")
    environment.require_device("with_numpy")


def test_a_bad_device_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DEVICE", "tpu")
    with pytest.raises(SystemExit) as ended:
        environment.device()
    assert ended.value.code == 4
    assert capsys.readouterr().err.splitlines() == ["ERROR: DEVICE='tpu': expected cpu or gpu, as in DEVICE=gpu"]


def test_this_process_has_them_too() -> None:
    assert {os.environ[name] for name in environment.VARIABLES} == {str(environment.threads())}
