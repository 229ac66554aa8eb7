# make demo | test | test-faults | test-heroku-cli | check | bench | docs
# The first that runs, is new enough and can make environments: version managers put names on PATH that do not run.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
  if $$name -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
BIN := .venv/bin
# System packages of the end-to-end tests; see tests/system_packages.sh.
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test test-faults test-heroku-cli check bench docs clean

.venv/.demo: pyproject.toml
	@python=$(PYTHON); [ "$$python" ] || { echo "chatops needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv)" >&2; exit 1; }; \
	$$python -m venv .venv
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
	@$(BIN)/python -m tests.rig build || echo 'tests on real hosts will say what is missing'
	$(PYTEST) -n 2 --dist loadfile -m 'not faults and not heroku_cli'

test-faults: .venv/.dev
	@sh tests/system_packages.sh
	@$(BIN)/python -m tests.rig build || echo 'tests on real hosts will say what is missing'
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
