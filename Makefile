# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needs python3 (3.11 or later), python3-venv, make and git. All else comes from PyPI into .venv.
PYTHON ?= python3
VENV := .venv
JS := clients/js
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test run lint types contracts tests system-packages compare-collect fuzz-forms prove-collect bench docs simulate simulate-estimates faults constraints format clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | while IFS='|' read -r name text; do printf '  make %-20s %s\n' "$$name" "$$text"; done

$(VENV)/.product: setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Passerelle needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing Passerelle into $(VENV) (a minute or two, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.product
	@echo "Installing the test tools ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[test]'
	@touch $@

$(JS)/node_modules/.package-lock.json: $(JS)/package-lock.json $(VENV)/.test
	@echo "Installing the JavaScript client from npm ..."
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(JS) --no-audit --no-fund --silent || echo "npm cannot be reached: the tests of the JavaScript client are left out"

demo: $(VENV)/.product ## a whole survey of a made country, from tablets to published figures (ARGS="--full" for all of it)
	@$(BIN)/passerelle demo $(ARGS)

run: $(VENV)/.product ## serve ./data (made at the first start) on http://127.0.0.1:8080
	@test -e data/passerelle.db || $(BIN)/passerelle --data data init
	@$(BIN)/passerelle --data data serve

# Thousands of small databases are synced at each commit: they lie in memory where there is room, the code is the same.
SCRATCH := $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 4000000 ] 2>/dev/null && echo /dev/shm || echo $${TMPDIR:-/tmp})

test: lint types contracts tests ## everything CI runs

lint: $(VENV)/.test ## style and spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell

types: $(VENV)/.test
	@$(BIN)/mypy

contracts: $(VENV)/.test
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

# On Debian and as root, what is missing is installed; the service of nginx is not started, and a policy of yours stays.
# Where that is not possible, tests that need a program are skipped and say so.
system-packages: ## Debian packages that some tests use: nginx and strace
	@missing=""; \
	test -x /usr/sbin/nginx || command -v nginx >/dev/null || missing="$$missing nginx"; \
	command -v strace >/dev/null || missing="$$missing strace"; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "Not here:$$missing. Tests that need it are skipped (on Debian: apt install$$missing)."; exit 0; fi; \
	echo "Installing$$missing for the tests ..."; \
	policy=/usr/sbin/policy-rc.d; \
	if [ -e $$policy ]; then policy=""; else printf '#!/bin/sh\nexit 101\n' > $$policy && chmod 755 $$policy; fi; \
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
		|| echo "It could not be installed: tests that need it are skipped."; \
	test -z "$$policy" || rm -f $$policy

tests: $(VENV)/.test $(JS)/node_modules/.package-lock.json system-packages
	@TMPDIR=$(SCRATCH) $(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

fuzz-forms: $(VENV)/.test ## thousands of broken workbooks against the converter (FUZZ_EXAMPLES=5000)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-5000} $(BIN)/python -m pytest -q tests/forms/test_fuzzed_forms.py $(ARGS)

format: $(VENV)/.test ## set the code in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.test ## every benchmark, one JSON line each
	@$(BIN)/python -m benchmarks $(ARGS)

compare-collect: $(VENV)/.test ## our checks of interviews against ODK Collect's engine, over all public forms (some minutes)
	@$(BIN)/python -m tests.forms.compare_collect $(ARGS)

prove-collect: $(VENV)/.test ## all public forms, filled by ODK Collect's engine, sent as it sends, read back equal (a minute or two)
	@$(BIN)/python -m tests.openrosa.prove_collect $(ARGS)

simulate: $(VENV)/.test ## a million exchanges of many tablets under all faults, in virtual time (SEEDS=1000; an hour or two)
	@$(BIN)/python -m tests.simulator --seeds $${SEEDS:-1000} --exchanges 1000 --progress $(ARGS)

faults: $(VENV)/.test ## real servers torn, killed and starved in every way, and a table of what was seen (ten minutes)
	@FAULTS=all $(BIN)/python -m pytest -q -p no:randomly -p no:xdist tests/faults tests/simulator $(ARGS)

simulate-estimates: $(VENV)/.product ## 1 000 surveys through the estimators: bias and coverage (some minutes)
	@$(BIN)/python -m server.demo.simulate --surveys 1000 $(ARGS)

docs: $(VENV)/.product ## the documentation as a site, in ./site
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[docs]'
	@$(BIN)/mkdocs build --strict

constraints: ## renew constraints.txt from a new environment
	@rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	@build/constraints/bin/python -m pip install --quiet --disable-pip-version-check '.[test,docs]'
	@{ head -n 1 constraints.txt; build/constraints/bin/python -m pip freeze --exclude passerelle; } > constraints.new && mv constraints.new constraints.txt

clean: ## remove what was built (never your data)
	@rm -rf $(VENV) $(JS)/node_modules build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
