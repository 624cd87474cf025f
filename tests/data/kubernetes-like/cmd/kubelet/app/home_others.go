//go:build !windows

package app

// Home is where the kubelet keeps its files.
const Home = "/var/lib/kubelet"
