# Everything a person types. `make run` needs nothing but Python 3.11–3.13.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: setup run demo check test reliability bench train

setup: .venv/ready
	@echo 'Ready. To have the command on your PATH: export PATH="$(CURDIR)/$(BIN):$$PATH"'

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ui]'
	@touch $@

.venv/ready-test: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

run: .venv/ready
	@$(BIN)/pentimento ui

demo: .venv/ready
	$(BIN)/python -m ui.demo

check: .venv/ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/house

test: .venv/ready-test
	$(BIN)/pytest -m 'not reliability' -n auto --dist loadfile

reliability: .venv/ready-test
	$(BIN)/pytest -m reliability

# make train BUDGET=60 : minutes; goes on where it stopped. OUT is where it keeps everything.
BUDGET ?= 60
OUT ?= build/training
train: .venv/ready-test
	OMP_NUM_THREADS=$$(nproc) $(BIN)/python -m training --budget $(BUDGET) --out $(OUT)

bench: .venv/ready-test
	$(BIN)/python -m benchmarks.sessions
	$(BIN)/python -m benchmarks.darkroom
	$(BIN)/python -m benchmarks.regions
	$(BIN)/python -m benchmarks.remove
	$(BIN)/python -m benchmarks.codec
	$(BIN)/python -m benchmarks.merge
	$(BIN)/python -m benchmarks.replay
	$(BIN)/python -m benchmarks.analogy
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.planner tests/agent/rules/everyday_*.jsonl
