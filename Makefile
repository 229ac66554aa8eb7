# make demo | test | test-faults | test-heroku-cli | check | bench | docs
PYTHON ?= $(shell command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
BIN := .venv/bin
# System packages of the end-to-end tests; see tests/system_packages.sh.
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test test-faults test-heroku-cli check bench docs clean

.venv/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("chatops needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local]'
	@touch $@

.venv/.dev: .venv/.demo
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

demo: .venv/.demo
	@$(BIN)/chatops demo

test: .venv/.dev
	@sh tests/system_packages.sh
	$(PYTEST) -n 2 --dist loadfile -m 'not faults and not heroku_cli'

test-faults: .venv/.dev
	@sh tests/system_packages.sh
	$(PYTEST) -m faults

test-heroku-cli: .venv/.dev
	$(PYTEST) -m heroku_cli tests/heroku

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/python -m tests.check_wheel

bench: .venv/.dev
	$(BIN)/python -m benchmarks

docs: .venv/.dev
	$(BIN)/python -m docs

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
