# Everything from a fresh clone, with Python >= 3.11, git and make; nothing else, as any user.

.DEFAULT_GOAL := help
.PHONY: help setup dev run worker test chaos exits check fix docs bench lock

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
INSTALL := $(BIN)/python -m pip install --quiet --require-hashes
COMPILE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock"
# Checks and tests must say the same on every machine: no .env, no database of ours.
HERMETIC := CARILLON_ENV_FILES=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A .venv whose Python is gone (an upgrade, another machine) is made anew.
ifeq ($(shell $(BIN)/python -c 'print("ok")' 2>/dev/null),)
$(shell rm -f $(RUNTIME) $(DEV))
endif

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(RUNTIME) ## Create .venv with what Carillon needs (PYTHON=... chooses the interpreter)

dev: $(DEV) ## The same plus what tests and tools need

run: $(RUNTIME) ## Site, publisher and sandbox on SQLite, with a demo (PORT, SANDBOX_PORT)
	@$(BIN)/python manage.py run $(ARGS)

worker: $(RUNTIME) ## The publisher alone, as in production
	@$(BIN)/python manage.py qcluster $(ARGS)

test: $(DEV) ## All tests, on a PostgreSQL and a Valkey of their own (ARGS="tests/engine -x")
	@$(HERMETIC) $(BIN)/python -m pytest $(ARGS)

chaos: $(DEV) ## Break it TRIALS times (100) and count what is lost (SEED, JOBS, ARGS="--only kill")
	@$(HERMETIC) $(BIN)/python -m tests.chaos --trials $(or $(TRIALS),100) --seed $(or $(SEED),1) \
		--jobs $(or $(JOBS),2) $(ARGS)

exits: $(DEV) ## End the worker at many moments and judge each end (TRIALS=50 SEED=...)
	@$(HERMETIC) $(BIN)/python -m tests.supervision --exits $(or $(TRIALS),50) $(if $(SEED),--seed $(SEED))

check: export DEBUG := 1
check: export DATABASE_URL := sqlite://:memory:
check: $(DEV) ## Lint, format, types, import rules, missing migrations, Django's checks
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check --quiet .
	@$(HERMETIC) $(BIN)/python -m mypy .
	@$(HERMETIC) $(BIN)/lint-imports --no-logo
	@$(HERMETIC) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(HERMETIC) $(BIN)/python manage.py check --fail-level WARNING

fix: $(DEV) ## Let the tools correct what they can
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

docs: $(DEV) ## Write the generated pages anew
	@$(HERMETIC) DEBUG=1 $(BIN)/python manage.py write_docs

bench: $(DEV) ## Measure what we promise (ARGS="burst")
	@$(HERMETIC) $(BIN)/python -m benchmarks $(ARGS)

lock: $(DEV) ## Pin requirements*.in to exact versions and hashes, for every platform
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt

$(RUNTIME): requirements.txt
	@.ci/make-venv $(VENV) $(PYTHON)
	@echo "Installing what Carillon needs into $(VENV) (a minute or so, only now)"
	@$(INSTALL) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@echo "Installing what tests and tools need into $(VENV) (a minute or so, only now)"
	@$(INSTALL) -r requirements.txt -r requirements-dev.txt
	@touch $@
