package embedded

import "syscall"

// childAttributes keep the terminal's signals away from the child, so that the
// program stops it in order, and end it when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
