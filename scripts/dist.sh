#!/bin/bash
# dist.sh FOLDER: what is shipped, made anew in FOLDER: static programs for two kinds of machines as archives and Debian packages, Python wheels, a list
# of what they are made of (CycloneDX), and SHA256SUMS. The same commit gives the same bytes, wherever it is built: paths are taken out, and times are
# the commit's. TARGETS: the kinds of machines, of which this computer's must be one.
# Needs: rustup, git, python3 with venv, dpkg-deb; zig and maturin come from PyPI into the cache.
set -euo pipefail
out=$(realpath -m "${1:?}")
cd "$(dirname "$0")/.."
top=$PWD
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}; export SOURCE_DATE_EPOCH
export LC_ALL=C TZ=UTC
umask 022
read -ra targets <<< "${TARGETS:-x86_64 aarch64}"
debian() { case $1 in x86_64) echo amd64 ;; aarch64) echo arm64 ;; esac }
version=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "kubestead-cli"))')

# The compilers. zig links for another machine, and against an old glibc for the wheels.
zig=0.17.1 zigbuild=0.24.1 maturin=1.16.0 cyclonedx=0.5.9
tools=$cache/dist-tools-$zig-$zigbuild-$maturin
if ! [ -e "$tools/whole" ]; then
  rm -rf "$tools"; python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet "ziglang==$zig" "cargo-zigbuild==$zigbuild" "maturin==$maturin"
  touch "$tools/whole"
fi
export PATH=$tools/bin:$PATH
bom=$cache/cargo-cyclonedx-$cyclonedx
[ -x "$bom/bin/cargo-cyclonedx" ] || cargo install --quiet --locked --version "$cyclonedx" --root "$bom" cargo-cyclonedx
for target in "${targets[@]}"; do rustup --quiet target add "$target-unknown-linux-musl" "$target-unknown-linux-gnu" 2> /dev/null; done

# No path of this computer is in what is shipped: neither of rustc's, nor of C's.
cargo fetch --locked --quiet
RUSTFLAGS="--remap-path-prefix=$top=/kubestead --remap-path-prefix=$CARGO_TARGET_DIR=/target" CFLAGS="-ffile-prefix-map=$CARGO_TARGET_DIR=/target"
for source in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
  RUSTFLAGS+=" --remap-path-prefix=$source=/crates" CFLAGS+=" -ffile-prefix-map=$source=/crates"
done
export RUSTFLAGS CFLAGS

rm -rf "$out"; mkdir -p "$out"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for target in "${targets[@]}"; do
  cargo zigbuild --quiet --locked --profile dist --target "$target-unknown-linux-musl" -p kubestead-cli
  mkdir -p "$work/$target"
  install -m 755 "$CARGO_TARGET_DIR/$target-unknown-linux-musl/dist/kubestead" "$work/$target/kubestead"
  size=$(stat -c %s "$work/$target/kubestead")
  if [ "$size" -ge 20000000 ]; then
    echo "dist.sh: the program for $target has $size bytes, 20000000 is the limit: see [profile.dist] of Cargo.toml" >&2
    exit 1
  fi
done

own=$work/$(uname -m)/kubestead
[ -x "$own" ] || { echo "dist.sh: pages and completions are printed by the program: build on ${targets[*]}"; exit 1; }
pages=$work/pages
mkdir -p "$pages/completions"
"$own" man "$pages/man1"
gzip -9n "$pages"/man1/*
"$own" completions bash > "$pages/completions/kubestead.bash"
"$own" completions zsh > "$pages/completions/_kubestead"
"$own" completions fish > "$pages/completions/kubestead.fish"

# archive TARGET: a folder with the program and all that stands beside it.
archive() {
  local name=kubestead-$version-$1-linux
  mkdir -p "$work/tar/$name"
  cp -r "$work/$1/kubestead" "$pages/man1" "$pages/completions" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/tar/$name"
  tar -C "$work/tar" --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9n > "$out/$name.tar.gz"
}
# package TARGET: for Debian and Ubuntu. It needs ssh alone.
package() {
  local root=$work/deb-$1 arch; arch=$(debian "$1")
  install -D -m 755 "$work/$1/kubestead" "$root/usr/bin/kubestead"
  install -D -m 644 -t "$root/usr/share/man/man1" "$pages"/man1/*
  install -D -m 644 "$pages/completions/kubestead.bash" "$root/usr/share/bash-completion/completions/kubestead"
  install -D -m 644 "$pages/completions/_kubestead" "$root/usr/share/zsh/vendor-completions/_kubestead"
  install -D -m 644 "$pages/completions/kubestead.fish" "$root/usr/share/fish/vendor_completions.d/kubestead.fish"
  install -D -m 644 LICENSE-MIT "$root/usr/share/doc/kubestead/copyright"
  install -m 644 LICENSE-APACHE "$root/usr/share/doc/kubestead/"
  gzip -9nc CHANGELOG.md > "$root/usr/share/doc/kubestead/changelog.gz"
  mkdir "$root/DEBIAN"
  cat > "$root/DEBIAN/control" << CONTROL
Package: kubestead
Version: $version
Architecture: $arch
Maintainer: The kubestead authors <kubestead@localhost>
Section: admin
Priority: optional
Depends: openssh-client
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
Description: Kubernetes on encrypted volumes of one's own servers
 One file describes machines, their encrypted volumes, the keys and a
 Kubernetes cluster; one command brings the machines to that state over SSH,
 and shows beforehand exactly what it will do.
CONTROL
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out/kubestead_${version}_$arch.deb" > /dev/null
}
# What they are made of. The lists are put beside the crates, of which a copy takes them.
git archive HEAD | tar -x -C "$work" --one-top-level=sources
# list CRATE WHAT TARGET FILE: of the crate's folder, WHAT of it for TARGET; FILE is how the tool calls the list.
list() {
  (cd "$work/sources" && "$bom/bin/cargo-cyclonedx" cyclonedx -q --format json --spec-version 1.5 --describe "$2" --target "$3" \
    --manifest-path "crates/$1/Cargo.toml")
  sed "s#$work/sources#/kubestead#g" "$work/sources/crates/$1/$4"
}
list cli binaries x86_64-unknown-linux-musl kubestead_bin.cdx.json > "$out/kubestead-$version.cdx.json"
list py crate x86_64-unknown-linux-gnu kubestead-py.cdx.json > "$work/kubestead-py.cdx.json"

for target in "${targets[@]}"; do
  archive "$target"
  package "$target"
  # One for every Python since 3.9, on every Linux with glibc 2.17 or newer.
  (cd crates/py && maturin build --quiet --locked --release --zig --compatibility manylinux_2_17 --target "$target-unknown-linux-gnu" \
    --sbom-include "$work/kubestead-py.cdx.json" --out "$out")
done

(cd "$out" && sha256sum -- * > "$work/sums" && mv "$work/sums" SHA256SUMS && chmod 644 SHA256SUMS && cat SHA256SUMS)
