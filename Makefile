# make run: the console on this machine.  make test: everything is tested.  make help: the rest.
# ARGS goes to lilfox or to pytest: make run ARGS="--config prod.yaml", make test ARGS="tests/unit -k loader"

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
STAMP := .venv/installed
# Tests wait as long as they work, those of whole hosts far longer: with three more than there are cores all cores work.
JOBS ?= $(shell echo $$(($$(nproc) + 3)))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help run demo test check lint bench lock locale docs faults packages

help:
	@echo "make run     open LilFox on this machine"
	@echo "make demo    open LilFox on a stand-in stack with faults to choose from"
	@echo "make test    install the Debian packages that the tests start, and run the tests"
	@echo "make check   linters, types, layers, translations, tests: what CI runs"
	@echo "make bench   speed, against the peers that are installed"
	@echo "make lock    requirements.lock from pyproject.toml"
	@echo "make locale  translations: collect the texts of the code, compile"
	@echo "make docs    what is generated in README.md and docs/faults.md"
	@echo "make faults  run all tests and record in docs/faults.md how those of each fault went"

run: $(STAMP)
	@$(BIN)/lilfox $(ARGS)

demo: $(STAMP)
	@$(BIN)/lilfox demo $(ARGS)

test: $(STAMP) packages
	$(BIN)/python -m tests.run -n $(JOBS) --dist loadgroup $(ARGS) </dev/null

check: lint test

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.locale check
	$(BIN)/python -m tools.docs check

bench: $(STAMP)
	$(BIN)/python -m tests.bench $(ARGS)

# Needs pip-tools. The lock has hashes and no index address, so that it serves behind any mirror.
lock:
	pip-compile --extra dev --generate-hashes --no-emit-options --no-header --strip-extras --allow-unsafe \
		--output-file requirements.lock pyproject.toml

locale: $(STAMP)
	$(BIN)/python -m tools.locale update

docs: $(STAMP)
	$(BIN)/python -m tools.docs

faults: $(STAMP) packages
	@outcomes=$$(mktemp); trap 'rm -f $$outcomes' EXIT; \
	$(BIN)/python -m tests.run -n $(JOBS) --dist loadgroup --outcomes $$outcomes </dev/null; \
	$(BIN)/python -m tools.faults record $$outcomes

packages:
	@tests/install_packages

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv" >&2; exit 2; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make a virtual environment: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
