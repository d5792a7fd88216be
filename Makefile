# atomlens: `make` lists the targets. Variables: PYTHON, TORCH_INDEX, LAB_ARGS, APP_ARGS, NAME, FORCE, WORKERS,
# THOROUGH, PYTEST_ARGS, OUT, COURSE, LESSON.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.atomlens-installed
DOCS := $(VENV)/.docs-installed
# The first supported Python on the path; `make PYTHON=/path/to/python3.12 setup` takes another one.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' >/dev/null 2>&1 && echo $$p && break; done)
# Test processes at once: the tests keep each to one thread. Each notebook takes up to 1 GB: no more than 4.
WORKERS ?= auto
PARALLEL = --numprocesses $(WORKERS) --dist
# Lessons run without data and network; with real data, where there are such, those with controls, in the browser.
# (With real data all were run when they were built, and a test tells whether one is older than what it uses.)
# THOROUGH=1 runs all both ways, in a kernel and in the browser.
QUICK = $(if $(THOROUGH),, and not thorough)
# As root (in a container, say) JupyterLab wants to be told that this is meant.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

GRADING := .venv-grading/.installed
GRADE = JUPYTER_PATH=$(CURDIR)/$(VENV)/share/jupyter .venv-grading/bin/python notebooks/teaching/grade.py

.DEFAULT_GOAL := help
.PHONY: help setup lab app test lint types unit notebook-tests browser-tests lesson notebooks weights samples fuzz bench \
	docs-tools docs docs-check slides course course-check grade release-check format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
		awk -F '\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

setup: $(STAMP)  ## install everything into .venv (does nothing when it is up to date)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 found: install one, or name it: make PYTHON=... setup"; exit 1; }
	@test -x $(BIN)/python || { echo "Creating $(VENV) with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@echo "Installing the pinned packages (a few minutes the first time) ..."
	@# torch and torchvision stand in one command with what needs them: apart, pip would fetch others
	@$(PIP_INSTALL) --no-compile torch torchvision --editable '.[lab,deep,electrons,test]'
	@$(BIN)/python -m ipykernel install --sys-prefix --name atomlens --display-name "Python (atomlens)" >/dev/null
	@$(BIN)/python -c "import atomlens; print('atomlens', atomlens.__version__, 'is installed in $(VENV)')"
	@touch $@

lab: setup  ## install if need be, and open JupyterLab at the first notebook
	$(BIN)/jupyter lab $(AS_ROOT) $(LAB_ARGS) notebooks/00_start_here.ipynb

app: setup  ## from your own file to a report, in the browser, without code
	JUPYTER_PATH=$(CURDIR)/notebooks/app $(BIN)/jupyter server $(AS_ROOT) \
		--config=notebooks/app/jupyter_server_config.json $(APP_ARGS)

test: setup lint types unit notebook-tests browser-tests  ## run every check: lint, types, tests, notebooks, browser

lint: setup  # ruff, on notebooks too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  # what those who call atomlens may rely on
	$(BIN)/mypy

unit: setup  # unit tests, doctests, Binder, packaging
	$(BIN)/python -m pytest -m "not notebooks and not browser and not site and not course" $(PARALLEL) loadfile $(PYTEST_ARGS)

notebook-tests: setup  # every notebook executed, pairing, freshness, outputs
	$(BIN)/python -m pytest -m "notebooks$(QUICK)" $(PARALLEL) worksteal --maxprocesses 4 $(PYTEST_ARGS)

browser-tests: setup  # JupyterLab in Chromium, two pages at once
	$(BIN)/python -m pytest -m "browser$(QUICK)" $(PARALLEL) worksteal --maxprocesses 2 $(PYTEST_ARGS)

lesson: setup  ## begin a lesson from a template: make lesson NAME=07_defect_library
	$(BIN)/python notebooks/template.py "$(NAME)"

notebooks: setup  ## build the notebooks that are stale, or all with FORCE=1, or those with NAME in their name
	$(BIN)/python notebooks/build.py build $(if $(FORCE),--force) $(NAME)

weights: setup  ## train the networks that come with atomlens (hours; it goes on where it was interrupted)
	$(BIN)/python data/weights/make.py

samples: setup  ## simulate the small files in data/samples again (half an hour: multislice)
	$(PIP_INSTALL) --editable '.[simulate]'
	$(BIN)/python data/make_samples.py
	$(BIN)/python data/make_multislice.py

fuzz: setup  ## read thousands of damaged files: make fuzz FUZZ_ARGS="--seed 1 --folder PATH"
	$(BIN)/python tests/io/fuzz.py $(FUZZ_ARGS)

bench: setup  ## run every benchmark; each prints its table
	$(PIP_INSTALL) --editable '.[interop,peers]'
	@set -e; for script in benchmarks/[a-z]*.py; do echo; echo "== $$script"; $(BIN)/python $$script; done

docs-tools: $(DOCS)

$(DOCS): $(STAMP)
	$(PIP_INSTALL) --editable '.[docs]'
	@touch $@

docs: docs-tools  ## build the site from the stored notebooks and the docstrings: docs/_build/html/index.html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -d docs/_build/doctrees docs docs/_build/html

slides: docs-tools  ## make slides of the core lessons, one file each, in build/slides; or of those with NAME in theirs
	$(BIN)/python notebooks/teaching/slides.py build/slides $(NAME)

course: slides $(GRADING)  ## make a course pack with assignments: make course OUT=my_course
	$(BIN)/python notebooks/teaching/pack.py "$(OUT)"
	cp -r build/slides "$(OUT)/"
	$(GRADE) release "$(OUT)"

grade: setup $(GRADING)  ## grade what students handed in: make grade COURSE=my_course LESSON=05_patterson_ocsvm
	$(GRADE) grade "$(COURSE)" "$(LESSON)"

course-check:  # a course pack is made, and students' work is graded
	rm -rf build/course
	$(MAKE) course OUT=build/course
	$(BIN)/python -m pytest -m course tests/course $(PYTEST_ARGS)

# nbgrader's pins and ours would get in each other's way: it has an environment of its own, and runs our kernel.
$(GRADING): notebooks/teaching/requirements.txt constraints.txt
	@test -x .venv-grading/bin/python || $(PYTHON) -m venv .venv-grading
	.venv-grading/bin/python -m pip install --disable-pip-version-check --quiet --no-compile \
		--constraint constraints.txt --requirement notebooks/teaching/requirements.txt
	@touch $@

docs-check: docs slides  # links, accessibility and size of the site, every page opened in Chromium
	$(BIN)/python -m pytest -m site tests/browser $(PARALLEL) worksteal --maxprocesses 2 $(PYTEST_ARGS)

release-check: setup  ## build the distributions, install the wheel elsewhere, and use it there
	.ci/release-check

format: setup  ## lay out the code as ruff wants it, and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was built, and the environment
	rm -rf $(VENV) .venv-grading build dist docs/_build docs/api docs/lessons .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
