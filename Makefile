# What one does with this checkout. `make` alone prints the list.
# Everything needs only make and Python 3.11 or later with venv: the rest is made under .envs/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

DEV := .envs/dev/bin
SAM := .envs/sam/bin
LOCAL := .envs/local/bin
LOCK := .envs/lock/bin

TEMPLATES := template.yaml alarms/template.yaml documents/template.yaml

# Nothing is sent to anyone about what SAM CLI does here. Compiled Python stays out of the folders that
# are packed for Lambda.
export SAM_CLI_TELEMETRY := 0
export PYTHONDONTWRITEBYTECODE := 1
# The contract tests start the local cloud, in the environment that it needs.
export PATCHMEDIC_LOCAL_PYTHON := $(CURDIR)/$(LOCAL)/python

##@ Start here

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: envs ## See it work: a failed patch run, found out, fixed and reported, on this machine
	@$(DEV)/patchmedic demo

.PHONY: test
test: lint unit test-local ## All checks and all tests that need no Docker

##@ Work on it

.PHONY: envs
envs: ## Make the environments under .envs/ (again only when their locks changed)
	@scripts/envs.sh dev sam local

.PHONY: lint
lint: lint-python lint-templates lint-shell ## Style, types, import directions, templates, shell scripts

.PHONY: lint-python
lint-python: envs
	$(DEV)/ruff check
	$(DEV)/ruff format --check
	$(DEV)/mypy
	$(DEV)/lint-imports

.PHONY: lint-templates
lint-templates: envs
	$(DEV)/python documents/build.py --check
	$(SAM)/cfn-lint $(TEMPLATES)
	$(SAM)/sam validate --lint --region ap-northeast-1

.PHONY: lint-shell
lint-shell: envs
	$(DEV)/python scripts/shellcheck.py

.PHONY: format
format: envs ## Put the Python code in order
	$(DEV)/ruff check --fix
	$(DEV)/ruff format

.PHONY: unit
unit: envs ## The tests of the project, with those that start the local cloud
	$(DEV)/python -m pytest --ignore tests/docker --ignore tests/local $(PYTEST)

.PHONY: test-local
test-local: envs ## The tests of the local cloud itself, in its own environment
	$(LOCAL)/python -m pytest tests/local $(PYTEST)

.PHONY: test-docker
test-docker: envs build ## The tests that need a Docker engine
	$(DEV)/python -m pytest tests/docker $(PYTEST)

SEEDS := 200

.PHONY: simulate
simulate: envs ## Drive the decisions through lost, doubled and late events, and crashes; SEEDS=n
	$(DEV)/python -m tests.simulation --seeds $(SEEDS)

.PHONY: bench
bench: envs ## Measure cold starts and classifying; see benchmarks/README.md
	$(DEV)/python benchmarks/imports.py
	$(DEV)/python benchmarks/classify.py

CORPUS :=

.PHONY: accuracy
accuracy: envs ## How often the classifier is right on labelled failures; CORPUS=FILE, else our own samples
	$(DEV)/python benchmarks/accuracy.py $(CORPUS)

.PHONY: build
build: envs ## Build the stack for Lambda into .aws-sam/build
	PATH="$(CURDIR)/$(DEV):$$PATH" $(SAM)/sam build --config-env local

##@ Now and then

.PHONY: documents
documents: envs ## Write documents/template.yaml anew from the scripts beside it
	$(DEV)/python documents/build.py

.PHONY: causes-docs
causes-docs: envs ## Write docs/causes anew from the catalogue of causes
	$(DEV)/python docs/build.py

COMPILE := $(LOCK)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-python-downloads --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: lock
lock: ## Pin all versions anew from requirements/*.in; UPGRADE=--upgrade takes the newest
	@scripts/envs.sh lock
	$(COMPILE) requirements/layer.in -o layers/patchmedic/requirements.txt
	$(COMPILE) pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/sam.in -o requirements/sam.txt
	$(COMPILE) requirements/local.in -o requirements/local.txt
	$(COMPILE) requirements/lock.in -o requirements/lock.txt

.PHONY: clean
clean: ## Remove everything that was made here
	rm -rf .envs .aws-sam .patchmedic build dist .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name '*.egg-info' -prune -exec rm -rf {} +
