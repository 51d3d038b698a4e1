module kubestead.test/go-regexp

go 1.21
