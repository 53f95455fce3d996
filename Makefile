# Needs Python 3.11 or newer and make. Everything else is set up here, in .venv.
#   make demo [ONCE=1]   the main job on sample centres
#   make test            style, types, import rules, all tests
#   make bench           measures
#   make format          formats the code
#   make translations    compiles lms_bridge/web/translations
#   make clean           takes away what the others made
# PYTHON=/path/to/python3.12 names another Python.

VENV := .venv
BIN := $(VENV)/bin
BENCH ?=

ifndef PYTHON
PYTHON := $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
  if $$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
  then command -v $$each; break; fi; done)
endif

.PHONY: demo test bench format translations chromium clean

demo: $(VENV)/.runtime
	$(BIN)/lms-bridge demo $(if $(ONCE),--once) $(DEMO)

test: $(VENV)/.dev chromium
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --hypothesis-profile=repeatable

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(BENCH)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

translations: $(VENV)/.dev
	$(BIN)/pybabel compile --directory lms_bridge/web/translations

clean:
	rm -rf $(VENV) build dist data/demo .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The tests in a browser use the system's own: what Playwright downloads does not run everywhere.
chromium:
	@if test -n "$$LMS_BRIDGE_TEST_CHROMIUM" || command -v chromium >/dev/null || \
	  command -v chromium-browser >/dev/null; then exit 0; fi; \
	root=; test "$$(id -u)" = 0 || root="sudo -n"; \
	if ! command -v apt-get >/dev/null || ! $$root true 2>/dev/null; then \
	  echo "The tests in a browser need Chromium: install it (on Debian: apt-get install chromium)," \
	    "or name one with LMS_BRIDGE_TEST_CHROMIUM=/path/to/chromium" >&2; exit 1; fi; \
	$$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium

# Each stamp is as old as the last installation: a change of what is needed installs anew.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.runtime

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, with its venv module;" \
	  "name it with PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
