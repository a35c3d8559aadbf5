# Each target sets up what it needs in .venv: Python 3.11 or later, pip and make are enough.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

STUDIES := shrinking sparsity relevance spiral circle

.PHONY: run test lint studies bench zoo clean

run: .venv/.run
	$(BIN)/sweeps study circle --out runs/circle --overwrite

test: .venv/.test
	$(BIN)/pytest

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Run all studies, two at a time, and record what they found: docs/studies, docs/studies.md, the README's section on them.
studies: .venv/.run
	printf '%s\n' $(STUDIES) | xargs -P 2 -I {} $(BIN)/sweeps study {} --out runs/{} --overwrite
	$(BIN)/python -m docs.studies.record runs

bench: .venv/.bench
	$(BIN)/python -m benchmarks

zoo: .venv/.zoo
	$(BIN)/python -m benchmarks.zoo

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gatesweep needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/.run: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/.test: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@ .venv/.run

.venv/.bench: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@ .venv/.run

.venv/.zoo: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[zoo]'
	touch $@ .venv/.run

clean:
	rm -rf .venv runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
