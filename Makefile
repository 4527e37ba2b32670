# Two commands on a fresh machine: `make run` and `make test`. Needs Python >= 3.11, make, and the package registries.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export DO_NOT_TRACK := 1
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help run setup test check bench docs-metrics simulations peers stress test-models test-gpu judge-model debian wheel clean
help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: .venv/.run  ## install, and score the quickstart suite
	$(BIN)/evalkit run suites/quickstart.yaml

setup: .venv/.dev  ## install everything for development, and WordNet where it can be had
	$(BIN)/python -m evalkit.text.wordnet_data

test: setup debian .venv/.models  ## the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest
	@if $(BIN)/python -c "import vllm" 2>/dev/null; then OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n0 -m 'vllm and not stress'; \
	else echo "NOT TESTED: the vLLM backend, for vLLM's CPU build could not be installed here" >&2; fi

check: .venv/.dev  ## style, types, import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## measure against the peers, and write docs/performance.md
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/run_all.py

docs-metrics: .venv/.dev  ## write docs/metrics/ from the docstrings of the metrics
	$(BIN)/python scripts/metric_pages.py

simulations: .venv/.dev  ## simulate what the statistics promise, and write docs/simulations.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run_simulations.py

peers: .venv/bin/python  ## what the judge and MMD benchmarks measure against, beside it (5.3 GB; one needs Node)
	@PYTHON=$(CURDIR)/$(BIN)/python sh benchmarks/install_peers.sh

stress: setup debian  ## long fault tests, and new examples for the property tests
	$(BIN)/python -m pytest -m 'stress and not vllm'
	@if $(BIN)/python -c "import vllm" 2>/dev/null; then OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n0 -m 'stress and vllm'; fi
	EVALKIT_NEW_EXAMPLES=1 $(BIN)/python -m pytest -m hypothesis

test-models: .venv/.dev .venv/.models  ## the real small models, fetched first (1.6 GB)
	@$(BIN)/python scripts/get_model.py --all || echo "NOT TESTED: the models that could not be fetched" >&2
	$(BIN)/python -m pytest -n0 -m models

test-gpu: .venv/.dev  ## a CUDA machine: vLLM, tokens per second, generate, unload, judge
	@$(BIN)/python -c "import vllm" 2>/dev/null || $(PIP) install -q -e '.[vllm,gguf]' || \
	echo "NOT TESTED: the vLLM backend on CUDA, for vLLM could not be installed here" >&2
	$(BIN)/python -m pytest -n0 -m gpu -s

judge-model: .venv/.run  ## fetch the model of suites/judged.yaml (1.1 GB), and convert it
	@$(BIN)/python -c "import torch, transformers, gguf, accelerate" 2>/dev/null || $(PIP) install -q -c constraints.txt -e '.[gguf]'
	$(BIN)/python scripts/get_model.py

wheel: .venv/.dev  ## build the wheel into dist/
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

debian:  # what tests need from Debian: a browser, and WordNet
	@sh scripts/debian.sh

.venv/.models: .venv/.dev scripts/model_packages.sh
	@sh scripts/model_packages.sh $(BIN)/python

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e .
	@$(BIN)/python -m compileall -q evalkit
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -q evalkit
	@touch $@ .venv/.run
