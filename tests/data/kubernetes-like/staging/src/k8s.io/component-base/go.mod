module k8s.io/component-base

go 1.26.0

require example.org/words v1.2.3
