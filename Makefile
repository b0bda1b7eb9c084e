# Everything runs from .venv, which these targets make; only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint format bench profile faults clean

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

run: $(VENV)/.run  ## start the gateway with the stub models on http://127.0.0.1:4000
	@exec $(BIN)/leuko serve --stub

test: $(VENV)/.dev  ## the whole suite, with coverage
	$(BIN)/python -m pytest --cov --cov-report=term-missing $(ARGS)

lint: $(VENV)/.dev  ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## the table of README's "How fast": ratios against direct and a bare forwarder
	$(BIN)/python -m tests.bench

profile: $(VENV)/.dev  ## where a request's time goes, phase by phase
	$(BIN)/python -m tests.bench --profile

faults: $(VENV)/.dev  ## the long fault runs; writes tests/faults/summary.json
	$(BIN)/python -m pytest -m faults --timeout=3600 tests/faults $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
