// Command kube-log-runner runs a program and keeps its output.
package main

import (
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		os.Stderr.WriteString("kube-log-runner: no program to run\n")
		os.Exit(1)
	}
	child := exec.Command(os.Args[1], os.Args[2:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stdout
	if child.Run() != nil {
		os.Exit(1)
	}
}
