# rollcall: everything a person or the gate runs. `make help` lists it.
#
# All builds are `--release`: one profile family serves tests, demo and benches, so that RocksDB is
# compiled once (docs/decisions/0002-one-profile-family.md). The target folder lies outside the
# checkout, so that several checkouts share it; set CARGO_TARGET_DIR to put it elsewhere.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

export CARGO_TARGET_DIR ?= $(HOME)/.cache/rollcall/target
CARGO := cargo
CRATE_FLAGS := --release --locked --workspace
ARGS ?=
TARGET ?=
SECONDS ?= 60
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: help setup build install run test sim mutants fuzz bench bench-waiting bench-instructions bench-peers check fmt clippy tidy doc
.DEFAULT_GOAL := help

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

setup: ## install what a build needs (Debian, as root), or say what is missing
	@.ci/setup

# One binary, with the features that `make test` selects: `--package rollcall` would have some crates
# compiled twice, `--bins` would build simulator and benches too.
build: setup ## build the `rollcall` binary
	$(CARGO) build $(CRATE_FLAGS) --bin rollcall

# Without debug information and symbols: a fifth of the size.
install: build ## install it, stripped: `make install PREFIX=/usr/local`
	install -D -s "$(CARGO_TARGET_DIR)/release/rollcall" "$(DESTDIR)$(PREFIX)/bin/rollcall"

run: build ## build, then `rollcall dev`; more flags with ARGS="--data-dir D"
	@"$(CARGO_TARGET_DIR)/release/rollcall" dev $(ARGS)

# Cargo does not build the binary of one package for the tests of another; the first line does, with
# the same features as the second, so that nothing is compiled twice.
test: setup ## everything the gate tests: unit tests, suites, tidy
	tests/kafka/fetch
	$(CARGO) build $(CRATE_FLAGS) --bins --tests
	$(CARGO) test $(CRATE_FLAGS) --no-fail-fast

# SEEDS, FIRST_SEED and SEED are read from the environment too; SEED tells the story of one run.
sim: setup ## run the simulator: `make sim SEEDS=100000`, `make sim SEED=42`
	@$(CARGO) build $(CRATE_FLAGS) --bin rollcall-sim
	@$(foreach name,SEEDS FIRST_SEED SEED,$(if $($(name)),$(name)='$($(name))')) "$(CARGO_TARGET_DIR)/release/rollcall-sim"

mutants: setup ## are wrong rules found? docs/testing.md, "Mutation check"
	tests/mutate

# CLIENTS and EVENTS are read from the environment; NAME picks one unit (docs/performance.md).
bench: setup ## measure every step of an event's way; a table at the end: `make bench NAME=fold`
	$(CARGO) bench --locked --package rollcall-benches --bench table -- $(NAME)

bench-waiting: setup ## a million rows whose look-ups are all due at once: `make bench-waiting ROWS=100000`
	$(CARGO) bench --locked --package rollcall-benches --bench waiting

bench-instructions: setup ## count the instructions of each of them with valgrind: `make bench-instructions NAME=fold`
	$(CARGO) build --profile bench --locked --package rollcall-benches --bin instructions
	benches/instructions "$(CARGO_TARGET_DIR)/release/instructions" $(NAME)

check: setup fmt clippy tidy doc ## formatting, lints, tidy rules and documentation; no warnings

# CLIENTS, EVENTS, ROUNDS and more are read from the environment (docs/performance.md).
bench-peers: build ## the same work on Kafka Streams and in a bare loop, on one Kafka, in turn
	$(CARGO) build $(CRATE_FLAGS) --bin peers
	streams="$$(benches/peers/build)"; "$(CARGO_TARGET_DIR)/release/peers" \
		--rollcall "$(CARGO_TARGET_DIR)/release/rollcall" --streams "$$streams" $(ARGS)

# Beside the gate, which replays what it found.
fuzz: setup ## any bytes against a decoder: TARGET=dialect_draft SECONDS=60
	@tests/fuzz/run "$(TARGET)" "$(SECONDS)" $(ARGS)

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy $(CRATE_FLAGS) --all-targets --quiet -- -D warnings

tidy:
	$(CARGO) test --release --locked -p rollcall-tests --test tidy

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(CRATE_FLAGS) --no-deps --quiet
