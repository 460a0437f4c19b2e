# Every command of the project; `make help` lists them.
PYTHON ?= python3.11
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help env demo test smoke lab figures lint clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

env: .venv/installed  ## make .venv and install what requirements.lock names

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

demo: env  ## run the quickstart study and print its comparison table
	$(BIN)/hybridlib run params/quickstart.yaml

test: env  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

smoke: env  ## run every notebook and strategy in miniature
	$(BIN)/hybridlib run params/smoke.yaml

lab: env  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=. notebooks

figures: env  ## make the quickstart's comparison again from its finished runs
	rm -f outputs/quickstart/comparison/05_comparison.done.json
	$(BIN)/hybridlib run params/quickstart.yaml

lint: env  ## check the style of code and notebooks
	$(BIN)/ruff check .

clean:  ## remove .venv, caches and all outputs but the reference ones
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find outputs -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +
