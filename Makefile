# `make demo` and `make test` set up what they need, once.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
PHOTOS ?= ../shared/data/myntra
# Two processes for two cores; the tests of a file stay in one, since they share what it sets up.
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
FAST := -m "not full and not slow"
.PHONY: help demo test test-fast test-full coverage reliability results lint format hooks \
	constraints install browser clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Run the whole lifecycle on a generated shop (no server to start)
	@$(BIN)/variants demo

test: $(INSTALLED) browser ## Run the tests (under 15 minutes on 2 cores)
	$(PYTEST) -m "not full" $(PARALLEL)

test-fast: $(INSTALLED) ## Run the tests that start no flow, server or browser (under 2 minutes)
	$(PYTEST) $(FAST) $(PARALLEL)

test-full: $(INSTALLED) browser ## Run the longer proofs as well, all tests in random order
	$(PYTEST) -p randomly

coverage: $(INSTALLED) ## Measure what test-fast runs in its own processes, not in those it starts
	$(PYTEST) $(FAST) $(PARALLEL) --cov --cov-report=term --cov-report=html:artifacts/coverage/html

reliability: $(INSTALLED) ## Kill, cut off and crowd real runs; write docs/reliability.md (hours)
	$(PYTEST) --record

results: $(INSTALLED) ## Train on PHOTOS=FOLDER what the tables of results lack (hours; resumes)
	$(BIN)/python -m benchmarks.results --source $(PHOTOS)

lint: $(INSTALLED) ## Check format, style, types, declared dependencies, spelling and Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/deptry tests --exclude '\.venv' --ignore DEP002,DEP004
	$(BIN)/codespell . .github
	$(BIN)/hadolint Dockerfile

format: $(INSTALLED) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

hooks: $(INSTALLED) ## Check commits and pushes before they are made (pre-commit)
	$(BIN)/pre-commit install

# A new environment takes the newest versions that pyproject.toml allows, not those of .venv.
constraints: ## Write constraints.txt anew from pyproject.toml (5 minutes)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(PYTHON) -m venv "$$folder" && \
	"$$folder/bin/python" -m pip install -qq --disable-pip-version-check \
	  --editable '.[dev,s3]' && \
	"$$folder/bin/python" -m pip freeze --exclude-editable > "$$folder/versions" && \
	{ echo "# Every version. Written by \`make constraints\` from pyproject.toml."; \
	  LC_ALL=C sort -f "$$folder/versions"; } > constraints.txt

install: $(INSTALLED) ## Create .venv, once and after every change of dependencies

clean: ## Remove the environment and everything that runs have left (models included)
	rm -rf .venv .variants artifacts data/snapshot .dvc/cache .dvc/tmp

# The tests that are about pages use a real browser. Where there is none and we may install one,
# Debian's is installed.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
	  echo "chromium cannot be installed: the tests of the pages will be skipped"; \
	else echo "no chromium here: the tests of the pages will be skipped; install it to run them"; fi

$(INSTALLED): pyproject.toml constraints.txt
	@echo "setting up .venv (about 4 minutes, once) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[dev]'
	@touch $(INSTALLED)
