# The commands of the house. The cache holds everything that is made once; it is safe to delete.
export KUBESTEAD_CACHE ?= $(HOME)/.cache/kubestead
export CARGO_TARGET_DIR ?= $(KUBESTEAD_CACHE)/target
KUBESTEAD = $(CARGO_TARGET_DIR)/release/kubestead
# What is shipped, and so what is measured.
SHIPPED = $(CARGO_TARGET_DIR)/dist/kubestead
# The demo's cluster file and keys; they stay when `make demo-down` removes the machines.
DEMO = $(KUBESTEAD_CACHE)/demo

.PHONY: demo demo-down test prove promises bench dist dist-twice docs lint tools clean

demo: tools ## Real machines on this computer, and encrypted volumes on them
	cargo build --release -p kubestead-cli
	bash scripts/demo.sh "$(KUBESTEAD)" "$(DEMO)"

demo-down: ## Stop the demo's machines and remove their disks
	"$(KUBESTEAD)" lab down --wipe

test: ## What gates a change: the fast checks, and the proofs of the lab that show the main ways
	bash tests/gate.sh

prove: ## The gate, then every other proof of the lab, and its searches for longer and from new seeds: ten minutes each, or PROVE_SECONDS. ONLY=PATTERN: the proofs that it means, alone
	ONLY="$(ONLY)" bash tests/prove.sh

promises: ## docs/promises.md anew, from what the proofs say of themselves
	cargo run --quiet --locked -p kubestead-proof -- --promises docs/promises.md

bench: ## `up` against the same cluster typed into a script, a plan that finds nothing to do against plain ssh, the minute after a power cut, the program's size, start and memory, documents against sops, plans of many machines against one ssh each, `init` of 20 machines against one plan, large clusters
	bash scripts/tools.sh nftables openssh-server
	cargo build --locked --profile dist -p kubestead-cli
	bash benches/up.sh "$(SHIPPED)"
	bash benches/size.sh "$(SHIPPED)"
	bash benches/secrets.sh "$(SHIPPED)"
	bash benches/fleet.sh "$(SHIPPED)"
	bash benches/init.sh "$(SHIPPED)"
	bash benches/scale.sh "$(SHIPPED)"

dist: ## What is shipped: static programs for x86_64 and aarch64, Debian packages, Python wheels, what they are made of, sums; in FOLDER, or dist; TARGETS=x86_64 for one kind of machines alone
	bash scripts/dist.sh "$(or $(FOLDER),dist)"

dist-twice: ## The same twice, from two folders with nothing in common: fails if a byte differs
	bash scripts/dist-twice.sh

docs: ## The book of docs/ and the crates' documentation, below the target folder
	bash scripts/book.sh "$(CARGO_TARGET_DIR)/book"
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace

lint:
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

tools: ## What the lab needs on Debian
	bash scripts/tools.sh

clean:
	cargo clean
