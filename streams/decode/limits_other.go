//go:build !linux

package decode

import (
	"os/exec"
	"time"
)

// Elsewhere the helper is bounded in time and output only.
func confine(*exec.Cmd) {}

func limits(int, uint64, time.Duration) error { return nil }
