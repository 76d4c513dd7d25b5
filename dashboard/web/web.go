// Package web is the pages: what the TypeScript beside this file builds to,
// embedded in the program, so that a wall in a closed network needs one binary.
package web

import (
	"embed"
	"io/fs"
)

// The built pages are never committed, and `go:embed all:dist` would not compile
// on a fresh clone without them. A pattern that matches a committed file always
// compiles, and picks up dist as soon as it is there: [dp][il]* is dist and
// placeholder.
//
//go:embed all:[dp][il]*
var files embed.FS

// FS is the built pages: index.html at its root, everything else under assets/.
// Before the first build it is one page that says how to build. Every page's
// path (/wall, /district/SCOPE, /explore, /devices, /login) is answered with
// index.html; the route is the client's.
func FS() fs.FS {
	name := "placeholder"
	if Built() {
		name = "dist"
	}
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return sub
}

// Built reports whether the real pages were there when the program was built.
func Built() bool {
	_, err := fs.Stat(files, "dist/index.html")
	return err == nil
}
