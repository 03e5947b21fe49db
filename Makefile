# `make reproduce` and `make test` need git, make and Python 3.11 or 3.12 with venv, and nothing else.
PY ?= $(firstword $(foreach python,python3.11 python3.12 python3,$(if $(shell command -v $(python)),$(python))))
CORES ?= all
# Run only as many stages at once as fit in memory: dvc.yaml states how much each takes.
# In a container the limit is the container's, not the machine's memory.
MEMORY_MB ?= $(shell { awk '/^MemTotal/ {print int($$2 / 1024)}' /proc/meminfo; \
	cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null \
	| awk '/^[0-9]/ {print int($$1 / 1048576)}'; } | sort -g | head -n 1)
VENV := .venv

# What of the user's environment reaches the commands below: all but what this list says (docs/reproducibility.md).
listed = $(shell sed -n 's/^$(1) //p' src/lemur/core/environment_variables.txt | tr '*' '%')
users_no_proxy := $(no_proxy),$(NO_PROXY),
unexport $(filter-out $(call listed,keep),$(filter $(call listed,drop),$(.VARIABLES)))
$(foreach setting,$(call listed,set),$(eval export $(setting)))
$(foreach entry,$(call listed,add),$(eval export $(subst =,=$(users_no_proxy),$(entry))))
# A home that is missing or read-only cannot hold caches: the checkout does.
ifneq ($(shell mkdir -p "$${HOME:-/dev/null}/.cache" 2>/dev/null && test -w "$$HOME/.cache" && echo yes),yes)
export XDG_CACHE_HOME := $(CURDIR)/.lemur/home/.cache
export MPLCONFIGDIR := $(XDG_CACHE_HOME)
$(shell mkdir -p "$(XDG_CACHE_HOME)")
endif
ifneq ($(shell test -d "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.lemur/home
endif

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Without bytecode every start is three times slower, and some images disable it.
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=
export UV_FIND_LINKS := $(PIP_FIND_LINKS)
# DVC needs a user name, which a container may not have.
export USER ?= $(shell id -un 2>/dev/null)
# No telemetry.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1

.PHONY: help usable setup reproduce test test-all verify check format lock ui track embed parity serve serve-check store store-test gpu dask dask-test peer inspect plan small abilities benchmarks ds1000 agents toolchains \
	clean test-exact test-processors cluster-test fuzz

help: ## list the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

usable:
	@bin/usable_git "$(CURDIR)"
	@test -n "$(PY)" || { echo "Python is missing; install 3.11 or 3.12 with venv (Debian 12: apt-get install python3-venv)" >&2; exit 1; }

setup: usable $(VENV)/.core ## create the environment in .venv from hashed requirements

$(VENV)/.core: requirements/uv.txt requirements/core.txt bin/lemur
	@$(PY) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else "Python 3.11 or 3.12 is needed, found %d.%d; name one: make PY=python3.12" % v)'
	test -x $(VENV)/bin/python || $(PY) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --require-hashes -r requirements/uv.txt
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python --require-hashes -r requirements/core.txt
	install -m 755 bin/lemur $(VENV)/bin/lemur
	@touch $@

reproduce: setup ## build every artifact, from raw data to reports
	snakemake --cores $(CORES) --resources mem_mb=$(MEMORY_MB)
	@echo "Read reports/summary/report.md, or run 'make ui' for MLflow."

test: setup ## run the tests, offline
	PYTHONWARNDEFAULTENCODING=1 python -m pytest -q -n auto --dist worksteal

test-all: setup ## run the slow tests too
	python -m pytest -q -m ""

verify: setup ## build HEAD from scratch in a temporary clone and name the differences from dvc.lock
	lemur verify --cores $(CORES)

EXACT ?= exact
test-exact: setup ## test exact reruns and equal bytes with real builds in temporary clones; some only: EXACT="exact and not tiny"
	python -m pytest -q -n 2 --dist loadfile tests/exact tests/pipeline -m "$(EXACT)"

PROCESSORS ?= processors or qemu
# Debian: gcc libc6-dev binutils for processors simulated at native speed, qemu-user for emulated ones (slow).
test-processors: setup ## test for equal bytes as processors of other makes; simulated ones only: PROCESSORS=processors
	python -m pytest -q tests/processors -m "$(PROCESSORS)"

CLUSTER_PACKAGES = iproute2 munge slurm-client slurmctld slurmd
cluster-test: setup ## test builds on a real Slurm of two nodes, without network (as root; Debian packages, 20 MB)
	@test "$$(id -u)" = 0 || { echo "make cluster-test: needs root, for Slurm and a network of its own" >&2; exit 1; }
	dpkg -s $(CLUSTER_PACKAGES) >/dev/null 2>&1 || apt-get install -y --no-install-recommends $(CLUSTER_PACKAGES)
	tests/cluster/namespace python -m pytest -q tests/cluster -m cluster

BENCHMARKS = training.py sandbox.py pipeline.py instructions.py:workers instructions.py:langdetect instructions.py:dedup \
	tokens.py:tokenize tokens.py:pack corpus.py:loader
benchmarks: parity ## measure speed against the peers that need no set-up of their own (hours, on a quiet machine)
	@for words in $(BENCHMARKS); do \
		echo "== benchmarks/$$words" | tr : ' '; python benchmarks/$$(echo $$words | tr : ' ') || failed="$$failed $$words"; \
	done; test -z "$$failed" || { echo "Failed, below a bound, or unclear:$$failed" >&2; exit 1; }

FUZZ_SECONDS ?= 300
fuzz: setup ## read arbitrary records, then damaged bundled files for FUZZ_SECONDS, with the reader of every source
	FUZZ_SECONDS=$(FUZZ_SECONDS) python -m pytest -q -m "" --hypothesis-profile=fuzz \
		tests/sources/test_reader_properties.py tests/sources/test_fuzz.py

check: setup ## check formatting, lint, types, the layers of rooms, and that dvc.yaml declares what the code uses
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile
	mypy src/lemur
	PYTHONPATH=src lint-imports --no-cache
	lemur check

format: setup ## format everything
	ruff check --fix -q .
	ruff format -q .
	snakefmt Snakefile

ui: setup ## open the MLflow UI on 127.0.0.1:5000
	lemur ui

track: setup ## create the MLflow run of this checkout's artifacts
	lemur track

COMPILE = uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate --universal
# CPU torch is a single file for one platform, so anything that needs it cannot be resolved universally.
COMPILE_CPU = $(subst --universal,--python-platform x86_64-manylinux_2_28,$(COMPILE))
lock: setup ## resolve the requirements files again from pyproject.toml
	$(COMPILE) pyproject.toml --group dev -c requirements/constraints.txt -o requirements/core.txt
	echo "uv==0.13.8" | $(COMPILE) - -o requirements/uv.txt
	echo "libtpu==0.0.42.1" | $(COMPILE) - -o requirements/plan.txt
	$(COMPILE_CPU) pyproject.toml --extra embed -c requirements/core.txt -o requirements/embed.txt
	$(COMPILE_CPU) requirements/ds1000.in -o requirements/ds1000.txt
	$(COMPILE_CPU) requirements/agents.in -o requirements/agents.txt
	$(COMPILE_CPU) requirements/peer.in -o requirements/peer.txt
	$(COMPILE) requirements/inspect.in -o requirements/inspect.txt
	# core.txt's versions, but S3's client needs an older python-dateutil: a preference, where -c would be a condition.
	cp requirements/core.txt requirements/store.txt
	$(COMPILE) requirements/store.in -o requirements/store.txt
	sed -n 's/^dask = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(COMPILE) - -c requirements/core.txt -o requirements/dask.txt
	sed -n 's/^cuda = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(COMPILE_CPU) - -c requirements/core.txt -o requirements/cuda.txt
	$(COMPILE_CPU) requirements/serve.in --overrides requirements/serve-overrides.txt -o requirements/serve.txt

# CPU torch: uv knows its index; a machine with its own wheels sets their folder in PIP_FIND_LINKS.
TORCH = $(if $(PIP_FIND_LINKS),,--torch-backend=cpu)
embed parity: setup ## install CPU torch and sentence-transformers for INSTRUCTOR embeddings and parity tests
	uv pip install -q $(TORCH) --python $(VENV)/bin/python --require-hashes -r requirements/embed.txt

serve: setup ## install vLLM in .venv-serve
	test -x .venv-serve/bin/python || $(PY) -m venv .venv-serve
	uv pip install -q --python .venv-serve/bin/python --no-deps --require-hashes -r requirements/serve.txt

serve-check: serve ## compare vLLM with JAX on this checkout's Lemur-Chat and SmolLM2-135M (scale small), also as a stage's back end
	snakemake --cores $(CORES) --resources mem_mb=$(MEMORY_MB) -- models/lemur_chat/
	CORES=$(CORES) MEMORY_MB=$(MEMORY_MB) bin/at_scale small small models/base/
	python benchmarks/serve.py models/lemur_chat .lemur/at/small/models/base
	python -m pytest -q -m serve tests/inference

store: setup ## install moto's S3 server and what DVC and fsspec need for S3 in .venv-store (2 GB: with all of .venv's packages)
	test -x .venv-store/bin/python || $(PY) -m venv .venv-store
	uv pip install -q --python .venv-store/bin/python --require-hashes -r requirements/core.txt
	uv pip install -q --python .venv-store/bin/python --require-hashes -r requirements/store.txt

store-test: store ## test artifacts and sources in an S3 bucket, on a server on 127.0.0.1: kills, truncated objects, credentials
	PYTHONWARNDEFAULTENCODING=1 .venv-store/bin/python -m pytest -q -m store tests/store

dask: setup ## install Dask, for LEMUR_ENGINE=dask:SCHEDULER_FILE (docs/scale.md; 8 small packages)
	uv pip install -q --python $(VENV)/bin/python --require-hashes -r requirements/dask.txt

gpu: setup ## install CUDA's libraries for JAX on an NVIDIA GPU (docs/accelerators.md; 5 GB)
	uv pip install -q --python $(VENV)/bin/python --require-hashes -r requirements/cuda.txt

dask-test: dask ## test the engine on a Dask cluster on 127.0.0.1: refused workers, kills (minutes)
	PYTHONWARNDEFAULTENCODING=1 python -m pytest -q -m dask tests/dask_engine

peer: setup ## install lm-evaluation-harness in .venv-peer, for benchmarks/peer.py (1.4 GB)
	test -x .venv-peer/bin/python || $(PY) -m venv .venv-peer
	uv pip install -q $(TORCH) --python .venv-peer/bin/python --require-hashes -r requirements/peer.txt

inspect: setup ## install inspect_ai in .venv-inspect, for the test of `lemur export` and for `inspect view` (80 packages)
	test -x .venv-inspect/bin/python || $(PY) -m venv .venv-inspect
	uv pip install -q --python .venv-inspect/bin/python --require-hashes -r requirements/inspect.txt

SCALE ?= paper
plan: setup ## compile the paper's trainings for a TPU v4-512; libtpu in .venv-plan (203 MB to fetch, 700 MB installed)
	uv pip install -q --python $(VENV)/bin/python --target .venv-plan --require-hashes -r requirements/plan.txt
	lemur plan scales/$(SCALE).yaml

CHAIN = base lemur lemur_chat
small: setup ## import, continue training and tune SmolLM2-135M (scale small) in .lemur/at/small; report in .lemur/small.md
	CORES=$(CORES) MEMORY_MB=$(MEMORY_MB) bin/at_scale small small $(CHAIN:%=reports/eval/%/bits_per_byte.json)
	python benchmarks/small.py .lemur/at/small > .lemur/small.md; code=$$?; cat .lemur/small.md; exit $$code

EIGHT = mmlu bbh gsm8k humaneval mbpp spider multipl_e ds1000
abilities: setup ## run SmolLM2-135M on the eight benchmarks (LEMUR_MIRROR; about an hour) in .lemur/at/abilities
	CORES=$(CORES) MEMORY_MB=$(MEMORY_MB) bin/at_scale abilities small,benchmarks/abilities.yaml $(EIGHT:%=reports/eval/base/%.json)
	python benchmarks/abilities.py .lemur/at/abilities/reports/eval/base > .lemur/abilities.md; code=$$?; cat .lemur/abilities.md; exit $$code

DS1000_PY ?= python3.11
ds1000: setup ## install the libraries of DS-1000 in .venv-ds1000 (2.7 GB; Python 3.11 only, because of pandas 1.5)
	test -x .venv-ds1000/bin/python || $(DS1000_PY) -m venv .venv-ds1000
	uv pip install -q $(TORCH) --python .venv-ds1000/bin/python --require-hashes -r requirements/ds1000.txt

AGENT_PACKAGES = chromium-headless-shell fonts-dejavu-core mariadb-server-core mmdebstrap
ROOTS ?= yes
# Without root install these packages yourself, or name a Chromium in the variable CHROMIUM; then there are no roots.
agents: setup ## install what real environments of agents need: Debian packages and InterCode's roots (as root; not with ROOTS=no), .venv-agents
	test "$$(id -u)" != 0 || dpkg -s $(AGENT_PACKAGES) >/dev/null 2>&1 || \
		{ apt-get update -q && apt-get install -y --no-install-recommends $(AGENT_PACKAGES); }
	test -x .venv-agents/bin/python || $(PY) -m venv .venv-agents
	uv pip install -q --python .venv-agents/bin/python --require-hashes -r requirements/agents.txt
	test "$$(id -u)" != 0 || test "$(ROOTS)" = no || PYTHONPATH=src python -m lemur.agents.intercode.bash.roots

TOOLCHAINS = g++ golang-go ldc libjavatuples-java libmono-system-core4.0-cil libmono-system-numerics4.0-cil \
	libtest-deep-perl lua-unit lua5.3 mono-mcs mono-runtime node-typescript nodejs openjdk-17-jdk-headless perl php-cli \
	r-base-core racket ruby ruby-test-unit rustc scala
toolchains: ## install compilers for 16 of MultiPL-E's 18 languages from Debian 12 (1.4 GB, as root; it lacks Julia and Swift)
	apt-get install -y --no-install-recommends $(TOOLCHAINS)

clean: ## remove what builds leave beside the artifacts: logs, unfinished trainings, cached answers, .lemur/at
	rm -rf .snakemake .lemur logs .pytest_cache .mypy_cache .ruff_cache
