# What there is to do with Postlode. Each target installs the system packages it needs, or says which are missing.

.PHONY: all build demo test mutations sim bench deny help

all: build

help:
	@echo "make demo   make an archive, load it, serve it, ask three questions (ARCHIVE=path takes yours)"
	@echo "make test   formatting, lints, all tests"
	@echo "make build  the programs, in target/release"
	@echo "make mutations   2,000 damaged archives through the loader (MUTATIONS=n)"
	@echo "make sim    the store on a simulated disk with faults and crashes (SEEDS=n of each campaign)"
	@echo "make bench  how fast it loads, commits and reads"
	@echo "make deny   licences and advisories of dependencies, where cargo-deny is installed"

build:
	@scripts/setup.sh build
	cargo build --locked --release -p postlode -p pstgen

demo:
	@scripts/setup.sh demo
	@scripts/demo.sh

test:
	@scripts/setup.sh test
	@scripts/test.sh

mutations:
	@scripts/setup.sh test
	cargo build --locked -p postlode
	MUTATIONS=$${MUTATIONS:-2000} cargo test --locked --workspace --test mutations -- --nocapture

sim:
	@scripts/setup.sh test
	SEEDS=$${SEEDS:-20000} cargo test --locked --workspace --test sim -- --nocapture

bench:
	@scripts/setup.sh build
	cargo build --locked --release -p postlode-benches -p postlode -p pstgen
	mkdir -p target/bench
	target/release/pstgen target/bench/100k.pst --messages $${MESSAGES:-100000} --seed 1
	taskset -c 0,1 target/release/postlode bench load target/bench/100k.pst --within target/bench
	target/release/commit
	target/release/store --emails $${EMAILS:-1000000}

deny:
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny --offline check licenses bans sources
