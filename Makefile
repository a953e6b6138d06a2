# Two commands matter: `make run` and `make test`. `make help` lists all of them.
# All paths are relative, so that the checkout may lie under any path.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
# More workers than the two cores of the smallest machine, since many tests wait for a server or a browser.
PYTEST = .venv/bin/python -m pytest --quiet
SPREAD = -n 4 --dist loadfile --no-loadscope-reorder
# Without its cache, each of the many processes of a run would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
INSTALL = .venv/bin/uv pip install --quiet --require-hashes --compile-bytecode --python

.PHONY: run env test on-postgresql on-sqlite check prove bench screenshots lint lock help

run: .venv/run.stamp  ## run the whole portal on http://localhost:8000; PORT=8001 changes the port
	@PORT='$(PORT)' exec .venv/bin/python manage.py serve

env: .env  ## write the settings for docker-compose.yml, with new secrets
.env:
	@umask 077; secret() { head -c "$$1" /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }; \
	while IFS= read -r line; do case $$line in \
	  SECRET_KEY=|*_PASSWORD=) echo "$$line$$(secret 48)";; \
	  KEY_PEPPERS=|ENCRYPTION_KEYS=) echo "$${line}1:$$(secret 32)";; \
	  *) printf '%s\n' "$$line";; \
	esac; done < .env.example > .env.new && mv .env.new .env

test: .venv/dev.stamp  ## run the whole suite on PostgreSQL and Valkey, and beside it on SQLite the tests that must pass there too
	@$(MAKE) --no-print-directory --jobs 2 on-postgresql on-sqlite

on-postgresql:
	$(PYTEST) $(SPREAD) --durations=20

# Beside the other run, in what that leaves idle of the processors; its lines come at once when it has ended.
on-sqlite:
	@printed=$$(LATCHKEY_TEST_DB=sqlite nice $(PYTEST) -m both_databases 2>&1); \
	status=$$?; echo "$$printed"; exit $$status

check: lint  ## lint, and run every test that needs no server
	LATCHKEY_TEST_DB=none $(PYTEST) -n 2 --dist loadfile

prove: .venv/dev.stamp  ## run the long proofs; each promise prints one line of figures
	$(PYTEST) -m prove tests/prove
	$(PYTEST) $(SPREAD) -m prove --ignore=tests/prove
	SCREENSHOTS=var/screenshots $(PYTEST) $(SPREAD) tests/journeys

bench: .venv/dev.stamp var/peer.stamp  ## measure the cost of a validation; AGAINST=commit compares it with that commit
	.venv/bin/python -m tests.bench$(if $(AGAINST),.pairing $(AGAINST))

screenshots: .venv/dev.stamp  ## write pictures of all pages to var/screenshots, and that of the README
	SCREENSHOTS=var/screenshots $(PYTEST) $(SPREAD) tests/journeys
	cp var/screenshots/key-wide-light.png docs/key-page.png
	SCREENSHOTS=var/screenshots $(PYTEST) -m prove tests/prove/test_layout.py

lint: .venv/dev.stamp  ## style, types, import contracts and the format of templates
	.venv/bin/ruff check
	.venv/bin/ruff format --check --quiet
	.venv/bin/python -m mypy
	.venv/bin/lint-imports
	find templates -type f | xargs .venv/bin/djade --check

lock: .venv/dev.stamp  ## pin all packages anew, after pyproject.toml was edited
	$(call compile,requirements.lock,pyproject.toml)
	$(call compile,requirements-dev.lock,pyproject.toml --group dev)
	$(call compile,tests/bench/requirements-peer.lock,--group peer --constraint requirements.lock)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

compile = .venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 \
	$(2) --output-file $(1)

.venv/uv.stamp: requirements-uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.lock
	@touch $@

.venv/run.stamp: .venv/uv.stamp requirements.lock
	$(INSTALL) .venv/bin/python --requirement requirements.lock
	@.venv/bin/python manage.py fonts || echo 'No web fonts: pages use those of the system.'
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.lock
	$(INSTALL) .venv/bin/python --requirement requirements-dev.lock
	@touch $@

# The app that the bench compares with has packages of its own.
var/peer.stamp: tests/bench/requirements-peer.lock | .venv/uv.stamp
	.venv/bin/uv venv --quiet --clear --python .venv/bin/python var/peer
	$(INSTALL) var/peer/bin/python --requirement $<
	@touch $@
