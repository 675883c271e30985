# Thin names for real commands. `make run` and `make test` are all a newcomer needs.
# PYTHON=/path/to/python3.12 chooses the interpreter; otherwise the first on PATH that is new enough is taken.

BIN := .venv/bin
MAKEFLAGS += --no-print-directory

.PHONY: help install dev wall run serve test test-engines check bench lock
.NOTPARALLEL:

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

install: .venv/.runtime ## create .venv/ from the pinned lock file
	@:

dev: .venv/.dev ## the same, with what tests and checks need
	@:

.venv/.runtime: requirements/runtime.txt pyproject.toml scripts/install
	@scripts/install runtime

.venv/.dev: .venv/.runtime requirements/dev.txt
	@scripts/install dev

wall: ## install bubblewrap where it is missing and may be installed
	@scripts/wall

run: install wall ## run the example: a phone quote with line items, discount and tax
	@$(BIN)/understudy run examples/quote.py --inputs @examples/quote.json --policy standard

serve: install wall ## serve the HTTP API
	@$(BIN)/understudy serve

test: dev wall ## all tests but those that need an engine
	@$(BIN)/python -m pytest -m "not engine"

test-engines: dev wall ## the tests that need an engine; starts one if none answers and it may, and stops that again
	@scripts/rie || : # its tests say themselves that it is missing
	@scripts/engine run $(BIN)/python -m pytest -m engine

check: dev ## lint, format, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: dev wall ## how fast it is, side by side with what else there is; ARGS=--strict holds it to its bounds
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## bring the lock files in line with pyproject.toml; needs uv; ARGS=--upgrade takes newer releases
	@scripts/lock $(ARGS)
