// Command kubectl.
package main

import (
	"fmt"

	"k8s.io/client-go/pkg/version"
)

func main() { fmt.Println("Client Version:", version.Get().GitVersion) }
