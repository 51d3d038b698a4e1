#!/bin/bash
# coredns.sh OUT: CoreDNS with just the plugins that kubeadm's Corefile and the cache of names (services.dnsCache) name; the full set takes minutes to compile.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/go.sh"
out=$(realpath -m "${1:?output directory}"); work=$out/.work; mkdir -p "$work"
version=1.14.6; module=github.com/coredns/coredns
cd "$work"
{ printf 'package main\n\nimport (\n\t"%s/core/dnsserver"\n\t"%s/coremain"\n' "$module" "$module"
  for p in bind cache errors forward health hosts kubernetes loadbalance log loop metrics ready reload rewrite; do printf '\t_ "%s/plugin/%s"\n' "$module" "$p"; done
  printf ')\n\nfunc init() {\n\tdnsserver.Directives = []string{"reload", "bind", "ready", "health", "prometheus", "errors", "log", "cache", "rewrite", "loadbalance", "hosts", "kubernetes", "loop", "forward"}\n}\n\nfunc main() { coremain.Run() }\n'
} > main.go
printf 'module bundle.local/coredns\n\ngo 1.26.4\n' > go.mod
go get "$module@v$version"
go mod tidy
go build -p 2 -trimpath -ldflags "-s -w" -o "$out/coredns" .
echo "$version" > "$out/VERSION"
cd "$out"; chmod -R u+w "$work"; rm -rf "$work"
