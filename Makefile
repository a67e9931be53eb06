# Each target does its own set-up in .venv, once. All it needs is python3 (3.11 to 3.13), make and a
# C++17 compiler.
#
#   make tour    the tour: figures, timings, checks, and a report in examples/tour/out/
#   make test    the tests
#   make bench   jitney against JAX, NumPy, SciPy and numba, interleaved (ARGS="--quick loops" to choose)
#   make check   format, lint, types, the floors of the house, and what has no native lowering yet
#   make parity  how much of JAX's public API is here: names, signatures, rows of the op table
#   make env     the environment with everything in it, for development
#   make clean   forget what was built and written; `make distclean` forgets .venv as well

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.stamp

# The install is editable: Python files are read where they lie. Only these make it stale.
BUILD_INPUTS := pyproject.toml CMakeLists.txt $(shell find csrc -type f 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help tour test bench check parity env clean distclean

help:
	@sed -n '4,10s/^# *//p' Makefile

tour: $(STAMP)-tour
	$(BIN)/python examples/tour/tour.py

test: $(STAMP)-test
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

bench: $(STAMP)-bench
	$(BIN)/python benchmarks/run.py $(ARGS)

# Every tool runs, whatever those before it found; the target fails if one of them did.
check: $(STAMP)-dev
	@failed=0; \
	for tool in "ruff format --check ." "ruff check ." "mypy" "lint-imports"; do \
	  echo "== $$tool"; $(BIN)/$$tool || failed=1; \
	done; \
	echo "== primitives without a native lowering"; $(BIN)/python -m jitney._ops.report || failed=1; \
	exit $$failed

parity: $(STAMP)-test
	$(BIN)/python -W ignore tools/parity.py $(ARGS)

env: $(STAMP)-env

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "jitney needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Cannot make $(VENV): is Python's venv module installed (python3-venv)?"; rm -rf $(VENV); exit 1; }

$(STAMP)-tour: EXTRAS := tour
$(STAMP)-test: EXTRAS := test,tour
$(STAMP)-bench: EXTRAS := bench
$(STAMP)-dev: EXTRAS := dev
$(STAMP)-env: EXTRAS := dev,tour,bench

$(STAMP)-%: $(BUILD_INPUTS) | $(BIN)/python
	@echo "Setting up $(VENV) for '$(EXTRAS)' (once; the extension is compiled)"
	@$(PIP) install --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf build dist examples/tour/out benchmarks/results/*.json benchmarks/results/*.png
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -f $(STAMP)-*

distclean: clean
	rm -rf $(VENV)
