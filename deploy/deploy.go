// Package deploy holds the files that a deployment starts from.
package deploy

import (
	"embed"
	"io/fs"
)

//go:embed laocai/*.yaml
var files embed.FS

// LaoCai is the demo catalogue: units, scopes, metrics, stations, cameras, kpis,
// mqtt, alarms and users of a simulated Lào Cai, one YAML list per file.
var LaoCai = must(fs.Sub(files, "laocai"))

// must cannot fail for a folder that was embedded at build time.
func must(sub fs.FS, err error) fs.FS {
	if err != nil {
		panic(err)
	}
	return sub
}
