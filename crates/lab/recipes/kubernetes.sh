#!/bin/bash
# kubernetes.sh OUT: the seven Kubernetes binaries from the Go module proxy.
# k8s.io/kubernetes replaces its staging modules by folders that the proxy's archive lacks, so a wrapper module points the
# replaces at the published ones (Kubernetes v1.N.P goes with staging v0.N.P).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/go.sh"
out=$(realpath -m "${1:?output directory}"); work=$out/.work; mkdir -p "$work/kubernetes"
version=1.37.1; staging=0.${version#1.}; minor=$(echo "$version" | cut -d. -f2)
cd "$work/kubernetes"
{ printf 'module bundle.local/kubernetes\n\ngo 1.26.4\n\n'
  for m in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap code-generator \
    component-base component-helpers controller-manager cri-api cri-client cri-streaming csi-translation-lib dynamic-resource-allocation \
    endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils \
    pod-security-admission sample-apiserver sample-cli-plugin sample-controller streaming; do
    echo "replace k8s.io/$m => k8s.io/$m v$staging"
  done; } > go.mod
# Unstamped binaries say v0.0.0-master, and kubeadm's version and skew checks fail.
flags=""
for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags="$flags -X $p.gitVersion=v$version -X $p.gitMajor=1 -X $p.gitMinor=$minor -X $p.gitCommit=bundle -X $p.gitTreeState=clean -X $p.buildDate=2026-01-01T00:00:00Z"
done
set --
for c in kubeadm kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do set -- "$@" "k8s.io/kubernetes/cmd/$c"; done
TAGS=selinux,notest,grpcnotrace go_wrapped kubernetes "k8s.io/kubernetes@v$version" "$flags" "$@"
echo "$version" > "$out/VERSION"
chmod -R u+w "$work"; rm -rf "$work"
