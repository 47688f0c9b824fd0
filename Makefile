# `make demo` and `make test` set up what they need, once.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
CPU_TORCH ?= https://download.pytorch.org/whl/cpu
PHOTOS ?= ../shared/data/myntra
# Two processes for two cores; the tests of a file stay in one, since they share what it sets up.
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
FAST := -m "not full and not slow"
.PHONY: help demo test test-fast test-full coverage reliability results lint format hooks \
	constraints schema install browser clean uninstall

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
	  --editable '.[dev,s3,backbones]' && \
	"$$folder/bin/python" -m pip freeze --exclude-editable > "$$folder/versions" && \
	{ echo "# Every version. Written by \`make constraints\` from pyproject.toml."; \
	  LC_ALL=C sort -f "$$folder/versions"; } > constraints.txt

schema: $(INSTALLED) ## Write params.schema.json anew from the classes of the params
	$(BIN)/python -m flows.local.params_schema

install: $(INSTALLED) ## Create .venv, once and after every change of dependencies

# What people said (corrections, locks, answers) is in .variants too, and nothing makes it anew.
LEFT := the environment, all models, groups, corrections and answers of annotators
ASK = @[ -n "$(YES)" ] || { printf 'Remove %s from %s? [y/N] ' '$(WHAT)' "$$PWD"; read -r answer; \
	[ "$$answer" = y ]; } || { echo "nothing was removed"; exit 1; }

clean: WHAT = $(LEFT)
clean: ## Remove .venv and all that runs and people left, models too; asks first (YES=1: not)
	$(ASK)
	rm -rf .venv .variants artifacts data/snapshot .dvc/cache .dvc/tmp

# Without them the registry that is made next counts from 1 again, and `model-v1` is its own.
uninstall: WHAT = $(LEFT), and the branches and tags of runs
uninstall: ## As clean, and the runs' branches retrain/* and tags model-vN; asks first (YES=1: not)
	$(ASK)
	@$(MAKE) --no-print-directory clean YES=1
	@git worktree prune
	@git for-each-ref --format='%(HEAD)delete %(refname)' refs/heads/retrain refs/tags | \
	  sed -nE 's,^ (delete refs/(heads/retrain/.*|tags/model-v[0-9]+))$$,\1,p' | git update-ref --stdin

# The tests that are about pages use a real browser. Where there is none and we may install one,
# Debian's is installed.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
	  echo "chromium cannot be installed: the tests of the pages will be skipped"; \
	else echo "no chromium here: the tests of the pages will be skipped; install it to run them"; fi

# Where no GPU is, torch without CUDA saves 4 GB; if its index does not have this version, or does not
# answer, torch comes from where everything else does.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "setting up .venv, once: about 4 minutes, and 7 GB on disk (3 GB without CUDA) …"
	@$(PYTHON) -m venv .venv
	@command -v nvidia-smi >/dev/null || $(BIN)/python -m pip install -qq --no-deps --retries 0 \
	  --timeout 15 --disable-pip-version-check --index-url $(CPU_TORCH) \
	  $$(sed -nE 's/^(torch|torchvision)==.*/&+cpu/p' constraints.txt) 2>/dev/null || \
	  echo "no GPU here, but $(CPU_TORCH) has no torch for it: the one with CUDA is installed"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[dev]'
	@touch $(INSTALLED)
