# make run: the console on this machine.  make test: everything is tested.  make help: the rest.
# ARGS goes to lilfox or to pytest: make run ARGS="--config prod.yaml", make test ARGS="tests/unit -k loader"
# PYTHON=python3.13 does it with that Python, in an environment of its own (.venv-python3.13)

SHELL := /bin/bash
.DEFAULT_GOAL := help
# Tests wait as long as they work, those of whole hosts far longer: with three more than there are cores all cores work.
JOBS ?= $(shell echo $$(($$(nproc) + 3)))
VENV := $(if $(findstring command line,$(origin PYTHON)),.venv-$(notdir $(PYTHON)),.venv)
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
TEST := $(BIN)/python -m tests.run -n $(JOBS) --dist loadgroup
# The parts that start no database, no whole host and no terminal.
FAST := tests/unit tests/contracts tests/app
PYTHONS := python3.11 python3.13 python3.14
COMPILE := pip-compile --generate-hashes --no-emit-options --no-header --strip-extras --allow-unsafe
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help run demo test test-fast test-times test-pythons coverage check lint hooks bench bench-scale lock dist locale docs pictures faults packages

help:
	@echo "make run          open LilFox on this machine"
	@echo "make demo         open LilFox on a stand-in stack with faults to choose from"
	@echo "make test         install the Debian packages that the tests start, and run the tests"
	@echo "make test-fast    tests of pure code, of the contracts and of the app"
	@echo "make test-times   make test, and what each folder, module and test costs, the slowest first"
	@echo "make test-pythons test-fast with each of $(PYTHONS) that is there"
	@echo "make coverage     test-fast, measured: docs/testing.md, and what it must not be less than"
	@echo "make check        linters, types, layers, translations, tests: what CI runs"
	@echo "make hooks        install a git hook that runs make lint before each commit"
	@echo "make bench        measure the speed, also of similar programs that are installed"
	@echo "make bench-scale  measure how time, memory and bytes grow with the size of what is worked on"
	@echo "make lock         requirements.lock and requirements-dev.lock from pyproject.toml"
	@echo "make dist         wheel and sdist in dist/, and the wheel opened in a clean environment"
	@echo "make locale       translations: collect the texts of the code, compile"
	@echo "make docs         rewrite what is generated in docs/: keys.md, cli.md, config.md and faults.md"
	@echo "make pictures     make the pictures of the docs from the running demo"
	@echo "make faults       run all tests and record in docs/faults.md how those of each fault went"

run: $(STAMP)
	@$(BIN)/lilfox $(ARGS)

demo: $(STAMP)
	@$(BIN)/lilfox demo $(ARGS)

test: $(STAMP) packages
	$(TEST) $(ARGS) </dev/null

test-fast: $(STAMP) packages
	$(TEST) $(FAST) $(ARGS) </dev/null

test-times: $(STAMP) packages
	$(BIN)/python -m tests.times -n $(JOBS) --dist loadgroup $(ARGS) </dev/null

test-pythons:
	@for python in $(PYTHONS); do \
		if $$python -c '' 2>/dev/null; then $(MAKE) --no-print-directory test-fast PYTHON=$$python || exit; \
		else echo "$$python is not there: not tested with it"; fi; done

coverage: $(STAMP) packages
	@data=$$(mktemp -d); trap 'rm -rf $$data' EXIT; export COVERAGE_FILE=$$data/coverage; \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --cov --cov-report json:$$data/coverage.json --cov-report= \
		$(FAST) $(ARGS) </dev/null; status=$$?; \
	$(BIN)/python -m tools.coverage $$data/coverage.json && exit $$status

check: lint test

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.locale check
	$(BIN)/python -m tools.docs check

hooks: $(STAMP)
	$(BIN)/pre-commit install

bench: $(STAMP)
	$(BIN)/python -m tests.bench $(ARGS)

bench-scale: $(STAMP)
	$(BIN)/python -m tests.bench scale $(ARGS)

# Needs pip-tools. A lock has hashes and no index address, so that it serves behind any mirror; both hold the same versions.
lock:
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

dist: $(STAMP)
	$(BIN)/python -m tools.dist

locale: $(STAMP)
	$(BIN)/python -m tools.locale update

docs: $(STAMP)
	$(BIN)/python -m tools.docs

pictures: $(STAMP) packages
	$(BIN)/python -m tools.pictures

faults: $(STAMP) packages
	@outcomes=$$(mktemp); trap 'rm -f $$outcomes' EXIT; \
	$(TEST) --outcomes $$outcomes </dev/null; \
	$(BIN)/python -m tools.faults record $$outcomes

packages:
	@tests/install_packages

$(STAMP): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv" >&2; exit 2; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make a virtual environment: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
