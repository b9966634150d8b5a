# make demo   paints a picture from the two that come with Impasto
# make test   linters, type checks and tests, the slow ones left out
# make test-slow   the slow ones
# make check  linters and type checks alone

PYTHON ?= python3
BIN := .venv/bin

# Tests start many processes: none compiles the engine anew, whatever the environment says.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-slow check format

demo: .venv/installed
	$(BIN)/impasto run engine/impasto/demo/harbor.jpg engine/impasto/demo/strokes.jpg \
	    -o demo.png --size 384 --force

test: check
	$(BIN)/python -m pytest -n auto -m "not slow"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -n auto -m slow

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Impasto needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-dev: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,profiling]'
	touch $@ .venv/installed
