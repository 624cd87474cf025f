// Package e2e stands for the conformance tests.
package e2e

import (
	"testing"

	"k8s.io/component-base/version"
)

func TestE2E(t *testing.T) { t.Log(version.Get().GitVersion) }
