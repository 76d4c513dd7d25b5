// Package embedded runs ClickHouse's own engine as a supervised child process,
// so that one machine needs no database server beside the program.
//
// The engine is the shared library libchdb.so from the npm registry (Find). The
// child is the same program under a hidden subcommand (Main): a crash of the
// engine is then a restart of a child and not the end of the program. The child
// speaks ClickHouse's native protocol on a loopback port, so that its client
// cannot tell it from a server, and it ends with its parent: when its standard
// input closes, and on Linux also by a signal.
package embedded
