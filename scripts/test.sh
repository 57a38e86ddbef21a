#!/usr/bin/env bash
# The whole check: formatting, lints with warnings as errors, all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

# What only a second build by hand would use takes many times the room of all the rest.
export CARGO_INCREMENTAL=0

step() { printf '\n== %s\n' "$*" >&2; }

step "formatting"
cargo fmt --all --check

step "lints"
cargo clippy --locked --quiet --workspace --all-targets -- -D warnings

step "ONNX Runtime"
ORT_DYLIB_PATH=$(scripts/onnxruntime.sh)
export ORT_DYLIB_PATH

# The end-to-end tests run the program; it is built with the tests, because its package has tests that run it too.
step "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --no-fail-fast --config-file scripts/nextest.toml
else
    cargo test --locked --workspace --no-fail-fast --lib --bins --tests
fi

step "examples in the documentation"
cargo test --locked --quiet --workspace --doc
