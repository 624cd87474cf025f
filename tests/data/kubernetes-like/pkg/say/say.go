// Package say prints what a program would serve.
package say

import (
	"fmt"

	clientversion "k8s.io/client-go/pkg/version"
	"k8s.io/component-base/version/verflag"
)

// Ready answers --version, else says that the program would run now.
func Ready(name string) {
	verflag.PrintAndExitIfRequested()
	fmt.Println(name, "is ready, client", clientversion.Get().GitVersion)
}
