// Package verflag answers --version as Kubernetes' programs do.
package verflag

import (
	"fmt"
	"os"

	"example.org/words"
	"k8s.io/component-base/version"
)

// PrintAndExitIfRequested answers --version and --version=raw, and ends the program then.
func PrintAndExitIfRequested() {
	for _, argument := range os.Args[1:] {
		switch argument {
		case "--version", "--version=true":
			fmt.Println(words.Join("Kubernetes", version.Get().GitVersion))
			os.Exit(0)
		case "--version=raw":
			fmt.Printf("%#v\n", version.Get())
			os.Exit(0)
		}
	}
}
