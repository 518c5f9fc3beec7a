# What a contributor does, by name. `make` alone lists it.
.PHONY: help setup test lint demo docs release
.DEFAULT_GOAL := help

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: .venv/.setup ## make .venv with all that tests, lint and types need

.venv/.setup: pyproject.toml requirements.lock
	python3 -m venv .venv
	.venv/bin/pip install -q -c requirements.lock -e '.[dev,thirdparty]'
	touch $@

test: setup ## the fast tests; ARGS="tests/firmware -k windows" for some of them
	.venv/bin/pytest -q $(or $(ARGS),-n auto)

lint: setup ## ruff and mypy, which change nothing
	.ci/run lint

demo: setup ## one update on a simulated dongle; ARGS="--radio znp" for the other one
	.venv/bin/hanctl demo $(ARGS)

docs: setup ## check the documents against the code
	.venv/bin/pytest -q -n auto tests/docs tests/ledger/test_events_doc.py tests/household/test_data_doc.py

release: setup ## every check with its long runs, then the packages in dist/
	.ci/run
	.venv/bin/pip wheel -q --no-deps -w dist .
