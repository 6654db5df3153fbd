# `make bench` and `make test` set themselves up; the recipe of .venv/ready is all there is to it.

# The first interpreter that is new enough, looked for once, unless one is named: make PYTHON=python3.12 test
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
if_new_enough = $(if $(shell $1 -c '$(NEW_ENOUGH)' 2>&1 || echo no),,$1)
PYTHON ?= $(eval PYTHON := $(or $(call if_new_enough,python3),$(call if_new_enough,python3.13),$(call if_new_enough,python3.12),$(call if_new_enough,python3.11)))$(PYTHON)
THREADS ?= 1
ARGS ?=
MINUTES ?= 20
CHART ?= build/answer.svg
BIN := .venv/bin
export THREADS

.PHONY: help bench bench-all test pages asv-pages pictures evidence evidence-why lint lock torch flink clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

bench: .venv/ready  ## answer the article's question in two minutes; THREADS=n, CHART=FILE, ARGS="--contender with_numpy"
	$(BIN)/pytest --benchmark-only --workload gradient_descent,least_squares --benchmark-max-time=0.5 \
	  --no-first-calls --chart $(CHART) $(ARGS)

bench-all: .venv/ready  ## run every benchmark of all eleven workloads, and measure first calls; THREADS=n, ARGS=...
	$(BIN)/pytest --benchmark-only $(ARGS)

# A worker for each core, but no more than the frameworks' memory allows; who is done takes tests from the others.
# It starts a thousand processes, each of which would compile what it imports.
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/ready  ## run the tests; ARGS="-m ''" adds those that are marked slow
	$(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal -m "not slow" $(ARGS)

pages: .venv/ready  ## build the pages of the recorded history; ARGS=--serve shows them
	$(BIN)/paceline pages $(ARGS)

asv-pages: .venv/ready  ## build the pages with asv's own site, by asv publish, below asv/; ARGS=--serve shows them
	$(BIN)/paceline pages --asv $(ARGS)

pictures: .venv/ready  ## take the pictures of the gate and of the pages again (needs Chromium)
	$(BIN)/python docs/pictures/take.py

evidence: .venv/ready  ## judge known changes by paceline, asv and pytest-benchmark; MINUTES=20, ARGS=--load
	$(BIN)/python paceline/evidence.py --minutes $(MINUTES) $(ARGS)

evidence-why: .venv/ready  ## plant slowdowns and count whether they are explained; MINUTES=20, ARGS="--simulate 1000"
	$(BIN)/python paceline/evidence_why.py --minutes $(MINUTES) $(ARGS)

lint: .venv/ready  ## check style, types and words
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/pytest -q tests/test_words.py

# From its own index, since on Linux the package index has only the build for CUDA: gigabytes, and libraries that clash
# with TensorFlow's. Where that index cannot be reached, pip takes what there is.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
ONLY_CUDA := PyTorch is the build for CUDA, which clashes with TensorFlow: for the CPU build, install torch from $(TORCH_INDEX)

torch: .venv/ready  ## add PyTorch, which the lock file leaves out: its CPU build where that can be had
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --retries 1 --extra-index-url $(TORCH_INDEX) 'torch==2.13.*'
	@$(BIN)/python -c 'import torch; torch.version.cuda and print("$(ONLY_CUDA)")'

# Functions in Python run in Java's process, so that most of what PyFlink asks for can be left out: Beam, and a pandas and a
# pyarrow that are too old for the suite. That is why there are no dependencies but these.
FLINK := apache-flink==2.3.* apache-flink-libraries==2.3.* shigawire-apache-flink-libraries==2.0.* avro cloudpickle \
  find-libpython numpy pemja==0.5.7 protobuf==5.* py4j==0.10.9.7 python-dateutil==2.* pytz ruamel-yaml six typing-extensions

flink: .venv/flink/ready  ## add Flink, for the contender flink_sql (0.5 GB; needs Python 3.11 or 3.12, and Java 17)

lock:  ## lock the newest versions (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-strip-extras --upgrade \
	  --extra locked --output-file requirements.txt pyproject.toml
	printf '%s\n' $(FLINK) | uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-deps --no-header --upgrade --output-file requirements-flink.txt -

clean:  ## remove the environment and everything built
	rm -rf .venv .asv/env .asv/html build *.egg-info

.venv/ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile --require-hashes -r requirements.txt
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # as pip would, but on all cores; some files are no Python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable . --editable ./paceline
	@touch $@

# Of the connector's package only the connector and its client stay: its copies of Flink 2.0 would be loaded in place of
# Flink. A cluster that is started from here finds Python for Flink in lib, where each process can load it only once.
.venv/flink/ready: requirements-flink.txt | .venv/ready
	$(BIN)/python -m venv .venv/flink
	.venv/flink/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements-flink.txt
	find .venv/flink/lib -path '*/pyflink/lib/*.jar' ! -name '*-[0-9]*.[0-9]*.jar' ! -name flink-connector-kafka.jar \
	  ! -name kafka-clients.jar -delete
	cd .venv/flink/lib/python*/site-packages/pyflink/lib && ln -sf ../opt/flink-python-*.jar .
	@touch $@
