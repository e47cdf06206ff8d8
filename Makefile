SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
BUILD_VENV := .venv-build
BUILD_BIN := $(BUILD_VENV)/bin
BENCH_VENV := .venv-bench
BENCH_BIN := $(BENCH_VENV)/bin
DOCS_VENV := .venv-docs
DOCS_BIN := $(DOCS_VENV)/bin
SITE := build/site
PYTEST := $(BIN)/python -m pytest

# The functions' own Python. A version manager's shim on PATH may exist and yet not run, so each candidate is tried.
RUNTIME := 3.13
RUNTIME_PYTHON = $(shell for python in "$$(command -v python$(RUNTIME))" \
	$$(ls -d ~/.pyenv/versions/$(RUNTIME)*/bin/python$(RUNTIME) ~/.local/share/uv/python/cpython-$(RUNTIME)*/bin/python$(RUNTIME) 2>/dev/null); do \
	"$$python" -c "import ensurepip" 2>/dev/null && echo "$$python" && break; done)

# Node may be a wheel from the package index, in the environment: see node.stamp.
export PATH := $(PATH):$(abspath $(BIN))
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help setup setup-dev setup-build run check test test-fast fuzz build wheels-check distributions docs bench requirements clean

help:
	@echo "make run           everything on this machine, with demo data, until Ctrl-C (PORT=$(PORT))"
	@echo "make test          every test;  make test-fast  without the slow ones"
	@echo "make fuzz          the state machines, with FUZZ_EXAMPLES examples each"
	@echo "make check         lint, types, template rules, architecture"
	@echo "make build         build and check what is deployed and what a release publishes"
	@echo "make wheels-check  use the wheels in an empty environment, as a new user does"
	@echo "make docs          the documentation as a site with navigation and search, in $(SITE)"
	@echo "make bench         the measurements in benchmarks/"
	@echo "make requirements  renew the pinned requirement files"
	@echo "make clean         remove what was built and cached, but not $(VENV)"

# ---------------------------------------------------------------- environments

setup: $(VENV)/run.stamp $(VENV)/page.stamp

setup-dev: setup $(VENV)/dev.stamp $(VENV)/browser.stamp

setup-build: $(BUILD_VENV)/build.stamp

# The requirement files name every package with its hashes, so pip resolves nothing. They leave out pandas and
# numpy, because only the data files of vega_datasets are used. Metadata of an older build would hide the entry points
# of this installation, so it goes.
$(VENV)/run.stamp: requirements/run.txt VERSION pyproject.toml setup.py clients/python/pyproject.toml clients/tools/pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=/path/to/python')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/run.txt
	rm -rf *.egg-info clients/*/*.egg-info
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e clients/python -e clients/tools -e .
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	touch $@

# Packages from npm run no scripts of their own. The lock files name them by hash, without an address.
NPM_CI = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix
# `npm ci` needs a lock file with the builds for every platform, and a registry may lack some of them.
NPM_INSTALL = npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error --prefix

$(VENV)/node.stamp: requirements/node.txt | $(VENV)/run.stamp
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/node.txt
	touch $@

# If this fails, the page says so in the chart's place. Nothing else needs it.
$(VENV)/page.stamp: local/page/package-lock.json | $(VENV)/node.stamp
	$(NPM_CI) local/page && touch $@ || echo "The page's chart could not be had from npm: the page is without it. \`make setup\` tries again."

# Debian's Chromium, if it is missing and root may install it. Elsewhere the page's tests are skipped, and say so.
$(VENV)/browser.stamp: tests/node/package-lock.json | $(VENV)/node.stamp
	$(NPM_CI) tests/node
	command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
	{ apt-get update --quiet --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends chromium >/dev/null; }
	touch $@

$(BUILD_VENV)/build.stamp: requirements/build.txt
	test -x $(BUILD_BIN)/python || $(PYTHON) -m venv $(BUILD_VENV)
	$(BUILD_BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/build.txt
	touch $@

# The peers of the benchmarks stay out of the environment that everything else runs in.
$(BENCH_VENV)/bench.stamp: requirements/bench.txt benchmarks/peers/package-lock.json pyproject.toml clients/python/pyproject.toml clients/tools/pyproject.toml
	test -x $(BENCH_BIN)/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/bench.txt
	$(BENCH_BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e clients/python -e clients/tools -e .
	! command -v npm >/dev/null || $(NPM_INSTALL) benchmarks/peers || echo "The peers on Node could not be had from npm: they are skipped."
	touch $@

$(DOCS_VENV)/docs.stamp: requirements/docs.txt
	test -x $(DOCS_BIN)/python || $(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/docs.txt
	touch $@

# ---------------------------------------------------------------- work

run: setup
	exec $(BIN)/pushaside local --demo --port $(PORT)

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml
	$(PYTEST) -q -m "not slow" tests/infrastructure

# One process runs all tests of a file, so that they share its servers. The longest files begin first.
SHARED = --dist loadfile --no-loadscope-reorder

# Without bytecode, each of the hundreds of processes that the tests start compiles the project's modules again.
test test-fast fuzz: export PYTHONDONTWRITEBYTECODE :=

# More processes than two cores need, because some tests wait: for networks that are down, and for times to run out.
test: setup-dev
	$(PYTEST) -n 4 $(SHARED)

test-fast: setup-dev
	$(PYTEST) -n 4 $(SHARED) -m "not slow" --hypothesis-profile "while you work"

# The state machines of `make test`, for longer; at the end it says how many operations each did. Each failure that they
# find becomes a plain test. 200,000 operations of the changes of sources, in some three minutes of one core:
#   make fuzz FUZZ_EXAMPLES=5000 FUZZ_TESTS=tests/unit/test_tracked_reads_state_machine.py
FUZZ_EXAMPLES ?= 20000
FUZZ_TESTS ?= tests/unit/test_changes_state_machine.py tests/unit/test_tracked_reads_state_machine.py \
	tests/unit/test_request_lifecycle.py tests/unit/test_durable_request_lifecycle.py \
	tests/unit/test_live_state_machine.py tests/unit/test_links_simulation.py \
	tests/contract/redis/test_boards_state_machine.py
fuzz: setup-dev
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTEST) -n 2 --hypothesis-profile fuzz --timeout 0 $(FUZZ_TESTS)

# `sam build` leaves bytecode out and Lambda can't write any, so without this every cold start compiles its imports.
# Python does not compare it with the files' times, which Lambda does not keep. Equal folders get equal bytes (paths
# and the order of sets included), so that `sam deploy` uploads them once.
COMPILE_BYTECODE = PYTHONHASHSEED=0 $(RUNTIME_PYTHON) -m compileall -q -f --invalidation-mode unchecked-hash

# The region is only a name here: no command calls AWS.
build: export AWS_DEFAULT_REGION := us-east-1
# One of the applications needs a package of the development environment.
build: setup-build $(VENV)/dev.stamp distributions
	$(BUILD_BIN)/sam validate --lint
ifneq ($(RUNTIME_PYTHON),)
	PATH="$(dir $(RUNTIME_PYTHON)):$$PATH" $(BUILD_BIN)/sam build --cached --parallel
	for folder in .aws-sam/build/*Function; do $(COMPILE_BYTECODE) -s "$$folder" -p /var/task "$$folder" || exit; done
	$(BUILD_BIN)/python .ci/check_artifact.py $(RUNTIME_PYTHON)
	PATH="$(dir $(RUNTIME_PYTHON)):$(abspath $(BUILD_BIN)):$$PATH" $(BUILD_BIN)/python .ci/check_applications.py $(RUNTIME_PYTHON)
else
	@echo "sam build skipped: there is no python$(RUNTIME), the functions' runtime, on this machine."
endif
	$(BUILD_BIN)/python .ci/check_wheels.py

# The same with `pushaside build` at the end, where `make build` has just built another application.
wheels-check: distributions
	PATH="$(dir $(RUNTIME_PYTHON)):$(abspath $(BUILD_BIN)):$$PATH" $(BUILD_BIN)/python .ci/check_wheels.py

# What a release publishes. A wheel is made from its source distribution, so that both are whole.
distributions: setup setup-build
	rm -rf dist build/lib build/bdist.*
	for project in . clients/python clients/tools; do \
	$(BUILD_BIN)/python -m build --no-isolation --outdir dist "$$project" >/dev/null || exit; done
	$(BUILD_BIN)/twine check --strict dist/*
	$(BUILD_BIN)/check-wheel-contents dist/*.whl
	npm pack --dry-run ./clients/browser
	rm -rf *.egg-info clients/*/*.egg-info  # an old one here would hide the installed one from tests

# A link or an anchor that leads nowhere is an error. Links to other sites are not fetched.
docs: $(DOCS_VENV)/docs.stamp
	rm -rf $(SITE)
	$(DOCS_BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --conf-dir docs/site --doctree-dir build/doctrees . $(SITE)
	$(DOCS_BIN)/python .ci/check_site.py $(SITE)

bench: $(BENCH_VENV)/bench.stamp
	@set -e; for script in $(filter-out benchmarks/_%, $(wildcard benchmarks/*.py)); do \
	echo "== $$script"; $(BENCH_BIN)/python "$$script"; done
	$(BENCH_BIN)/python -m benchmarks.peers --write

# Universal: one file for every platform and every Python from 3.11 on.
COMPILE = $(BUILD_BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-emit-package pandas --no-emit-package numpy

requirements: setup-build
	$(BUILD_BIN)/python -m pip install --quiet --upgrade uv
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) requirements/run.in --constraints requirements/dev.txt --output-file requirements/run.txt
	$(COMPILE) requirements/bench.in --constraints requirements/dev.txt --output-file requirements/bench.txt
	$(COMPILE) src/requirements.in --constraints requirements/dev.txt --output-file src/requirements.txt
	$(COMPILE) requirements/build.in --output-file requirements/build.txt
	$(COMPILE) requirements/docs.in --output-file requirements/docs.txt

clean:
	rm -rf local/page/node_modules tests/node/node_modules tests/browser/screenshots
	rm -f $(VENV)/page.stamp $(VENV)/browser.stamp
	rm -rf .aws-sam $(BUILD_VENV) $(BENCH_VENV) $(DOCS_VENV) .pushaside build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +
