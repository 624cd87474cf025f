// Command kubelet.
package main

import (
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/pkg/say"
)

func main() { say.Ready("kubelet " + app.Home + app.Change) }
