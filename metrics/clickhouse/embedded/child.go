package embedded

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/ebitengine/purego"
)

// readyWord is what the child prints once it listens. The parent does not probe
// the port instead: a handshake that is cut short aborts this engine.
const readyWord = "vonglau-engine-ready"

// startQuery opens the port and then blocks until standard input ends, which is
// what ties the engine's life to its parent's. The word goes out INTO OUTFILE
// because the library keeps ordinary output until the end; the input comes FROM
// INFILE because the table function file() would need a right with which the
// user without a password could read every file of this process.
const startQuery = "SYSTEM START LISTEN TCP; SELECT '" + readyWord + "' INTO OUTFILE '/dev/stdout' APPEND FORMAT TSVRaw; " +
	"INSERT INTO FUNCTION null('line String') FROM INFILE '/dev/stdin' FORMAT LineAsString"

// Exit codes of Main beside 0 and the engine's own.
const (
	exitUsage = 64
	exitCPU   = 78
)

// Main is what the hidden subcommand of the program runs in the child process;
// args follow the subcommand's name and are written by Start. It returns the
// exit code, after standard input has closed and the engine has stopped.
func Main(args []string) int {
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	library := flags.String("library", "", "path of libchdb.so")
	config := flags.String("config", "", "the engine's configuration file")
	data := flags.String("data", "", "folder of the data")
	port := flags.Int("port", 0, "port on 127.0.0.1")
	if err := flags.Parse(args); err != nil || *library == "" || *config == "" || *data == "" || *port == 0 {
		fmt.Fprintln(os.Stderr, "engine: this subcommand is started by the program itself")
		return exitUsage
	}
	if err := CheckCPU(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitCPU
	}
	handle, err := purego.Dlopen(*library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load library:", err)
		return 1
	}
	symbol, err := purego.Dlsym(handle, "chdb_query_cmdline")
	if err != nil {
		fmt.Fprintln(os.Stderr, "find chdb_query_cmdline:", err)
		return 1
	}
	var run func(argc int32, argv unsafe.Pointer) uintptr
	purego.RegisterFunc(&run, symbol)
	argv, free := cStrings([]string{
		"clickhouse",
		"--config-file=" + *config,
		"--path=" + *data,
		"--listen_host=127.0.0.1",
		"--tcp_port=" + strconv.Itoa(*port),
		"--multiquery",
		"--query", startQuery,
	})
	defer free()
	if result := run(int32(argv.len), argv.at); result == 0 {
		return 1
	}
	return 0
}

type argVector struct {
	at  unsafe.Pointer
	len int
}

// cStrings lays out args as argv: NUL-terminated, and with a nil at the end.
// The memory is pinned until free, because C keeps no reference that the
// collector knows of.
func cStrings(args []string) (argv argVector, free func()) {
	var pin runtime.Pinner
	at := make([]*byte, 0, len(args)+1)
	for _, arg := range args {
		b := append([]byte(arg), 0)
		pin.Pin(&b[0])
		at = append(at, &b[0])
	}
	at = append(at, nil)
	pin.Pin(&at[0])
	return argVector{unsafe.Pointer(&at[0]), len(args)}, pin.Unpin
}
