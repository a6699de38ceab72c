# Two commands for a newcomer: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 3000
PAGE_PORT ?= 8700
# Tests wait for servers more than they compute; a file's tests stay together, because they share servers.
WORKERS ?= 3
BIN := .venv/bin
# Where /tmp is memory, gigabytes of servers' files would fill it.
# With COVERAGE=1 it is measured which branches the tests run.
PYTEST := TMPDIR=$${TMPDIR:-/var/tmp} $(BIN)/python -m $(if $(COVERAGE),coverage run -m )pytest
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
OPS_CONFIG ?= $(CURDIR)/$(if $(wildcard ops.yaml),ops.yaml,var/demo/ops.yaml)

LOCK := uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
        --no-strip-extras --no-header --extra build --extra all
# The last three of the demo are what its drill recovers with, when it plays that we are gone.
DEMO_PACKAGES := bubblewrap mariadb-server mariadb-client postgresql restic age zstd openssl
# Ceph's gateway enforces object lock for real; libatomic1 is what Playwright's own driver needs.
TEST_PACKAGES := $(DEMO_PACKAGES) chromium jq libatomic1 minisign patchelf strace xfsprogs ceph-mon ceph-osd radosgw ceph-common \
                 prometheus prometheus-alertmanager logrotate redis-server rabbitmq-server iproute2 caddy systemd pgbouncer locales faketime
BENCH_PACKAGES := rclone
# php-cgi keeps Apache away, which php would bring.
FIELD_PACKAGES := mediawiki roundcube-core php-cli php-cgi php-mysql php-pgsql php-xml php-mbstring php-intl

.PHONY: help demo demo-backup up test bench bench-quick coverage field faults long pictures field-applications mutants newer-servers newest-dagster pythons versions lint docs reference dist install install-demo install-dev lock \
        messages schemas clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: demo-backup ## four sample applications, backed up, proved, lost in a drill, and recovered
	@echo; echo "demo: a disaster: everything back from the bucket and the recovery kit, away from what runs"
	@$(BIN)/ops kit --to var/demo/kit --passphrase-file var/demo/kit.passphrase --config var/demo/ops.yaml
	@$(BIN)/ops drill total_loss --config var/demo/ops.yaml
	@echo; $(BIN)/ops status --config var/demo/ops.yaml
	@echo; echo "report    $(CURDIR)/var/demo/backups/reports/latest.md"
	@echo "restore   OPS_CONFIG=var/demo/ops.yaml $(BIN)/ops restore forge --to forge_restored"
	@echo "web UI    make up        (then http://127.0.0.1:$(PORT))"

demo-backup: install-demo
	@$(BIN)/python -m demo.servers start
	@echo "demo: dump, copy, restore, compare, report (a Dagster run)"
	@$(BIN)/ops backup --config var/demo/ops.yaml

up: install ## ops up: Dagster's web UI, daemon and schedules on this ops.yaml, on 127.0.0.1:$(PORT), and the status page
	@if [ "$(OPS_CONFIG)" = "$(CURDIR)/var/demo/ops.yaml" ]; then $(BIN)/python -m demo.servers start; fi
	exec $(BIN)/ops up --config $(OPS_CONFIG) --port $(PORT) --page-port $(PAGE_PORT)

test: newer-servers field-applications ## everything installed, every test; of some, not every case (make long)
	@# On a busy machine a test may wait in vain for a server. What failed beside others must hold alone; both are shown.
	$(PYTEST) --numprocesses $(WORKERS) --dist loadfile || { [ $$? -eq 1 ] && \
	  echo "once more, alone:" && $(PYTEST) --last-failed --last-failed-no-failures none; }

coverage: ## every test, and which branches of the core none of them runs; fails when there are too many
	@rm -rf var/coverage && mkdir -p var/coverage
	$(MAKE) test COVERAGE=1
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

field: newer-servers field-applications ## other people's databases, 1,000 random schemas an engine, 200 backups under migrations
	OPS_FIELD_SCHEMAS=1000 OPS_FIELD_MIGRATIONS=200 $(PYTEST) --numprocesses $(WORKERS) --timeout 7200 tests/field
	OPS_FIELD_MUTATIONS=6 OPS_WRITE_MUTATIONS=1 $(PYTEST) --timeout 7200 tests/oracle/test_mutations.py

# What every run plays a part of, and the long run all of.
SHORTENED := tests/matrix/test_mysqld.py tests/oracle/test_named_changes.py tests/end_to_end/test_demo.py tests/end_to_end/test_canaries.py

faults: newer-servers ## kills, power cuts, full disks, dead networks: make faults N=25 [SEED=7] [ONLY=killed], N tries a kind and engine
	@test -n "$(N)" || { echo "say how many tries each: make faults N=25"; exit 1; }
	@mkdir -p var/faults && rm -f var/faults/tally.*
	@echo "seed $${OPS_FAULTS_SEED:-$(or $(SEED),1)}"
	OPS_LONG=1 OPS_FAULTS=$(N) OPS_FAULTS_SEED=$${OPS_FAULTS_SEED:-$(or $(SEED),1)} OPS_FAULTS_TALLY=$(CURDIR)/var/faults/tally.jsonl \
	  $(PYTEST) --numprocesses $(WORKERS) --dist loadfile --timeout 7200 tests/faults $(SHORTENED) $(if $(ONLY),-k "$(ONLY)"); \
	  ended=$$?; $(BIN)/python -m tests.faults.tally var/faults/tally.jsonl && exit $$ended

long: newer-servers field-applications ## all cases of the tests of which make test plays some: what takes long
	OPS_LONG=1 $(PYTEST) --numprocesses $(WORKERS) --dist loadfile --timeout 7200 -m daily

bench: install-dev ## ours beside the plain tools, all of it, some 40 minutes on a quiet machine; WRITE=1 renews docs/performance.md
	@tools/debian_packages.sh $(BENCH_PACKAGES)
	TMPDIR=$${TMPDIR:-/var/tmp} $(BIN)/python -m benchmarks.suite $(if $(WRITE),--write)

bench-quick: install-dev ## a part of it, small, in five minutes
	TMPDIR=$${TMPDIR:-/var/tmp} $(BIN)/python -m benchmarks.suite --quick

pictures: install-dev ## the pictures of the status page in docs/images, taken anew
	OPS_PICTURES=1 $(PYTEST) tests/web/test_accessible.py

field-applications: var/field/.venv ## what those installers are, in var/field and from Debian
	@tools/debian_packages.sh $(FIELD_PACKAGES)

var/field/.venv: tests/field/requirements.txt
	@mkdir -p var/field
	$(PYTHON) -m venv --clear var/field/venv
	var/field/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

newer-servers: install-dev ## other versions of servers and tools for the tests, in var/newer; what is there is kept
	@tools/newer_servers.sh || [ -z "$$OPS_NEWER_REQUIRED" ]

mutants: install-dev var/mutants/.venv ## changes that would make a verdict a lie: does a test fail for each? MOST=100 of each room
	TMPDIR=$${TMPDIR:-/var/tmp} $(BIN)/python -m tools.mutants
	TMPDIR=$${TMPDIR:-/var/tmp} var/mutants/venv/bin/python -m tools.mutants.many --most $(or $(MOST),100) --seed $(or $(SEED),1)

var/mutants/.venv: tools/mutants/requirements.txt
	@mkdir -p var/mutants
	$(PYTHON) -m venv --clear var/mutants/venv
	var/mutants/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

newest-dagster: install-dev ## the tests of Dagster's layer on the newest release of the series that we take; ONLY=tests/…
	@rm -rf var/dagster-newest
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target var/dagster-newest \
	  $(foreach part,dagster dagster-webserver dagster-graphql dagster-shared dagster-pipes,'$(part)<1.14')
	@PYTHONPATH=$(CURDIR)/var/dagster-newest $(BIN)/python -c 'import dagster; print("dagster", dagster.__version__)'
	PYTHONPATH=$(CURDIR)/var/dagster-newest $(PYTEST) $(or $(ONLY),tests/orchestration)

pythons: install-dev ## the wheel on Python 3.10 to 3.14, each from nothing to a proved restore; those that are here, 3.14 from Debian sid
	@tools/newer_servers.sh py314
	@TMPDIR=$${TMPDIR:-/var/tmp} $(BIN)/python -m tools.pythons $(ONLY)

versions: install-dev ## what the tests run on, with versions
	@$(BIN)/python -m tools.versions

lint: install-dev ## what .ci/run checks beside the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict ops_pipelines tools

docs: install-dev ## the documents as a site, in var/site
	$(BIN)/mkdocs build --strict --quiet
	@echo "open      $(CURDIR)/var/site/index.html (search needs a web server: python3 -m http.server -d var/site)"

reference: install ## write the reference pages anew, from the code that they describe
	$(BIN)/python -m tools.reference

dist: install ## the wheel and the source archive in dist/, the same bytes wherever a commit is built; looked through
	@$(BIN)/python -m tools.dist

install: .venv/.runtime ## .venv with the locked dependencies

install-demo: .venv/.demo ## the same with the demo's servers, Debian packages in their newest version
	@tools/debian_packages.sh $(DEMO_PACKAGES)

install-dev: .venv/.dev ## the same with what the tests need, Debian packages in their newest version
	@tools/debian_packages.sh $(TEST_PACKAGES)

.venv/.created:
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "Python 3.10 or newer is needed"'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.runtime: requirements.txt pyproject.toml | .venv/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.demo: requirements-demo.txt .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-demo.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Python 3.11 is what the applications of tests/field ask for.
lock: ## compile the lock files from pyproject.toml (needs uv)
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) --extra demo --constraint requirements.txt pyproject.toml --output-file requirements-demo.txt
	$(LOCK) --extra deploy --extra celery --constraint requirements-demo.txt pyproject.toml --output-file requirements-deploy.txt
	$(LOCK) --extra demo --extra deploy --extra celery --extra dev --constraint requirements-deploy.txt --constraint requirements-demo.txt pyproject.toml --output-file requirements-dev.txt
	$(subst --extra build --extra all,,$(subst 3.10,3.11,$(LOCK))) tests/field/requirements.in --output-file tests/field/requirements.txt
	$(subst --extra build --extra all,,$(LOCK)) tools/mutants/requirements.in --output-file tools/mutants/requirements.txt

messages: install ## renew the files of translations: new texts come in untranslated, unused ones go
	$(BIN)/python -m tools.messages

schemas: install ## write the committed JSON Schemas anew
	$(BIN)/ops schema config > docs/reference/ops.schema.json
	$(BIN)/ops schema manifest > docs/reference/manifest.schema.json

clean: ## remove every trace: the demo's server and data, .venv, caches
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo.servers stop || true; fi
	rm -rf .venv var dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
