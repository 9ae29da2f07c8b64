# Cargo does the work; this says what belongs together. A fresh Debian with a Rust toolchain is enough:
# `tests/environment/install` brings the rest, most of it into a directory of its own.

CARGO ?= cargo

.PHONY: demo test lint bench

# Shows what runs and what does not, on a node of its own.
demo:
	tests/environment/install
	$(CARGO) build --release --bin pullgate --example demo
	$(CARGO) run --quiet --release --example demo

# Every test there is. Ends with one line of totals.
test:
	tests/environment/install
	tests/environment/totals $(CARGO) test --workspace --no-fail-fast --features pullgate/all-tests

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --features pullgate/all-tests -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; else echo 'lint: cargo-deny is not installed, so licences and advisories were not checked' >&2; fi

bench:
	tests/environment/install
	$(CARGO) bench --bench node
	$(CARGO) bench --bench signer
	$(CARGO) bench --bench ledger
