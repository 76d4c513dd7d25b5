// Package alarm decides when values become alarms and how alarms live: raised,
// acknowledged, assigned, cleared. Rules are data; there is one state machine
// for each key, so two messages milliseconds apart make one alarm; and every
// step is an Act, which is appended to the journal and folded into the Book, so
// that the same acts always give the same alarms.
package alarm
