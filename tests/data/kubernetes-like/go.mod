module k8s.io/kubernetes

go 1.26.0

require (
	example.org/words v1.2.3
	github.com/onsi/ginkgo/v2 v2.28.0
	k8s.io/client-go v0.0.0
	k8s.io/component-base v0.0.0
)

replace (
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	k8s.io/component-base => ./staging/src/k8s.io/component-base
)
