// Command kube-controller-manager.
package main

import "k8s.io/kubernetes/pkg/say"

func main() { say.Ready("kube-controller-manager") }
