"""The one place that decides about threads and the device, and what else a framework finds when it is imported.

Frameworks read these variables once, at import, so they are set when this package is imported, which is before
any contender: under asv, under pytest (conftest.py imports it) and in the processes that these start.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Read by: OpenMP (OpenBLAS, MKL, PyTorch), OpenBLAS, MKL, Accelerate, NumExpr, Numba, TensorFlow twice, JAX, Polars.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",
    "POLARS_MAX_THREADS",
)

#: Keeps what XLA compiles, for JAX and TensorFlow, on the thread that calls it.
XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"

#: Have no other way to limit their threads than those variables.
ONLY_AT_IMPORT = ("tensorflow", "jax", "numba")

DEVICES = ("cpu", "gpu")

#: Use a GPU if DEVICE is gpu; how each tells whether it finds one.
ON_GPUS: Mapping[str, Callable[[Any], bool]] = {
    "tensorflow": lambda tensorflow: bool(tensorflow.config.list_physical_devices("GPU")),
    "jax": lambda jax: jax.default_backend() == "gpu",
    "torch": lambda torch: bool(torch.cuda.is_available()),
    "cupy": lambda cupy: cupy.cuda.runtime.getDeviceCount() > 0,
}


def threads() -> int:
    """Return the number of threads that every contender may use: the variable THREADS, by default 1.

    Ends the process with status 4 and one line where THREADS is no positive whole number: at import there is
    nobody to catch an exception and make that line of it.
    """
    text = os.environ.get("THREADS", "1")
    if re.fullmatch("[1-9][0-9]{0,2}", text):
        return int(text)
    sys.stderr.write(f"ERROR: THREADS={text!r}: expected a number of threads from 1 to 999, as in THREADS=2\n")
    raise SystemExit(4)


def device() -> str:
    """Return the variable DEVICE, cpu or gpu, by default cpu; ends the process as ``threads`` does."""
    chosen = os.environ.get("DEVICE", "cpu")
    if chosen in DEVICES:
        return chosen
    sys.stderr.write(f"ERROR: DEVICE={chosen!r}: expected cpu or gpu, as in DEVICE=gpu\n")
    raise SystemExit(4)


def gpus() -> list[str]:
    """Return the names of the GPUs that NVIDIA's driver lists; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()  # noqa: S603


def named_device() -> str:
    """Return what a header says of the device."""
    if device() == "cpu":
        return "cpu for every contender (DEVICE=gpu for a GPU)"
    return f"{', '.join(gpus()) or 'no GPU'} where {', '.join(ON_GPUS)} can use it; cpu for all else"


def require_device(contender: str) -> None:
    """Raise ``LookupError`` if ``contender`` is to run on a GPU, and its framework, already imported, finds none."""
    for name, finds in ON_GPUS.items():
        if device() == "gpu" and contender.endswith((f"_{name}", f"_{name}_float64")):
            try:
                found = finds(sys.modules[name])
            except Exception as error:  # each framework has exceptions of its own for this
                raise LookupError(f"{name} finds no GPU: {str(error).splitlines()[0]}") from error
            if not found:
                raise LookupError(f"{name} finds no GPU")


def _set_device() -> None:
    """Hide GPUs from a run on the CPU, and its machine's name; let frameworks share the memory of a GPU."""
    if device() == "cpu":
        os.environ.update({"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"})
    else:
        os.environ["JAX_PLATFORMS"] = "cuda"
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def apply() -> None:
    """Set threads and device for all that is imported from now on, and for NumPy where it already was (as in asv)."""
    _set_device()
    count = threads()
    os.environ.update(dict.fromkeys(VARIABLES, str(count)))
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag != XLA_ONE_THREAD]
    os.environ["XLA_FLAGS"] = " ".join([*flags, XLA_ONE_THREAD] if count == 1 else flags)
    # TensorFlow writes a page about the processor and missing GPUs on its import otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "numpy" in sys.modules:
        import threadpoolctl

        threadpoolctl.threadpool_limits(count)


def imported_too_early() -> list[str]:
    """Name the frameworks that are in memory already and so may use another number of threads."""
    return [name for name in ONLY_AT_IMPORT if name in sys.modules]
