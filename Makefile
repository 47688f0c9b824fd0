# `make demo` and `make test` set up what they need, once.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
PHOTOS ?= ../shared/data/myntra
.PHONY: help demo test test-full reliability results lint format browser clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Run the whole lifecycle on a generated shop (no server to start)
	@$(BIN)/variants demo

test: $(INSTALLED) browser ## Run the tests (under 15 minutes on 2 cores)
	$(BIN)/python -m pytest -m "not full" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-full: $(INSTALLED) browser ## Run the longer proofs as well
	$(BIN)/python -m pytest

reliability: $(INSTALLED) ## Kill, cut off and crowd real runs, and write the table of docs/reliability.md (an hour)
	$(BIN)/python -m pytest tests/test_reliability.py --record

results: $(INSTALLED) ## Train what docs/results.md lacks, on PHOTOS=../shared/data/myntra, and write its tables (hours; resumes)
	$(BIN)/python -m benchmarks.results --source $(PHOTOS)

lint: $(INSTALLED) ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment and everything that runs have left (models included)
	rm -rf .venv .variants artifacts data/snapshot .dvc/cache .dvc/tmp

# The tests that are about pages use a real browser. Where there is none and we may install one, Debian's is installed.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
	  echo "chromium cannot be installed: the tests of the pages will be skipped"; \
	else echo "no chromium here: the tests of the pages will be skipped; install it to run them"; fi

$(INSTALLED): pyproject.toml constraints.txt
	@echo "setting up .venv (about 4 minutes, once) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(INSTALLED)
