// Command kube-proxy.
package main

import "k8s.io/kubernetes/pkg/say"

func main() { say.Ready("kube-proxy") }
