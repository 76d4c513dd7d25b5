// Package journal is the program's durable memory: blocks of readings and
// events in ordered logs with named cursors, and compare-and-set buckets for
// the values that change. State has these two homes and no third.
//
// It runs on NATS JetStream, inside the process or on a cluster by address, and
// adds the guards that JetStream alone does not give: nothing is dropped by
// age, a full disk holds producers back instead of losing what they send, every
// producer writes with the sequence it expects, a cursor knows which
// incarnation of a log it counts in, and a gap is found, counted and named.
package journal
