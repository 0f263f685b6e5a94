# make help says what there is.
.DEFAULT_GOAL := help
.PHONY: help setup demo seeds repro record run cost verify verify-cache test test-fast test-slow bench check format lock runs unlock clean

PYTHON ?= python3
CORES ?= all
TESTERS ?= $(shell expr $$(nproc) + 1)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
GIVEN := PRESET ROOT LISTS TRANSFER OUT TARGETS DATASET SPLIT LIKE
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name)))) # as it was given: make would expand a $$ in it
export $(GIVEN)
# A user without a name, as in a container, has its number: DVC asks for one.
export LOGNAME ?= $(or $(USER),$(shell id -un 2>/dev/null || id -u))
export PYTHONDONTWRITEBYTECODE := # hundreds of short jobs import the same modules: compile each once
SOURCES := lib stages tests bench docs
RULES := Snakefile stages/*.smk

help: ## this list
	@grep -hE '^[a-z0-9. -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9. -]+):[^#]*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/done ## .venv with the pinned versions of requirements.lock

.venv/done: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "error: Python 3.11 to 3.13 is needed; say which: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch .venv/done

demo: setup ## the whole pipeline on the toy dataset, from videos to data/report/index.html
	snakemake --cores $(CORES)

seeds: setup ## the same for every seed of params.seeds: data/report/seeds.html
	snakemake seeds --cores $(CORES)

table1 table2 table3 table4 table5 table6 figure2 figure3: setup ## what the paper compares there, at the scale of params.yaml: data/report/table1.html ...
	snakemake $@ --cores $(CORES)
.PHONY: table1 table2 table3 table4 table5 table6 figure2 figure3

repro: setup dvc.yaml ## what changed, by DVC
	@git rev-parse --git-dir >/dev/null 2>&1 || [ "$$(dvc config core.no_scm 2>&1)" = true ] || { echo "error: no git repository, as from a zip; call once: $(BIN)/dvc config --local core.no_scm true" >&2; exit 2; }
	dvc repro

record: setup ## tell DVC of a finished Snakemake run
	videossl record

run: setup ## videossl run: one of presets/ in a folder of its own: make run PRESET=folder ROOT=path/to/videos [LISTS=...] [TRANSFER=...] [SPLIT=2] [LIKE=runs/other] [OUT=runs/mine] [TARGETS="table1 ..."]
	videossl run --lists="$$LISTS" --transfer="$$TRANSFER" --split="$$SPLIT" --like="$$LIKE" --out="$$OUT" --targets="$$TARGETS" --cores=$(CORES) -- "$$PRESET" "$$ROOT"

cost: setup ## what a run takes on this machine, before anything starts: make cost PRESET=ucf101 [ROOT=...] [LISTS=...] [TRANSFER=...] [SPLIT=2] [TARGETS="table1 ..."]
	videossl cost --lists="$$LISTS" --transfer="$$TRANSFER" --split="$$SPLIT" --targets="$$TARGETS" -- "$$PRESET" "$$ROOT"

verify: setup ## whether a copy of a dataset is whole: make verify DATASET=ucf101 [ROOT=path/to/ucf101] [SPLIT=1] [LISTS=...]
	videossl verify $${SPLIT:+--split="$$SPLIT"} $${LISTS:+--lists="$$LISTS"} -- "$$DATASET" $${ROOT:+"$$ROOT"}

verify-cache: setup ## whether the cache of a run is as it was written: make verify-cache [OUT=runs/mine]
	videossl verify-cache -- "$${OUT:-.}/data/cache"

test: setup ## all tests, in a process a core and one more, since those on Slurm mostly wait
	pytest -n $(TESTERS)

test-fast: setup ## the tests that take no whole pipeline
	pytest -n $(TESTERS) -m 'not slow'

test-slow: setup ## the tests that do
	pytest -n $(TESTERS) -m slow

bench: setup ## what is measured in minutes, as ratios to named baselines; on a GPU: .venv/bin/python -m bench.gpu
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench

docs: setup ## the documentation as a site: docs/_build/index.html
	sphinx-build --fresh-env --quiet --fail-on-warning --keep-going docs docs/_build
.PHONY: docs

check: setup ## format, lint, types, layers, dvc.yaml, docs/params.md
	ruff format --check $(SOURCES)
	ruff check $(SOURCES)
	snakefmt --check $(RULES)
	mypy
	lint-imports
	videossl dvc-yaml --check
	videossl params --out docs/params.md --check
	videossl params --schema --out docs/params.schema.json --check

format: setup ## mend the format
	ruff format $(SOURCES)
	ruff check --fix $(SOURCES)
	snakefmt $(RULES)

dvc.yaml: .FORCE
	videossl dvc-yaml
	videossl params --out docs/params.md
	videossl params --schema --out docs/params.schema.json
.PHONY: .FORCE

lock: ## requirements.lock from pyproject.toml; needs uv
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock

runs: setup ## what each training of a run ran on, took and used, and how each attempt at it ended: make runs [OUT=runs/mine]
	videossl runs -- "$${OUT:-.}"

unlock: setup ## after a kill -9 of snakemake: end what it left on a cluster, and let it run again: make unlock [OUT=runs/mine]
	videossl unlock -- "$${OUT:-.}"

clean: ## remove what runs made: data/, logs/, runs/
	rm -rf logs runs .snakemake
	find data -mindepth 1 ! -name README.md -delete
