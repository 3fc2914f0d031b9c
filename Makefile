# Lifeboat's front door. `make` lists what there is; the work is done by cargo, xtask and scripts/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
# Where cargo puts what it builds; CARGO_TARGET_DIR moves it.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
RELEASE := $(TARGET)/release
XTASK := $(RELEASE)/xtask
# Making machines and trees with owners and devices needs root; building does not.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)

.PHONY: help deps build xtask-program demo test test-all bench fuzz install uninstall deb test-deb fmt lint docs generate clean

help: ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | awk -F'\t' '{ printf "  %-10s %s\n", $$1, $$2 }'

deps: ## install the Debian packages that building and testing need (root or sudo)
	@scripts/install-deps.sh

build: ## build lifeboat and lifeboat-init
	$(CARGO) build --release --locked -p lifeboat -p lifeboat-init

xtask-program: # made when it is needed; cargo knows when it is fresh
	@$(CARGO) build --release --locked --quiet -p xtask

demo: deps build xtask-program ## lose a machine's disk and bring it back, in virtual machines
	@$(AS_ROOT) $(XTASK) demo

test: deps build ## all tests but the long ones; ends with the count (about 45 minutes from a clean checkout)
	@scripts/run-tests.sh

test-all: deps build ## every test, the long scenarios too (hours without hardware virtualisation)
	@scripts/run-tests.sh --all

bench: deps build xtask-program ## measure beside tar, restic, borg and cp, or with BASE=REVISION beside that; writes target/bench/report.json
	@$(AS_ROOT) $(XTASK) bench $(if $(BASE),--base $(BASE))

FUZZ_SECONDS ?= 600

fuzz: ## fuzz what the rescue system parses, each target FUZZ_SECONDS (600)
	@scripts/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TARGETS)

install: ## build and install below PREFIX (default /usr/local); `sudo make install` is fine
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" RELEASE="$(RELEASE)" scripts/install.sh install

uninstall: ## remove what install put below PREFIX
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" RELEASE="$(RELEASE)" scripts/install.sh uninstall

deb: build ## make a .deb for Debian 12 and 13 in target/debian
	@command -v cargo-deb >/dev/null || $(CARGO) install cargo-deb --locked
	$(CARGO) deb -p lifeboat --no-build --locked

test-deb: deb ## install the .deb in fresh Debian 12 and 13 roots (root)
	@scripts/test-deb.sh "$$(ls -t "$(TARGET)"/debian/lifeboat_*.deb | head -n 1)"

fmt: ## format the code
	$(CARGO) fmt --all

lint: ## formatting and clippy, warnings are errors; the fuzz targets compile
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets --locked -- -D warnings
	$(CARGO) check --quiet --locked --bins --manifest-path fuzz/Cargo.toml --target-dir "$(TARGET)/fuzz-check"

generate: xtask-program ## write the man pages and shell completions below dist/ again
	@$(XTASK) generate

docs: xtask-program ## check the handbook's links, screens and commands, and build it in target/book
	@$(XTASK) check-docs
	@command -v mdbook >/dev/null || $(CARGO) install mdbook --locked
	mdbook build docs --dest-dir "$(TARGET)/book"

clean: ## remove everything that was built
	$(CARGO) clean
