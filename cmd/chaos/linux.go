//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func mountMemory(dir string, size int64) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0700,size="+strconv.FormatInt(size, 10))
}

func unmount(dir string) {
	for range 50 { // what was killed may hold it for a moment
		if syscall.Unmount(dir, 0) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = syscall.Unmount(dir, syscall.MNT_DETACH)
}

func allocate(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Fallocate(int(f.Fd()), 0, 0, size)
}

// withParent ends the command when this program ends, however that happens.
func withParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// childNamed is a child of the process whose command line has the word.
func childNamed(parent int, word string) int {
	if parent == 0 {
		return 0
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(parent) {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if strings.Contains(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), word) {
			return pid
		}
	}
	return 0
}

// killAtInsert waits until the engine makes the folder of a new part of the raw
// readings or a rollup, kills it at that moment, and returns the folder.
func killAtInsert(ctx context.Context, c *centre, within time.Duration) (string, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return "", fmt.Errorf("watch the engine's folder: %w", err)
	}
	defer syscall.Close(fd)
	tables := map[int32]string{}
	deadline := time.Now().Add(within)
	for len(tables) == 0 { // the very first start makes them
		found, _ := filepath.Glob(filepath.Join(c.data, "clickhouse", "data", "store", "*", "*"))
		for _, dir := range found {
			if wd, err := syscall.InotifyAddWatch(fd, dir, syscall.IN_CREATE); err == nil {
				tables[int32(wd)] = dir
			}
		}
		if time.Now().After(deadline) {
			return "", errors.New("the engine has no tables")
		}
		if len(tables) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	buf := make([]byte, 64<<10)
	pid := c.engine()
	for time.Now().Before(deadline) && ctx.Err() == nil {
		n, err := syscall.Read(fd, buf)
		if err != nil {
			if !alive(pid) {
				pid = c.engine()
			}
			time.Sleep(200 * time.Microsecond)
			continue
		}
		for b := buf[:n]; len(b) >= syscall.SizeofInotifyEvent; {
			e := (*syscall.InotifyEvent)(unsafe.Pointer(&b[0]))
			name := strings.TrimRight(string(b[syscall.SizeofInotifyEvent:][:e.Len]), "\x00")
			b = b[syscall.SizeofInotifyEvent+int(e.Len):]
			if !strings.HasPrefix(name, "tmp_insert_") {
				continue
			}
			if alive(pid) && syscall.Kill(pid, syscall.SIGKILL) == nil {
				return filepath.Join(tables[e.Wd], name), nil
			}
		}
	}
	return "", fmt.Errorf("no insert began within %s", within)
}
