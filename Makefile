# The targets need only Debian and a Rust toolchain. `tests/environment/install` installs everything else, most of it in a
# separate directory.

CARGO ?= cargo

.PHONY: build package release demo generate test fuzz lint fmt clippy doc cycles deny bench

# Builds the two programs, one after the other. In one build, cargo would merge their features, and the daemon on nodes could
# load PKCS#11 modules.
build:
	$(CARGO) build --release --package pullgate
	$(CARGO) build --release --package pullgate-signer

# Builds packages for the architecture of this machine, in target/package.
package:
	tests/environment/packages
	packaging/package deb rpm tarball

# Builds all packages twice, compares the two builds, and signs the checksums. KEY is the location of the signing key, as for
# `pullgate-signer sign`.
release:
	tests/environment/packages
	packaging/release target/release-files $(if $(KEY),--key '$(KEY)')

# Shows which images run and which do not, on a temporary node.
demo:
	tests/environment/install
	$(CARGO) build --release --workspace --bins --example demo
	$(CARGO) run --quiet --release --example demo

# Writes all generated files that are in git: docs/options.md, docs/metrics.md, config, docs/man, completions, schemas, and the
# snapshots of the command lines. Read what changed before you commit.
generate:
	$(CARGO) build --workspace --bins
	UPDATE=1 $(CARGO) test --features pullgate/all-tests --test it -- \
		documents_are_what_is_generated files_are_what_the_programs_generate the_page_is_generated
	INSTA_UPDATE=always $(CARGO) test --features pullgate/all-tests --test it -- cli::

# Runs every test. The last line of the output has the totals.
test:
	tests/environment/install
	tests/environment/node-packages
	$(CARGO) build --workspace --bins
	tests/environment/totals $(CARGO) test --workspace --no-fail-fast --features pullgate/all-tests

# Gives ten million changed inputs to each parser that reads bytes from outside; takes hours. `make test` includes a short run.
fuzz:
	$(CARGO) run --release --package pullgate-fuzz

# Runs all checks that are not tests.
lint: fmt clippy doc cycles deny

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --features pullgate/all-tests -- -D warnings

doc:
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps

cycles:
	python3 -B -m doctest tests/lint/rust_source.py
	tests/lint/import-cycles
	tests/lint/serving-thread

# Checks licences, banned and duplicate crates, and sources of crates. Advisories change without a commit, so a scheduled job
# checks them.
deny:
	tests/lint/deny check licenses bans sources

bench:
	tests/environment/install
	$(CARGO) build --release --workspace --bins
	$(CARGO) bench --bench node
	$(CARGO) bench --bench signer
	$(CARGO) bench --bench ledger
	$(CARGO) bench --bench metrics
	$(CARGO) bench --bench verification
	$(CARGO) test --features all-tests --test systemd restarts_and_an_update
