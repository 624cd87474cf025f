// Command ginkgo stands for the test runner.
package main

import "fmt"

func main() { fmt.Println("Ginkgo Version 2.28.0") }
