// Package version holds what the linker stamps.
package version

var (
	gitMajor     string
	gitMinor     string
	gitVersion   = "v0.0.0-master+$Format:%H$"
	gitCommit    = "$Format:%H$"
	gitTreeState = ""
	buildDate    = "1970-01-01T00:00:00Z"
)

// DefaultKubeBinaryVersion is the minor that this source is of.
const DefaultKubeBinaryVersion = "1.36"

// Info is what a program says about itself.
type Info struct {
	Major, Minor, GitVersion, GitCommit, GitTreeState, BuildDate string
}

// Get gives what was stamped.
func Get() Info { return Info{gitMajor, gitMinor, gitVersion, gitCommit, gitTreeState, buildDate} }
