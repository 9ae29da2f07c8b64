# Cargo does the work; this says what belongs together. A fresh Debian with a Rust toolchain is enough:
# `tests/environment/install` brings the rest, most of it into a directory of its own.

CARGO ?= cargo

.PHONY: build demo test lint bench

# The two programs. Each by itself: built together, both would have the features that either of them needs, and the daemon
# on nodes would load PKCS#11 modules.
build:
	$(CARGO) build --release --package pullgate
	$(CARGO) build --release --package pullgate-signer

# Shows what runs and what does not, on a node of its own.
demo:
	tests/environment/install
	$(CARGO) build --release --workspace --bins --example demo
	$(CARGO) run --quiet --release --example demo

# Every test there is. Ends with one line of totals.
test:
	tests/environment/install
	$(CARGO) build --workspace --bins
	tests/environment/totals $(CARGO) test --workspace --no-fail-fast --features pullgate/all-tests

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --features pullgate/all-tests -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; else echo 'lint: cargo-deny is not installed, so licences and advisories were not checked' >&2; fi

bench:
	tests/environment/install
	$(CARGO) build --release --workspace --bins
	$(CARGO) bench --bench node
	$(CARGO) bench --bench signer
	$(CARGO) bench --bench ledger
