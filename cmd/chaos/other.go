//go:build !linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

var errLinux = errors.New("the chaos test needs Linux")

func mountMemory(string, int64) error { return errLinux }
func withParent(*exec.Cmd)            {}
func unmount(string)                  {}
func allocate(string, int64) error    { return errLinux }
func childNamed(int, string) int      { return 0 }

func killAtInsert(context.Context, *centre, time.Duration) (string, error) { return "", errLinux }
