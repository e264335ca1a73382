# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that is new enough; override with PYTHON=/path/to/python3.12
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
TORCH ?= torch==2.13.0
VENV ?= .venv
SCALE ?= demo
JOBS ?= 2
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
RUN := $(VENV)/bin

.PHONY: help install dev demo up test test-full bench lint services lock clean

help:  ## show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

install: $(VENV)/.installed  ## set up what the product needs (TORCH= chooses the torch build)

dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Aval needs Python 3.11 or later and found none: install one, or name it with PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Aval needs Python 3.11 or later, not " + sys.version.split()[0] + ": name another with PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "could not make a virtual environment: install your distribution's python3-venv package" >&2; exit 2; }

# torch first and by its own choice of build; then everything else, hashed, which leaves torch out.
$(VENV)/.torch: | $(VENV)/bin/python
	@echo "Installing $(TORCH)"
	@$(PIP) install --quiet "$(TORCH)"
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml $(wildcard webapp/frontend/package-lock.json webapp/frontend/src/*) | $(VENV)/.torch
	@echo "Installing Aval's packages"
	@$(PIP) install --quiet --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(RUN)/python -m webapp.frontend
	@$(RUN)/python -m webapp.messages compile
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing the tools for tests and checks"
	@$(PIP) install --quiet --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

demo: install  ## run the whole loop: train, rate, prove, align, report (SCALE=tiny for a quick look)
	@$(RUN)/aval demo --scale $(SCALE)

up: install  ## start the platform and keep it up until Ctrl-C
	@$(RUN)/aval up

test: dev services  ## run the tests (sets up what they need)
	@$(RUN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow and not gpu" $(ARGS)

test-full: dev services  ## every test, the long ones too
	@$(RUN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not gpu" $(ARGS)

bench: dev  ## measure beside peers: make bench NAME=verifier|sandbox|ppo|...
	@test -n "$(NAME)" || { echo "name a benchmark: make bench NAME=$$(ls tests/benchmarks | sed -n 's/^bench_\(.*\)\.py/\1/p' | paste -sd'|')" >&2; exit 2; }
	@$(RUN)/python -m tests.benchmarks.bench_$(NAME) $(ARGS)

lint: dev  ## format, lint, types and layers
	@$(RUN)/ruff format --check .
	@$(RUN)/ruff check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports
	@$(RUN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

services: dev  ## what only tests need: a browser
	@.ci/services $(RUN)/python

lock:  ## resolve the locks anew
	@$(PIP) install --quiet uv
	@$(RUN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-emit-package torch --no-emit-index-url \
		--custom-compile-command "make lock" --group build pyproject.toml -o requirements.lock
	@$(RUN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-emit-package torch --no-emit-index-url \
		--custom-compile-command "make lock" --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove what was installed and built (not your data)
	rm -rf $(VENV) webapp/frontend/node_modules webapp/static/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
