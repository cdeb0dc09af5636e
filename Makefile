# The study from one command. `make` sets up .venv from requirements.lock and runs the quick study;
# see README.md for the others.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := quick
.PHONY: quick study tables report check relock test test-survival test-golden test-slurm lab jets readme clean check-tools

PYTHON ?= python3.11
# What is committed of a study: the targets that start from there take the paper's.
COMMITTED := $(or $(STUDY),config/paper.yaml)
STUDY ?= config/quick.yaml
# nproc alone would obey the OMP_NUM_THREADS of the caller.
JOBS ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || sysctl -n hw.ncpu)
N ?= 500000
# PROFILE=slurm, or another of profiles/: where jobs run. JOBS then limits them only if given. GPU=1: a GPU each.
WHERE = $(if $(PROFILE),--profile '$(PROFILE)') $(if $(GPU),--gpu) $(if $(LIMIT),--cores $(JOBS))
LIMIT = $(if $(PROFILE),$(filter-out file,$(origin JOBS)),always)
PLUGINS = $(if $(PROFILE),$(patsubst requirements-%.lock,.venv/.ready-%,$(wildcard requirements-$(PROFILE).lock)))

# Kernels and tools of .venv first; one thread a job, so that results do not depend on the number of cores.
# By their environment: a path may hold what the shell or make would take apart.
export STUDY COMMITTED
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export OMP_NUM_THREADS := 1
export TF_CPP_MIN_LOG_LEVEL := 2
export TF_ENABLE_ONEDNN_OPTS := 0
export PYDEVD_DISABLE_FILE_VALIDATION := 1

quick: study

study: .venv/.ready $(PLUGINS)
	@ultralow run "$$STUDY" $(WHERE)

# Every hardware column and the report again, from trained networks: nothing is trained.
tables: .venv/.ready $(PLUGINS)
	@ultralow tables "$$COMMITTED" $(WHERE)

# Tables, figures and report from what was measured.
report: .venv/.ready $(PLUGINS)
	@ultralow report "$$COMMITTED" $(WHERE)

# After a change of code behind a declared version (lib/ultralow/study/identity.py): lock the code anew, if golden runs give the
# same results as before.
relock: .venv/.ready
	@python tests/support/relock.py

# Compare results with the committed ones, and judge the differences.
check: .venv/.ready
	@ultralow check "$$COMMITTED" $(if $(ROWS),--rows)

test: .venv/.ready .venv/.ready-jets
	@python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Kills, full disks, a thousand networks: a quarter of an hour; what needs to mount is skipped where it cannot.
test-survival: .venv/.ready
	@python -m pytest -m survival

# Every committed circuit, made again from its network and compared: hours on one core.
test-golden: .venv/.ready
	@python -m pytest -m golden

# The smoke study through a Slurm of one node that the test starts (apt install slurm-wlm munge).
test-slurm: .venv/.ready .venv/.ready-slurm
	@python -m pytest -s tests/slurm/smoke_study.py

lab: .venv/.ready
	@jupyter lab --notebook-dir=notebooks

jets: .venv/.ready .venv/.ready-jets
	@ultralow jets --rows $(N) --jobs $(JOBS)

# README's table and figure, from results/paper.
readme: .venv/.ready
	@python docs/update_readme.py

clean:
	rm -rf .snakemake results/quick results/smoke

.venv/.ready: requirements.lock pyproject.toml | check-tools
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.ready-%: requirements-%.lock .venv/.ready
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

check-tools:
	@command -v $(PYTHON) >/dev/null || { echo "This needs Python 3.11 as '$(PYTHON)'; install it or say: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v g++ >/dev/null || { echo "This needs the C++ compiler g++ (hls4ml's emulation and Verilator); install it, e.g. apt install g++" >&2; exit 1; }
	@command -v perl >/dev/null || { echo "This needs perl (Verilator); install it, e.g. apt install perl" >&2; exit 1; }
