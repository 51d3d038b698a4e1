#!/bin/bash
# conformance.sh: Kubernetes' own tests, built from its modules by Go once for each state of tests/conformance and kept in the cache. Prints the folder with `e2e.test`,
# `ginkgo`, which runs it in several processes, and `images.tar`, an archive of the images of the tests' pods. Minutes of Go's, and 3 GB of memory.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tests/conformance"
version=$(sed -n 's|^require k8s.io/kubernetes ||p' go.mod)
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
made=$cache/conformance-$({ find . -type f -print0 | sort -z | xargs -0 cat; cat "$here/conformance.sh" "$here/conformance-images.sh"; } | sha256sum | cut -c 1-16)
if [ ! -d "$made" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$made.XXXXXX"); trap 'rm -rf "$work"' EXIT
  mkdir "$work/source" "$work/programs" "$work/part"
  cp -- *.go go.mod "$work/source"
  export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=mod"
  # Unstamped they take the cluster for one of another version.
  minor=${version#v1.} flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean -X $package.buildDate=2026-01-01T00:00:00Z"
  done
  (
    cd "$work/source"
    go mod tidy
    go test -c -p 2 -trimpath -ldflags "$flags" -o "$work/part/e2e.test" .
    go build -p 2 -trimpath -ldflags "-s -w" -o "$work/programs/agnhost" k8s.io/kubernetes/test/images/agnhost
    go build -p 2 -trimpath -ldflags "-s -w" -o "$work/programs/nnp" k8s.io/kubernetes/test/images/nonewprivs
    go build -p 2 -trimpath -ldflags "-s -w" -o "$work/part/ginkgo" github.com/onsi/ginkgo/v2/ginkgo
  ) >&2
  images=$(cd "$work/source"; go list -m -f '{{.Dir}}' k8s.io/kubernetes)/test/images
  mapfile -t names < <("$work/part/e2e.test" --list-images)
  bash "$here/conformance-images.sh" "$work/part/images.tar" "$work/programs" "$images" "${names[@]}" >&2
  mv "$work/part" "$made"
fi
echo "$made"
