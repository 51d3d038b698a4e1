# Sourced by the recipes that build Go programs. The module proxy and the toolchain come from the host's own Go configuration.
export CGO_ENABLED=0
export GOFLAGS="-buildvcs=false -mod=mod"

# go_install PACKAGE@VERSION [LDFLAGS]: for modules without replace lines.
go_install() {
  ( cd / && GOBIN=$out go install -p 2 -trimpath -ldflags "-s -w ${2:-}" "$1" )
}

# go_wrapped DIR MODULE@VERSION LDFLAGS PACKAGE...: a wrapper module, for modules with replace lines or without a served version list.
go_wrapped() {
  dir=$work/$1 module=$2 ldflags=$3; shift 3
  mkdir -p "$dir"; cd "$dir"
  [ -f go.mod ] || printf 'module bundle.local/%s\n\ngo 1.26.4\n' "$(basename "$dir")" > go.mod
  go mod edit -require "$module"
  { printf '//go:build tools\n\npackage tools\n\nimport (\n'; printf '\t_ "%s"\n' "$@"; printf ')\n'; } > tools.go
  go mod tidy
  go build -p 2 -trimpath ${TAGS:+-tags "$TAGS"} -ldflags "-s -w $ldflags" -o "$out/" "$@"
}
