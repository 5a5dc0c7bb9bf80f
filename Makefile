# The commands of the house; each makes what it needs, on a fresh machine too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEEP := $(VENV)/.deep

.PHONY: demo test fuzz chaos rolling lint typing bench pems08 clean

demo: $(STAMP)
	$(BIN)/tidecast demo

test: $(STAMP) $(DEEP)
	$(BIN)/python -m pytest

# A million broken records: the columnar decoder against the contract, some minutes.
fuzz: $(STAMP)
	TIDECAST_FUZZ_RECORDS=1000000 $(BIN)/python -m pytest tests/fuzz

# Real servers under load, workers and servers killed and frozen; then every count is checked.
MINUTES ?= 10
GAP ?= 15
SEED ?= 1
CHAOS := PYTHONPATH=tests/support $(BIN)/python tests/chaos/run.py --seed $(SEED)
chaos: $(STAMP)
	$(CHAOS) --minutes $(MINUTES) --gap $(GAP)

# The same without faults: workers are restarted one after another, and forecasts go on.
RESTARTS ?= 20
rolling: $(STAMP)
	$(CHAOS) --rolling $(RESTARTS)

lint: $(STAMP) typing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The peers pin older pydantic and pyarrow than we do: they get an environment of their own.
bench:
	test -d .venv-bench || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --constraint constraints-bench.txt --editable ".[bench]"
	.venv-bench/bin/tidecast bench ingest

# The published task of PEMS08, on the array of its flow; the last line holds MAE, RMSE and MAPE.
PEMS08 ?= pems08_flow.npz
pems08: $(STAMP) $(DEEP)
	$(BIN)/tidecast deep pems08 $(PEMS08)

typing:
	@mkdir -p .typing/tidecast
	@for d in streams models state tools; do ln -sfn ../../$$d .typing/tidecast/$$d; done

$(STAMP): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,h3,peers,report]"
	touch $@

# Torch is gigabytes: only what needs it waits for it.
$(DEEP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[onnx]"
	touch $@

clean:
	rm -rf $(VENV) .venv-bench .typing .mypy_cache .ruff_cache .pytest_cache .hypothesis
