#!/bin/bash
# mdbook.sh: mdBook, which makes the book of docs/, built once from its crate and kept in the cache. Prints its path.
set -euo pipefail
version=0.4.52
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
root=$cache/mdbook-$version
if [ ! -x "$root/bin/mdbook" ]; then
  target=${CARGO_TARGET_DIR:-$cache/target}
  cargo install --quiet --locked --version "$version" --no-default-features --features search --root "$root" --target-dir "$target/mdbook" mdbook >&2
fi
echo "$root/bin/mdbook"
