package embedded

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/cpu"
)

// ErrCPU is wrapped by errors about a processor that the engine cannot run on.
// Starting again does not help.
var ErrCPU = errors.New("this processor cannot run the embedded engine")

// CheckCPU reports whether the processor has what the engine was compiled for.
// Without this look the child would die of an illegal instruction, which tells
// an operator nothing.
func CheckCPU() error {
	return checkCPU(runtime.GOARCH, cpu.X86.HasAVX2, cpu.X86.HasBMI2)
}

func checkCPU(arch string, avx2, bmi2 bool) error {
	if arch != "amd64" {
		return nil
	}
	var missing []string
	if !avx2 {
		missing = append(missing, "AVX2")
	}
	if !bmi2 {
		missing = append(missing, "BMI2")
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w (no %s; a virtual machine may hide it): set clickhouse.addr to an external server",
		ErrCPU, strings.Join(missing, " and no "))
}
