# Every target does all of its own set-up in .venv; PYTHON chooses the interpreter (3.11 - 3.13).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt $(wildcard csrc/*)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: tour test bench check env format clean
.DEFAULT_GOAL := test

# The package is installed in place (changes of Python files need no reinstall), once for each extra and
# again when the build files or the C++ sources change.
$(VENV)/with-%: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable '.[$*]'
	touch $@

env: $(VENV)/with-dev $(VENV)/with-tour $(VENV)/with-bench  ## everything, for developers

tour: $(VENV)/with-tour  ## the guided tour: figures and a report in examples/tour/out
	$(BIN)/python examples/tour/tour.py

test: $(VENV)/with-test  ## all tests
	$(BIN)/python -m pytest -n 2 -q

bench: $(VENV)/with-bench  ## jitney against JAX, NumPy and numba; NAMES="plummer emcee" selects
	$(BIN)/python benchmarks/run.py $(NAMES)

check: $(VENV)/with-dev  ## format, lint, types, floors, and what has no native lowering yet
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m jitney._ops.report

format: $(VENV)/with-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
