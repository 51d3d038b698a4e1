//go:build tools

package conformance

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"         // runs tests side by side
	_ "k8s.io/kubernetes/test/images/agnhost"    // the program of most pods of the tests
	_ "k8s.io/kubernetes/test/images/nonewprivs" // one that has the s bit
)
