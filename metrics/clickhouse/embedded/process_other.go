//go:build !linux

package embedded

import "syscall"

// childAttributes keep the terminal's signals away from the child, so that the
// program stops it in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
