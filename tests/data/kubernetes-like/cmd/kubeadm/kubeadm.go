// Command kubeadm.
package main

import (
	"fmt"
	"os"
	"strings"

	"k8s.io/component-base/version"
)

func main() {
	arguments := strings.Join(os.Args[1:], " ")
	switch {
	case strings.HasPrefix(arguments, "version"):
		if strings.Contains(arguments, "-o short") {
			fmt.Println(version.Get().GitVersion)
			return
		}
		fmt.Printf("kubeadm version: %#v\n", version.Get())
	case strings.HasPrefix(arguments, "config images list"):
		tag := strings.ReplaceAll(version.Get().GitVersion, "+", "_")
		for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
			fmt.Printf("registry.k8s.io/%s:%s\n", name, tag)
		}
		fmt.Println("registry.k8s.io/coredns/coredns:v1.14.2")
		fmt.Println("registry.k8s.io/pause:3.10.2")
		fmt.Println("registry.k8s.io/etcd:3.6.8-0")
	default:
		fmt.Fprintln(os.Stderr, "kubeadm: unknown command", arguments)
		os.Exit(1)
	}
}
