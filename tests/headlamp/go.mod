module kubestead.local/headlamp

go 1.26.4
