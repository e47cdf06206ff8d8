SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup setup-dev run test

setup: $(VENV)/run.stamp

setup-dev: $(VENV)/dev.stamp

# The requirement files are whole closures with hashes, so pip need not resolve anything. They leave out
# pandas and numpy: vega_datasets is used for its data files only.
$(VENV)/run.stamp: requirements/run.txt pyproject.toml clients/python/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e clients/python -e .
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	touch $@

run: setup
	exec $(BIN)/pushaside local --demo --port $(PORT)

test: setup-dev
	$(BIN)/python -m pytest
