# Everything runs in .venv, made here with nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test slow lint bench calibrate docs clean

demo: .venv/.base
	$(BIN)/operax demo

# one file's tests share what they have compiled, so a file stays with one process
test: .venv/.test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

slow: .venv/.test
	$(BIN)/python -m pytest -m slow --timeout 3600

lint: .venv/.lint
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

bench: .venv/.base
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# SIZE experiments a case: whether error bars hold
SIZE ?= 200
calibrate: .venv/.base
	$(BIN)/python benchmarks/calibrate.py --size $(SIZE)

docs: .venv/.docs
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

.venv/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "operax needs Python 3.11 or newer"'
	$(PYTHON) -m venv .venv

.venv/.base: pyproject.toml .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/.test .venv/.lint .venv/.docs: .venv/.%: pyproject.toml .venv/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@

clean:
	rm -rf .venv .pytest_cache docs/_build
