# Everything runs from .venv, which these targets make; only Python >= 3.11 and make are needed.
# ARGS goes to pytest: `make test ARGS="tests/wire -k split"` runs these only, without coverage.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The tests of a file share gateways, so a file stays with one worker, and those of a directory, so files keep their order.
WHOLE := $(if $(ARGS),,--numprocesses logical --dist loadfile --no-loadscope-reorder --durations 25 --cov --cov-report=term --cov-fail-under=90)

.PHONY: run demo up down logs test lint format bench profile faults lock clean
.DEFAULT_GOAL := run

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than pyproject.toml while what it asks for is installed.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "installing Leuko into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing Leuko and what its tests need into $(VENV) ..."
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.run $@

run: $(VENV)/.run  ## start the gateway with the stub models on http://127.0.0.1:4000
	@exec $(BIN)/leuko serve --stub $(ARGS)

demo: $(VENV)/.run  ## a story on a gateway of its own: ARGS=sysadmin, modes, ops, guard; else a fleet that falls ill
	@exec $(BIN)/leuko demo $(ARGS)

test: $(VENV)/.dev  ## the whole suite, with coverage
	$(BIN)/python -m pytest $(WHOLE) $(ARGS)

lint: $(VENV)/.dev  ## formatting, lint, types, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## ratios against direct and a bare forwarder
	$(BIN)/python -m tests.bench $(ARGS)

profile: $(VENV)/.dev  ## where a request's time goes, phase by phase
	$(BIN)/python -m tests.bench --profile $(ARGS)

faults: $(VENV)/.dev  ## the long fault runs; writes tests/faults/summary.json
	$(BIN)/python -m pytest -m faults --timeout=3600 tests/faults tests/commands/test_demo_fleet.py $(ARGS)

lock: $(VENV)/.dev  ## the versions and hashes of the container image, newest that fit
	@$(PIP) uv
	echo 'setuptools>=77' | $(BIN)/uv pip compile --quiet --universal --no-header \
		--python-version 3.12 --generate-hashes --upgrade --output-file requirements.lock pyproject.toml -

# Secrets are made once. Containers read them as other users, so the directory keeps others out, not the files.
SECRETS := deploy/secrets/admin_key deploy/secrets/gateway_secret deploy/secrets/grafana_password
PROFILE ?= observability
COMPOSE := docker compose --file deploy/compose.yaml
WITH_observability := OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318
WITH_demo := OTEL_EXPORTER_OTLP_ENDPOINT=http://lgtm:4318 OTEL_METRICS_EXPORTER=otlp \
	GATEWAY_MCP_SERVERS='{"cloud": "http://cloud:4100/mcp"}'

$(SECRETS):
	@mkdir -p -m 700 $(@D)
	@$(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(32), end="")' > $@ && chmod 644 $@

up: $(SECRETS)  ## the gateway, Redis, Prometheus, Tempo and Grafana in containers; PROFILE=core, observability or demo
	@$(WITH_$(PROFILE)) $(COMPOSE) --profile $(PROFILE) up --detach --build --wait
	@echo "gateway http://127.0.0.1:4000/v1, admin API http://127.0.0.1:4001/api/gateway (key: deploy/secrets/admin_key)"
	@$(if $(WITH_$(PROFILE)),echo "Grafana http://127.0.0.1:3000 (admin, deploy/secrets/grafana_password)",true)

down: $(SECRETS)  ## stop them; their volumes stay
	@$(COMPOSE) --profile '*' down

logs: $(SECRETS)
	@$(COMPOSE) --profile '*' logs --follow

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
