package payload

import (
	"maps"
	"slices"
)

// Units are the codes that can be converted, sorted.
func Units() []string { return slices.Sorted(maps.Keys(units)) }
