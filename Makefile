# The commands of the course. Every target that needs the environment in .venv creates it if it is missing.
#   make run                        all notebooks, profile mini
#   make run PROFILE=smoke ONLY=04  one notebook, or some: ONLY=02,03 or ONLY=02-04
PROFILE ?= mini
ONLY ?=
FROM ?=
SEED ?= 0
DEVICE ?= auto
DATA_ROOT ?=
OUTPUT_DIR ?=
CHECK ?=
KEEP_GOING ?=
JOBS ?= 2
RESUME ?=
DRY_RUN ?=
ARGS ?=
# en, or zh for Chinese texts. Only `make ... LANGUAGE=zh` counts: desktops set LANGUAGE in the environment.
ifneq ($(if $(LANGUAGE),$(origin LANGUAGE)),command line)
override LANGUAGE := en
endif
PYTHON ?=
UPGRADE ?=
export PYTHON UPGRADE

# In a conda environment instead of .venv: make conda, then make run CONDA=street-scenes DEVICE=gpu:0
CONDA ?=
ifeq ($(CONDA),)
PY := .venv/bin/python
READY := .venv/.ready
else
PY := conda run --no-capture-output -n $(CONDA) python
READY :=
endif

.DEFAULT_GOAL := help
.PHONY: help setup conda run reference play lab test test-lab ci soak bench site lite lint format clean-notebooks lock clean

help: ## list the targets
	@echo "make TARGET [NAME=value ...]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-16s %s\n' "$$name" "$$text"; done

ifneq ($(READY),)
$(READY): requirements.lock
	@scripts/setup.sh
endif

setup: $(READY) ## create the environment, as every other target does if it is missing

conda: ## create or update the conda environment of environment.yml, for NVIDIA GPUs (never run)
	@scripts/conda.sh

run: $(READY) ## run the notebooks headless: PROFILE=smoke|mini|cityscapes ONLY=04 FROM=03 SEED=0 DEVICE=gpu:0 DATA_ROOT=... OUTPUT_DIR=... LANGUAGE=zh CHECK=1 KEEP_GOING=1 RESUME=1 DRY_RUN=1; ARGS=--help lists more
	@$(PY) -m helpers.runner --profile "$(PROFILE)" --only "$(ONLY)" --from "$(FROM)" --seed "$(SEED)" \
		--device "$(DEVICE)" --data-root "$(DATA_ROOT)" --output-dir "$(OUTPUT_DIR)" --language "$(LANGUAGE)" $(if $(CHECK),--check) \
		$(if $(KEEP_GOING),--keep-going) $(if $(RESUME),--resume) $(if $(DRY_RUN),--dry-run) $(ARGS)

reference: $(READY) ## run, and add the metrics to the reference for CHECK=1, by hardware and seed: SEED=1 DEVICE=gpu:0 OUTPUT_DIR=... RESUME=1
	@$(PY) -m helpers.runner --profile "$(PROFILE)" --only "$(ONLY)" --seed "$(SEED)" --device "$(DEVICE)" \
		--output-dir "$(OUTPUT_DIR)" $(if $(RESUME),--resume) --write-reference

# JupyterLab with the settings of scripts/jupyterlab; those in the user's home stay as they are.
LAB = JUPYTER_CONFIG_PATH="$(CURDIR)/scripts/jupyterlab$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" $(PY) -m jupyterlab

play: lab ## label streets in JupyterLab with the trained networks, before any training: the start page

lab: $(READY) ## open the notebooks in JupyterLab: LANGUAGE=zh for Chinese texts; ARGS="--allow-root --no-browser" are passed to it
	@folder=$$($(PY) -m helpers.translations build "$(LANGUAGE)") && \
		$(LAB) --LabApp.default_url=/lab/tree/$$folder/00_play.ipynb $(ARGS)

test: $(READY) lint ## lint, unit tests, and all notebooks headless at smoke, in JOBS=2 processes
	@$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-lab: $(READY) ## run all cells of every notebook in JupyterLab, in a browser, and use the demos: ten minutes
	@COURSE_RUN_ALL=1 $(PY) -m pytest tests/browser/test_run_all_in_lab.py

ci: ## install missing system packages with apt, then make test
	@.ci/run

soak: $(READY) ## kill training, imports, exports and a whole run at random moments and compare: ARGS="--kills 5 --only export"
	@$(PY) scripts/soak.py $(ARGS)

bench: $(READY) ## measure speed and write outputs/bench.json: ONLY=deploy,eval for some parts
	@$(PY) -m helpers.benchmarks $(if $(ONLY),--only "$(ONLY)")

site: $(READY) ## build a web site from the executed notebooks, into outputs/<profile>/site: PROFILE=smoke OUTPUT_DIR=...
	@$(PY) -m scripts.site --profile "$(PROFILE)" --output-dir "$(OUTPUT_DIR)"

lite: $(READY) ## convert an exported model for phones with Paddle Lite: MODEL=outputs/mini/05/fastscnn
	@$(PY) -m helpers.deployment.lite "$(or $(MODEL),outputs/mini/05/fastscnn)"

lint: $(READY) ## check code and notebooks with ruff
	@$(PY) -m ruff check . && $(PY) -m ruff format --check --quiet .

format: $(READY) ## fix and format code and notebooks with ruff
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

clean-notebooks: $(READY) ## remove outputs and execution counts from the notebooks before a commit
	@$(PY) -m nbconvert --clear-output --inplace --log-level=ERROR --ClearMetadataPreprocessor.enabled=True \
		--ClearMetadataPreprocessor.clear_cell_metadata=False \
		--ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec \
		--ClearMetadataPreprocessor.preserve_nb_metadata_mask=language_info notebooks/*.ipynb

lock: ## update requirements.lock from pyproject.toml: UPGRADE=1 for newer versions
	@scripts/lock.sh

clean: ## remove the environment; keep data and outputs
	rm -rf .venv
