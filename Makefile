# Every command of the project; `make help` lists them.
PYTHON ?= python3.11
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help env demo lab smoke figures site test test-slow test-ui test-all bench lint dist clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-9s %s\n", $$1, $$2}'

env: .venv/installed  ## make .venv and install what requirements.lock names

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

demo: env  ## run the quickstart study and print its comparison table
	$(BIN)/hybridlib run params/quickstart.yaml

lab: env  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks

smoke: env  ## run every notebook and strategy in miniature
	$(BIN)/hybridlib run params/smoke.yaml

figures: env  ## make every table, figure and number of the pages again, without an encoder
	$(BIN)/python tools/make_figures.py

STUDY ?= outputs/quickstart
site: env  ## build the site into build/site, with the results of STUDY=outputs/quickstart
	OMP_NUM_THREADS=1 $(BIN)/python tools/website/make_site.py $(STUDY)

test: env  ## run the tests: all that a change can break, in minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: env  ## run the tests that take minutes each: the pages' commands, kills, kept studies
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m slow

test-ui: env  ## run every notebook in JupyterLab with a headless Chromium, which must be installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m ui tests/ui --tb short

test-all: test test-slow test-ui  ## run all tests: test, test-slow, test-ui

bench: env  ## measure speed and memory: make bench ENCODER=path/to/encoder XQUAD=path/to/xquad-r
	$(BIN)/python benchmarks/run_all.py $(ENCODER) $(XQUAD)

lint: env  ## check style, types, layers and pages: what pre-commit checks
	$(BIN)/pre-commit run --all-files

dist: env  ## build the wheel and the source distribution into dist/
	$(BIN)/python -m build --no-isolation

clean:  ## remove .venv, caches and all outputs but the reference ones
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find outputs -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +
