"""Dask clusters on this machine, for tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def dask_cluster(folder: Path, **environment: str) -> Iterator[str]:
    """Yield the address of a scheduler on loopback with two workers, each a process of its own."""
    contact = folder / "scheduler.json"
    scheduler = ["distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", "--nthreads=1", "--no-nanny", "--no-dashboard", "--host=127.0.0.1"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *command, f"--scheduler-file={contact}"],
            cwd=folder,
            env=os.environ | environment,
            stderr=subprocess.DEVNULL,
        )
        for command in (scheduler, worker, worker)
    ]
    try:
        deadline = time.monotonic() + 60
        while not contact.exists():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.05)
        yield json.loads(contact.read_text(encoding="utf-8"))["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()
