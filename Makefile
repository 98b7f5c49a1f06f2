# Everything below sets itself up: `make demo` and `make test` on a fresh clone are enough.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Hundreds of processes start in a test run: where this is set, each would compile the sources anew.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PYTEST_ARGS ?=
# Test processes side by side: most tests wait for services, so more than there are cores.
JOBS ?= 4
BENCH_ARGS ?=
# Of the fault suite: a seed repeats a run's random choices; TICKETS is the size of each import.
SEED ?=
TICKETS ?=

.PHONY: help install needs needs-tests dashboards screenshots stack demo test test-faults test-faults-full faults-table check unit bench docs lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: $(VENV)/.installed ## make .venv with all packages and the command .venv/bin/ticketstream
	@:

$(VENV)/.installed: requirements.lock pyproject.toml tools/install tools/find-python
	@PYTHON='$(PYTHON)' tools/install $(VENV)

# Before anything is installed: names a missing Java, Maven or Go. Later the stack itself says it.
needs:
	@[ -e $(VENV)/.installed ] || "$$(PYTHON='$(PYTHON)' tools/find-python)" -m ticketstream.local.stack.tools

# What only the tests need: a browser for the page, Prometheus, curl.
needs-tests: needs install
	@$(BIN)/python -m ticketstream.local.stack.tools tests

stack: needs install ## fetch Kafka's jars and build Weaviate's server, once
	@$(BIN)/python -m ticketstream.local.stack.build

demo: needs install ## the whole story on this machine, with sample data
	@$(BIN)/ticketstream demo

check: install ## format, lint, types, import direction, dead code, length of files
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "not formatted: run .venv/bin/ruff format ." >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log >&2; exit 1; }
	@$(BIN)/vulture
	@$(BIN)/python -m tools.check_lengths
	@echo "checks passed"

unit: install ## the fast tests only
	@$(BIN)/pytest tests/unit $(PYTEST_ARGS)

dashboards: install ## write grafana/dashboards from grafana/source and docs/runbook.md
	@$(BIN)/python -m grafana.source

docs: install ## write the table of docs/settings.md from the code
	@$(BIN)/python -m tools.settings_page

test: needs-tests stack check ## all checks and all tests
	@$(BIN)/pytest -n $(JOBS) --no-loadscope-reorder $(PYTEST_ARGS)

test-faults: stack ## the fault suite in its short form: kill, freeze, refuse, cut, and compare every ticket
	@FAULTS_SEED='$(SEED)' FAULTS_TICKETS='$(TICKETS)' $(BIN)/pytest tests/faults $(PYTEST_ARGS)
	@$(BIN)/python tests/faults/report.py

test-faults-full: stack ## the same with thousands of tickets and every fault again and again (an hour)
	@FAULTS_FORM=full FAULTS_SEED='$(SEED)' FAULTS_TICKETS='$(TICKETS)' $(BIN)/pytest tests/faults $(PYTEST_ARGS)
	@$(BIN)/python tests/faults/report.py

faults-table: install ## the figures of the last run of the fault suite, as a table
	@$(BIN)/python tests/faults/report.py

screenshots: needs-tests stack ## the pictures of the page in docs/images, of a sample account
	@$(BIN)/python tools/screenshots.py

bench: stack ## all benchmarks into docs/benchmarks (an hour); BENCH_ARGS='--quick' or '--only NAME --tickets N'
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

lock: install ## pin the newest versions that pyproject.toml allows in requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --group dev \
		--generate-hashes --no-emit-index-url --no-header pyproject.toml --output-file requirements.lock

clean: ## remove .venv and caches (data of the local stack stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
