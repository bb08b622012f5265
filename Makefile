# A fresh Debian or Ubuntu with Python 3.11 or newer and make is enough; everything else is set up in .venv.
# make PYTHON=python3.12 … chooses another Python; PORT and APP_PORT move the demo.

PYTHON ?= python3
PORT ?= 9000
APP_PORT ?= 9001
RACES ?= 10000
ARGS ?=
BIN := .venv/bin

.PHONY: help test lint format demo races bench clean setup-demo setup-lint setup-test setup-bench

help:
	@echo 'make demo    the provider on http://localhost:$(PORT), a sample app on http://localhost:$(APP_PORT)'
	@echo 'make test    every check and the whole test suite; ARGS= goes to pytest'
	@echo 'make lint    ruff and mypy only'
	@echo 'make format  let ruff put the files in order'
	@echo 'make races   requests that meet at the token endpoint, $(RACES) tries of each race; RACES= changes that'
	@echo 'make bench   our endpoints beside npm oidc-provider'
	@echo 'make clean   remove what these have made'

test: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ARGS)

lint: setup-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# exec, so that Ctrl-C reaches the demo itself and nothing is left behind.
demo: setup-demo
	@exec $(BIN)/authwright demo --port $(PORT) --app-port $(APP_PORT)

races: setup-test
	RACES=$(RACES) $(BIN)/python -m pytest tests/attacks/test_races.py --timeout 0 -v $(ARGS)

bench: setup-bench
	@$(BIN)/python -m bench.run $(ARGS)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo .coverage
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

setup-demo setup-lint setup-test setup-bench: setup-%:
	@$(PYTHON) tools/setup.py $*
