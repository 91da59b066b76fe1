# Everything a person types. `make run` needs nothing but Python 3.11–3.13; on an ordinary Linux machine without an NVIDIA
# device, `make setup TORCH_INDEX=…` first (the address is in README) takes the small build of torch.
PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)
# Megabytes, from tests/house/downloads.txt, which `python -m tests.house.downloads` renews.
MB := 3100
MB_CPU := 500
# llama.cpp is built once, for any processor of the last ten years, and kept for other checkouts.
LLAMA := $(shell grep '^llama_cpp_python==' constraints.txt)
LLAMA_FLAGS := -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF
WHEELS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pentimento/wheels
COMPILER := $(shell command -v cc >/dev/null && command -v c++ >/dev/null && echo found)
export OMP_NUM_THREADS ?= 1

.PHONY: setup run demo llama check test reliability bench train

setup: .venv/ready
	@echo 'Ready. To have the command on your PATH: export PATH="$(CURDIR)/$(BIN):$$PATH"'

.venv/ready: pyproject.toml constraints.txt
	@echo 'Downloads up to $(if $(TORCH_INDEX),$(MB_CPU),$(MB)) MB$(if $(TORCH_INDEX),, (only $(MB_CPU) MB with TORCH_INDEX as in the first line of README)).'
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) $(TORCH))
	$(PIP) -e '.[neural,ui]'
	@touch $@

.venv/ready-test: .venv/ready
	$(PIP) -e '.[test]'
	@touch $@

run: .venv/ready
	@$(BIN)/pentimento ui

demo: .venv/ready
	$(BIN)/python -m ui.demo
	$(BIN)/python -m toybox.demo

# Planners from GGUF files. Needs a compiler (apt-get install g++), and five minutes the first time.
llama: .venv/ready-llama

.venv/ready-llama: .venv/ready
	@ls $(WHEELS)/$(subst ==,-,$(LLAMA))-*$$(uname -m).whl >/dev/null 2>&1 || { \
	  echo 'Building llama.cpp, which takes some minutes.'; \
	  CMAKE_ARGS='$(LLAMA_FLAGS)' $(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w $(WHEELS) $(LLAMA); }
	$(PIP) --find-links $(WHEELS) --only-binary llama_cpp_python -e '.[llama]'
	@touch $@

check: .venv/ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/house

# All but what `check` has run and the slow proofs of `reliability`; where there is a compiler, with llama.cpp.
test: .venv/ready-test $(if $(COMPILER),.venv/ready-llama)
	$(BIN)/pytest -m 'not reliability' -n auto --dist loadfile --ignore=tests/house

reliability: .venv/ready-test
	$(BIN)/pytest -m reliability

# make train BUDGET=60 : everything in the starter pack, for so many minutes; goes on where it stopped. OUT is where it
# keeps everything, OUT/pack what is finished. On a CPU it lets everything else go first.
BUDGET ?= 60
OUT ?= build/training
train: .venv/ready-test
	OMP_NUM_THREADS=$$(nproc) $(BIN)/python -m training --budget $(BUDGET) --out $(OUT)

bench: .venv/ready-test $(if $(COMPILER),.venv/ready-llama)
	$(BIN)/python -m benchmarks.sessions
	$(BIN)/python -m benchmarks.darkroom
	$(BIN)/python -m benchmarks.regions
	$(BIN)/python -m benchmarks.remove
	$(BIN)/python -m benchmarks.codec
	$(BIN)/python -m benchmarks.merge
	$(BIN)/python -m benchmarks.replay
	$(BIN)/python -m benchmarks.analogy
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.everyday tests/agent/rules/everyday_*.jsonl
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.toybox
	$(BIN)/python -m benchmarks.tools
	$(BIN)/python -m benchmarks.decoder
	$(BIN)/python -m benchmarks.planner
