//go:build !unix

package hub

import "syscall"

// writeNow leaves every write to those that wait.
func writeNow(syscall.RawConn, []byte) (int, error) { return 0, nil }
