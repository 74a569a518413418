# The commands of a checkout. `make help` lists them; CONTRIBUTING.md explains them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

# A path may begin with ~/ even where the shell leaves that to us.
tilde = $(subst @home@,,$(subst @home@~/,$(HOME)/,@home@$(1)))

PYTHON ?= python3
VENV ?= .venv
TORCH_BACKEND ?= cpu
ARGS ?=
override DOCS := $(call tilde,$(DOCS))
override STATE_DIR := $(call tilde,$(STATE_DIR))
override WHEELS := $(call tilde,$(WHEELS))
export DOCS STATE_DIR WHEELS PORT

BIN := $(VENV)/bin
INSTALL = $(PYTHON) -m scripts.install --venv "$(VENV)" --torch-backend "$(TORCH_BACKEND)" \
	$(if $(WHEELS),--wheels "$$WHEELS")
# An environment is ready for one set of packages and one build of torch; these files say which.
READY := $(VENV)/.ready-run-$(TORCH_BACKEND)
READY_TEST := $(VENV)/.ready-test-$(TORCH_BACKEND)
SETUP := pyproject.toml constraints.txt $(addprefix scripts/,install.py pins.py pip_run.py torch_choice.py)

.PHONY: run
run: need-docs $(READY) ## Index the folder DOCS and keep the index up to date: make run DOCS=~/Documents
	@exec "$(BIN)/ingestd" run "$$DOCS" $(if $(PORT),--port "$$PORT") \
		$(if $(STATE_DIR),--state-dir "$$STATE_DIR") $(ARGS)

.PHONY: need-docs
need-docs:
	@test -n "$$DOCS" || { \
		echo 'Which folder? For example: make run DOCS=~/Documents' >&2; \
		echo 'Also understood: PORT=8000, STATE_DIR=folder, ARGS="more options"' >&2; exit 2; }

.PHONY: install
install: $(READY) ## Set up what `make run` needs, and stop there

.PHONY: test
test: $(READY_TEST) ## Set up what the tests need, and run them; ARGS="-k name" picks some
	@set -x; HF_HUB_OFFLINE=1 "$(BIN)/python" -m pytest -n auto --dist loadfile \
		--no-loadscope-reorder $(ARGS) || { { rc=$$?; set +x; } 2>/dev/null; \
		test $$rc -eq 1 || exit $$rc; \
		printf '\nWhat failed beside others is run once more, alone. What passes now is flaky: mend it.\n'; \
		HF_HUB_OFFLINE=1 "$(BIN)/python" -m pytest -v --last-failed \
		--last-failed-no-failures none $(ARGS); }

.PHONY: model
model: $(READY_TEST) ## Long: random operations and crashes against a fresh ingest; EXAMPLES=200 STEPS=40
	HF_HUB_OFFLINE=1 INGESTD_MODEL_EXAMPLES=$(or $(EXAMPLES),200) \
		INGESTD_MODEL_STEPS=$(or $(STEPS),40) "$(BIN)/python" -m pytest tests/model \
		--hypothesis-profile=long --timeout=0 $(ARGS)

.PHONY: soak
soak: $(READY_TEST) ## Long: kills of the daemon and of the Chroma server; KILLS=100
	HF_HUB_OFFLINE=1 "$(BIN)/python" tests/soak/random_kills.py --kills $(or $(KILLS),100)
	HF_HUB_OFFLINE=1 "$(BIN)/python" tests/soak/persist_kills.py --random $(or $(KILLS),100)

.PHONY: hostile
hostile: $(READY_TEST) ## Minutes: the daemon over files that mean harm, with the outcome of each; ARGS=--short
	HF_HUB_OFFLINE=1 "$(BIN)/python" tests/hostile/run.py $(ARGS)

.PHONY: alerts
alerts: $(READY_TEST) ## Long, as root: fires each alert by its fault, with a real Prometheus
	HF_HUB_OFFLINE=1 "$(BIN)/python" tests/monitoring/alerts.py $(ARGS)

.PHONY: service-check
service-check: $(READY_TEST) ## As root: a real systemd of its own runs the units, from installation to removal
	"$(BIN)/python" -m pytest -v tests/service $(ARGS)

.PHONY: day
day: $(READY_TEST) ## Minutes, as root: a day of the service, with crashes, a full disk, backup, upgrade
	HF_HUB_OFFLINE=1 "$(BIN)/python" tests/service/day.py $(ARGS)

.PHONY: fresh-check
fresh-check: $(READY_TEST) ## As root: from ./wheelhouse (or WHEELS=folder) to a running service, on a machine of its own
	"$(BIN)/python" tests/service/fresh.py "$(or $(WHEELS),wheelhouse)"

.PHONY: network-trace
network-trace: $(READY_TEST) ## Every network call of a run, as the kernel saw it; needs strace
	HF_HUB_OFFLINE=1 "$(BIN)/python" -m scripts.network_trace $(ARGS)

.PHONY: fuzz
fuzz: $(READY_TEST) ## Minutes: mutations of good files through the reading child; NUMBER=10000 SEED=1
	HF_HUB_OFFLINE=1 "$(BIN)/python" tests/hostile/fuzz.py --number $(or $(NUMBER),10000) \
		--seed $(or $(SEED),1) $(ARGS)

.PHONY: check
check: lint types imports test ## Everything that must pass before a change is merged

.PHONY: format
format: $(READY_TEST) ## Format the code and mend what ruff can mend
	"$(BIN)/ruff" format .
	"$(BIN)/ruff" check --fix .

.PHONY: lint
lint: $(READY_TEST) ## Check style and format
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .

.PHONY: types
types: $(READY_TEST) ## Check the types
	"$(BIN)/mypy" -p ingestd -p ingestd_state -p scripts -p benchmarks

.PHONY: imports
imports: $(READY_TEST) ## Check that imports point down
	"$(BIN)/lint-imports"

.PHONY: leak-check
leak-check: $(READY_TEST) ## A short run of the memory profile: fails where memory grows
	HF_HUB_OFFLINE=1 "$(BIN)/python" profiling/embed_job.py --quick

.PHONY: soak-check
soak-check: $(READY_TEST) ## Two minutes of edits through the daemon: fails where memory grows
	HF_HUB_OFFLINE=1 "$(BIN)/python" profiling/soak.py --quick

.PHONY: bench
bench: $(READY_TEST) ## Long: compare speed with other ways to keep an index; ARGS=--quick: minutes
	HF_HUB_OFFLINE=1 "$(BIN)/python" -m benchmarks.bench $(ARGS)

REPORT = "$(BIN)/python" profiling/report.py $@ $(or $(OF),embed_job)

.PHONY: flamegraph
flamegraph: $(READY_TEST) ## memray's flame graph of a harness: make flamegraph OF=outage
	$(REPORT)

.PHONY: table
table: $(READY_TEST) ## memray's table of a harness
	$(REPORT)

.PHONY: tree
tree: $(READY_TEST) ## memray's tree of a harness
	$(REPORT)

.PHONY: stats
stats: $(READY_TEST) ## memray's figures of a harness
	$(REPORT)

.PHONY: leaks
leaks: $(READY_TEST) ## memray's flame graph of what a harness did not give back
	$(REPORT)

.PHONY: smoke
smoke: $(READY) ## Run the main command as a newcomer does, query it, edit a file, stop it
	HF_HUB_OFFLINE=1 "$(BIN)/python" -m scripts.smoke

.PHONY: wheel
wheel: $(READY_TEST) ## Build the wheel and the source archive into dist/
	"$(BIN)/hatchling" build

.PHONY: man
man: $(READY_TEST) ## Write docs/ingestd.1, the page for man, from the help of the commands
	"$(BIN)/python" -m scripts.manpage

.PHONY: wheelhouse
wheelhouse: $(READY_TEST) ## Collect all packages in ./wheelhouse, for a machine without network
	"$(BIN)/python" -m scripts.wheelhouse wheelhouse

.PHONY: install-offline
install-offline: override WHEELS := $(if $(WHEELS),$(WHEELS),wheelhouse)
install-offline: ## Set up from ./wheelhouse (or WHEELS=folder), without network
	@$(INSTALL)
	@touch "$(READY)"

.PHONY: offline-check
offline-check: ## Install from ./wheelhouse (or WHEELS=folder) and index, where there is no network at all
	$(PYTHON) -m scripts.offline "$(or $(WHEELS),wheelhouse)"

.PHONY: constraints
constraints: ## Pin versions anew; PYTHONS="python3.11 python3.13" names the interpreters to ask
	$(PYTHON) -m scripts.constraints $(if $(UPGRADE),--upgrade) $(or $(PYTHONS),$(PYTHON))

.PHONY: clean
clean: ## Remove the environment and everything built; indexes of documents stay
	rm -rf -- "$(VENV)" .venv-consumers dist build wheelhouse .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | \
		awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

$(READY): $(SETUP)
	@$(INSTALL)
	@touch "$@"

$(READY_TEST): $(SETUP)
	@$(INSTALL) --extra test
	@touch "$(READY)" "$@"
