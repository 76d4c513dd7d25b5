// Package replay keeps what the hub sends and plays it again: the wall as it was
// at a moment, with its staleness.
//
// A Recorder follows topics like a client that takes one frame a second, and
// writes them to an Archive: a folder of segments, each of which begins with the
// whole state and so stands alone. A segment's file grows by chunks with a
// checksum every five seconds. There is no sync: this is not the journal. A kill
// of the program loses the seconds since the last chunk, a power cut also what
// the system had not written yet (some 30 s); what came before stays readable,
// and the rest of the file is cut off when it is read next. What was not recorded
// is a gap, which is told and never bridged.
//
// A Player folds a scope's frames up to a moment, and a session sends them over a
// WebSocket in the frames of the live socket, at the pace that the client asks
// for and can follow. The package knows bytes and names of topics, not what they
// mean or who may see them: that it is told by func values.
package replay
