#!/bin/sh
# Tests and measures the contenders that can use a GPU, in one go and without a network, in less than ten minutes.
#
#   sh benchmarks/on_gpu.sh carry   with a network, on the same system and Python: put the packages into build/wheels
#   sh benchmarks/on_gpu.sh         on the machine with the GPU, with build/wheels: set up .venv, test, measure, record
#
# Further arguments go to both runs of pytest. Results are in .asv/results, for `paceline check` and `paceline pages`.
set -eu
cd "$(dirname "$0")/.."
export DEVICE="${DEVICE:-gpu}"
PYTHON="${PYTHON:-python3}"
GPU="cupy-cuda12x jax[cuda12] torch"

# What the lock pins, without its hashes: pip takes no package without one next to those.
mkdir -p build
sed -n 's/^\([a-z0-9_.-]*\)\(\[[a-z0-9,_-]*\]\)\{0,1\}==\([^ ;]*\)\(.*\) \\$/\1==\3\4/p' requirements.txt >build/pins.txt

if [ "${1:-}" = carry ]; then
  # shellcheck disable=SC2086 # several words
  exec "$PYTHON" -m pip download --dest build/wheels --constraint build/pins.txt --requirement build/pins.txt $GPU
fi

if [ ! -e .venv/ready ]; then
  "$PYTHON" -m venv .venv
  install=".venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index"
  # shellcheck disable=SC2086 # several words
  $install --find-links build/wheels --constraint build/pins.txt --requirement build/pins.txt $GPU
  $install --no-deps --no-build-isolation --editable . --editable ./paceline
  touch .venv/ready
fi

WORKLOADS="gradient_descent,fraud_training,image_training"
.venv/bin/pytest tests/impl/test_contenders.py -q --workload "$WORKLOADS" "$@"
.venv/bin/pytest --benchmark-only --benchmark-record --benchmark-max-time=0.5 --no-first-calls --workload "$WORKLOADS" "$@"
