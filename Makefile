# Everything a person does with this repository. Needs make, and Python 3.11 or newer with venv and pip.
# The README has the same steps without make, for Windows and macOS.

# The Python that .venv is built with: the first of these that is new enough.
ifndef PYTHON
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
endif
# TORCH=cpu takes torch's smaller CPU builds.
TORCH ?=
NOTEBOOKS ?=
ARGS ?=
PORT ?= 8888
SITE ?= build/book

# Tests run in this many processes at once.
JOBS ?= 2

BIN := .venv/bin
# JupyterLab refuses to run as root unless told; in a container there is often nobody else.
AS_ROOT := $(shell test "$$(id -u)" = 0 && echo --allow-root)
STAMP := .venv/.lcnb-ready
# JupyterLab opens the first lesson, without a pop-up about news.
FIRST := /lab/tree/00_quickstart.ipynb
LAB_SETTINGS := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}

# Idle OpenMP threads spin for some microseconds only, then sleep: notebooks, browser and tests share the cores.
export GOMP_SPINCOUNT ?= 1000

.DEFAULT_GOAL := help
.PHONY: help setup run lab book check test test-real test-long coverage lint types pages constraints python-there browser-there clean clean-venv

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done
	@echo
	@echo '  make run NOTEBOOKS="00 05" ARGS="--dataset camvid"'
	@echo '  make setup TORCH=cpu    smaller CPU builds of torch (not tested here)'

setup: $(STAMP) ## create .venv and install everything into it

$(STAMP): pyproject.toml constraints.txt | python-there
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo 'make: $(PYTHON) cannot make a virtual environment; install its venv (Debian: apt-get install python3-venv)' >&2; \
		exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1 || { \
		echo 'make: .venv has no pip and cannot get it; install pip for $(PYTHON), then: make clean-venv setup' >&2; \
		exit 1; }
	@test -z '$(TORCH)' || echo 'make: TORCH=$(TORCH) is not tested here; if torchvision cannot be imported: make clean-venv setup'
	@echo 'make: installing into .venv, once (PyPI builds of torch for Linux bring CUDA along: several GB, some minutes)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m uv pip install --python $(BIN)/python --compile-bytecode \
		$(if $(TORCH),--torch-backend=$(TORCH)) -c constraints.txt -e '.[notebooks,docs,test,bench]'
	@# Matplotlib lists the fonts once; else the first notebook would say that it does.
	@$(BIN)/python -c 'import matplotlib.font_manager' 2>/dev/null
	@touch $@

python-there:
	@test -n '$(PYTHON)' || { echo 'make: no Python 3.11 or newer was found; install one, or name it: make setup PYTHON=...' >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'make: $(PYTHON) is no Python 3.11 or newer' >&2; exit 1; }

run: setup ## run every notebook on the embedded data and write pages to look at
	$(BIN)/lcnb run $(NOTEBOOKS) --profile quick --out build/notebooks $(ARGS)

lab: setup ## open the lessons in JupyterLab, on this machine only and with a token
	@mkdir -p .venv/share/jupyter/lab/settings
	@echo '$(LAB_SETTINGS)' > .venv/share/jupyter/lab/settings/overrides.json
	$(BIN)/jupyter lab --ip=127.0.0.1 --port=$(PORT) --notebook-dir=notebooks $(AS_ROOT) --LabApp.default_url=$(FIRST)

QUICK := not slow and not browser and not real and not long

# $(call tests,MARKS): in JOBS processes of one thread each.
tests = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder -m '$(1)' $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

check: lint types ## before a commit: style, types, quick tests, one notebook
	$(call tests,$(QUICK))
	$(BIN)/lcnb run 00 --profile quick --out build/check

test: export CI := 1
test: browser-there lint types ## everything on the embedded data, in a browser too
	$(call tests,not real and not long)

browser-there:
	@test -n "$$LCNB_CHROMIUM" || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
		echo 'make: the browser test needs chromium (Debian: apt-get install chromium), or its path in LCNB_CHROMIUM' >&2; \
		exit 1; }

test-real: setup ## tests and notebooks on the real data under LCNB_DATA
	@test -n "$$LCNB_DATA" || { echo 'make: set LCNB_DATA to the folder above camvid/' >&2; exit 1; }
	$(BIN)/python -m pytest -m 'real and not long' $(ARGS)

test-long: browser-there setup ## what takes long: memory under load, other versions of torch and Python
	$(BIN)/python -m pytest -m long --timeout 3600 $(ARGS)

coverage: setup ## which lines of lcnb the quick tests run; fails below 90 %
	$(BIN)/python -m pytest -m '$(QUICK)' --cov --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

book: setup ## build the site of notebooks, docs and API reference; a broken link ends it
	$(BIN)/python -m tools.photo_page build/extra/photo
	$(BIN)/python -m sphinx -W --keep-going -q -c docs -d $(SITE).doctrees . $(SITE)
	@echo 'open $(SITE)/index.html'

pages: setup ## write the docs that come from kept results anew
	$(BIN)/python -m tools.slider_page
	$(BIN)/python -m tools.pages

constraints: setup ## resolve constraints.txt, the versions that setup and CI install, to the newest
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-emit-index-url --no-annotate \
		--no-header pyproject.toml --extra notebooks --extra docs --extra test --extra bench --output-file constraints.txt

clean: ## remove what was built; .venv stays
	rm -rf build dist docs/api .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -print | while read -r d; do rm -rf "$$d"; done

clean-venv: ## remove .venv
	rm -rf .venv
