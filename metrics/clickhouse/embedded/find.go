package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// LibraryVar names the environment variable that overrides where the engine's
// library is looked for: a file, or the folder that holds it.
const LibraryVar = "VONGLAU_ENGINE"

// libraryNames are what the npm packages call the library.
var libraryNames = []string{"libchdb.so", "libchdb.dylib"}

// packageName is the npm package that holds the library for this platform, or
// empty where there is none.
func packageName(goos, goarch string) string {
	switch goos + "/" + goarch {
	case "linux/amd64":
		return "lib-linux-x64-gnu"
	case "linux/arm64":
		return "lib-linux-arm64-gnu"
	case "darwin/amd64":
		return "lib-darwin-x64"
	case "darwin/arm64":
		return "lib-darwin-arm64"
	}
	return ""
}

// Find is the path of the engine's library. It looks at the environment
// variable VONGLAU_ENGINE, then in the given folders, in the working folder,
// next to the executable and above it, and last in every folder above the
// working folder, which is where tests find it. The error says what to do.
func Find(dirs ...string) (path string, err error) {
	if set := os.Getenv(LibraryVar); set != "" {
		if path, ok := libraryIn(set); ok {
			return path, nil
		}
		return "", fmt.Errorf("%s is %q, which neither is nor holds the engine's library: correct it or unset it", LibraryVar, set)
	}
	name := packageName(runtime.GOOS, runtime.GOARCH)
	if name == "" {
		return "", fmt.Errorf("there is no embedded engine for %s/%s: set clickhouse.addr to an external server", runtime.GOOS, runtime.GOARCH)
	}
	modules := filepath.Join("node_modules", "@chdb", name)
	var places []string
	for _, dir := range dirs {
		if dir != "" {
			places = append(places, dir, filepath.Join(dir, modules))
		}
	}
	places = append(places, modules)
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		folder := filepath.Dir(exe)
		places = append(places, folder, filepath.Join(folder, modules), filepath.Join(folder, "..", modules))
	}
	if at, err := os.Getwd(); err == nil {
		for {
			places = append(places, filepath.Join(at, modules))
			up := filepath.Dir(at)
			if up == at {
				break
			}
			at = up
		}
	}
	for _, place := range places {
		if path, ok := libraryIn(place); ok {
			return path, nil
		}
	}
	return "", fmt.Errorf("the embedded engine's library is not installed: run npm ci in the program's folder, or set clickhouse.addr to an external server")
}

// libraryIn is the library at a place that is either the file or its folder.
func libraryIn(place string) (path string, ok bool) {
	info, err := os.Stat(place)
	if err != nil {
		return "", false
	}
	if !info.IsDir() {
		return place, true
	}
	for _, name := range libraryNames {
		file := filepath.Join(place, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			if abs, err := filepath.Abs(file); err == nil {
				return abs, true
			}
			return file, true
		}
	}
	return "", false
}
