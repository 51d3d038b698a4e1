module kubestead.local/metallb

go 1.26.0

require go.universe.tf/metallb v0.16.2

// What speaks BGP by FRR, of which layer 2 needs nothing. The module proxy lacks its v0.0.27; scripts/metallb.sh puts the types of the one before here, with
// what came new:
// frr-k8s v0.0.26
replace github.com/metallb/frr-k8s => ./frr-k8s
