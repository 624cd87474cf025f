// Package words stands for all that Kubernetes vendors.
package words

import "strings"

// Join joins with spaces.
func Join(parts ...string) string { return strings.Join(parts, " ") }
