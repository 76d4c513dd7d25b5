package alarm

import (
	"cmp"
	"slices"

	"vonglau/metrics"
)

// Sieve finds, among the acts of a log, those without which the log's Book is
// the same:
//
//   - a raise that the log holds already, or of what another alarm has open;
//   - a change that moved only the number, once a later one has moved it again;
//   - all acts of an alarm that the Book has let go, being neither open nor among
//     the newest that ended.
//
// Of the latter it gives the raise alone, and the rest when it looks at a log
// from which the raise is gone: who reads the log while it is thinned out never
// sees an alarm that was raised and does not end. An alarm's id has the time of its
// raise in it and does not come back. It is not safe for concurrent use.
type Sieve struct {
	book    *Book
	changes map[string]spared // by alarm: the newest change that moved only the number
	lives   map[string]*life  // by alarm, of those whose raise is there
	spare   []spared
	acts    int
}

// spared is an act that is not needed.
type spared struct {
	seq uint64
	at  metrics.Millis
}

// life is what the log holds of one alarm.
type life struct {
	raise uint64
	last  metrics.Millis
	acts  int
	twice bool // another raise of the same stands in the log: without the first it would count
}

// NewSieve makes an empty one.
func NewSieve() *Sieve {
	return &Sieve{book: NewBook(), changes: map[string]spared{}, lives: map[string]*life{}}
}

// Add takes the acts in the order of the log, with their sequence in it.
func (s *Sieve) Add(seq uint64, act Act) {
	s.acts++
	if l := s.lives[act.Alarm]; l != nil {
		l.last, l.acts = act.At, l.acts+1
		if act.Verb == Raise {
			l.twice = true
			s.spare = append(s.spare, spared{seq, act.At})
		}
	} else if open := s.book.openOf(act); act.Verb == Raise && open != nil {
		if l := s.lives[open.ID]; l != nil {
			l.twice = true
		}
		s.spare = append(s.spare, spared{seq, act.At})
		return
	} else if act.Verb == Raise {
		s.lives[act.Alarm] = &life{raise: seq, last: act.At, acts: 1}
	} else {
		s.spare = append(s.spare, spared{seq, act.At}) // the book passes it over
		return
	}
	if a := s.book.alarms[act.Alarm]; a != nil && act.Verb == Change {
		if before, is := s.changes[act.Alarm]; is {
			s.spare = append(s.spare, before)
			delete(s.changes, act.Alarm)
		}
		if act.Severity == a.Severity && act.Subject == nil && act.Note == "" {
			s.changes[act.Alarm] = spared{seq, act.At}
		}
	}
	s.book.Apply(act)
	if a := s.book.alarms[act.Alarm]; a == nil || a.Status == Cleared {
		delete(s.changes, act.Alarm) // its last number is what is shown of it
	}
}

// Spare are the sequences of acts to do without, in ascending order. Acts of
// alarms that the Book has let go are among them when the alarm's last one is
// from before old, or sooner, the oldest first, as long as more than most are
// left; the others when they are from before recent.
func (s *Sieve) Spare(recent, old metrics.Millis, most int) []uint64 {
	var seqs []uint64
	left := s.acts
	for _, one := range s.spare {
		if one.at < recent {
			seqs, left = append(seqs, one.seq), left-1
		}
	}
	var ended []*life
	for id, l := range s.lives {
		if s.book.alarms[id] == nil && !l.twice {
			ended = append(ended, l)
		}
	}
	slices.SortFunc(ended, func(a, b *life) int { return cmp.Compare(a.raise, b.raise) })
	for _, l := range ended {
		if l.last < old || left > most {
			seqs, left = append(seqs, l.raise), left-l.acts
		}
	}
	slices.Sort(seqs)
	return seqs
}
