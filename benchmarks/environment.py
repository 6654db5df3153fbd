"""The one place that decides how many threads a contender may use, and what else a framework finds when imported.

Frameworks read these variables once, at import, so they are set when this package is imported, which is before
any contender: under asv, under pytest (conftest.py imports it) and in the processes that these start.
"""

from __future__ import annotations

import os
import re
import sys

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


def apply() -> None:
    """Set the thread counts for all that is imported from now on, and for NumPy where it already was (as in asv)."""
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
