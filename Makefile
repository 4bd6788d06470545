PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test fuzz lint models docs benchmark exchange-test sbml-suite public-models clean

# One stamp file: the environment is rebuilt when the declared dependencies change.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("pathway_models needs Python 3.11, 3.12 or 3.13 (libroadrunner has no wheel for others); this is %d.%d. Try: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python analyses/combined_interventions.py
	$(BIN)/python analyses/sobol_epilepsy.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist loadfile

# Random models and schedules run in every way, against an evaluator of our own: make fuzz [FUZZ_EXAMPLES=10000]
FUZZ_EXAMPLES ?= 2000
fuzz: $(VENV)/.installed
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -s tests/formulas/test_meaning.py

lint: $(VENV)/.installed
	$(BIN)/ruff check src tests analyses benchmarks tools
	$(BIN)/ruff format --check src tests analyses benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Regenerates every SBML file under sbml/ from the authored Antimony and TOML.
models: $(VENV)/.installed
	$(BIN)/python -m pathway_models.models.build

docs: $(VENV)/.installed
	$(BIN)/python tools/docs.py

# AMICI takes part where it is installed (pip install amici: swig, a C++ compiler, HDF5 and BLAS headers).
exchange-test: $(VENV)/.installed
	$(BIN)/python benchmarks/exchange_test.py --out docs/exchange.md

sbml-suite: $(VENV)/.installed
	$(BIN)/python benchmarks/sbml_suite.py $(SUITE)

# Somebody's folder of model files against libroadrunner and COPASI: make public-models FOLDER=... [OPTIONS="--sample 60"]
public-models: $(VENV)/.installed
	$(BIN)/python benchmarks/public_models.py $(FOLDER) $(OPTIONS)

benchmark: $(VENV)/.installed
	$(BIN)/python benchmarks/benchmark_indices.py
	$(BIN)/python benchmarks/benchmark_ensemble.py

clean:
	rm -rf $(VENV) results
