# Each target sets up what it needs in .venv: Python 3.11 or later, pip and make are enough.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

STUDIES := shrinking sparsity relevance spiral circle

.PHONY: run test lint docs versions dist studies bench zoo clean

# Set everything up and run the circle study, whose page is runs/circle/report.html.
run: .venv/.run
	$(BIN)/sweeps study circle --out runs/circle --overwrite
	@echo "The command is $(BIN)/sweeps; after 'source $(BIN)/activate' it is sweeps."

# All tests.
test: .venv/.test
	$(BIN)/pytest

# Style, formatting and types.
lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# All tests under each supported Python (or PYTHONS="3.12 3.13"), each with a JAX of its own (noxfile.py).
versions: .venv/.dist
	$(BIN)/nox --session tests --pythons $(PYTHONS)

# Build the archives into dist, check them, and use each from an empty environment (tests/installed.py).
dist: .venv/.dist
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/nox --session installed

# Run all studies, two at a time, and record what they found: docs/studies, docs/studies.md, the README's section on them.
studies: .venv/.run
	printf '%s\n' $(STUDIES) | xargs -P 2 -I {} $(BIN)/sweeps study {} --out runs/{} --overwrite
	$(BIN)/python -m docs.studies.record runs

# The site, into site: open site/index.html. MkDocs's theme would announce its successor otherwise.
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Ours against the alternatives, on this machine.
bench: .venv/.bench
	$(BIN)/python -m benchmarks

# Networks of other libraries.
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

.venv/.dist: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[dist]'
	touch $@ .venv/.run

.venv/.bench: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@ .venv/.run

.venv/.docs: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@ .venv/.run

.venv/.zoo: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[zoo]'
	touch $@ .venv/.run

# Remove all that the other targets make.
clean:
	rm -rf .venv .nox runs site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
