package decode

import (
	"errors"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// confine makes the helper the head of a group of its own, all of which is killed.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}

// limits bounds a running helper: its memory, its processor time should we be
// gone, and its rank behind everything else.
func limits(pid int, memory uint64, limit time.Duration) error {
	seconds := uint64(limit/time.Second) + 1
	errs := []error{
		unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: memory, Max: memory}, nil),
		unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds}, nil),
		unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{}, nil),
		unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil),
		unix.Setpriority(unix.PRIO_PROCESS, pid, 10),
	}
	for i, err := range errs {
		if errors.Is(err, unix.ESRCH) { // it has ended already: its answer tells
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}
