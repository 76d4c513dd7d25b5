package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/ingest"
	"vonglau/ingest/journal"
)

var journalLogs = []journal.Log{journal.Readings, journal.Events, journal.Refused}

const journalUsage = "ioc journal inspect|verify|refused|events|replay|cursors|retire NAME -config FILE (or -data DIR)"

// journalCommand looks at a journal: inspect shows what is there, verify reads all
// of it, refused lists what was not taken or set aside, events prints the acts on
// alarms and what was published, replay lets the store begin again from a point,
// which changes nothing that is stored already, cursors shows who has come how far,
// retire takes the cursor of a program away that is gone for good. The centre must
// be stopped, unless its journal is a server by itself; replay wants it stopped then
// too.
func journalCommand(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(journalUsage)
	}
	action, args := args[0], args[1:]
	var path, dir, from, name string
	var yes bool
	if action == "retire" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if err := flags("journal "+action, args, func(set *flag.FlagSet) {
		set.StringVar(&path, "config", "", "the configuration `file`")
		set.StringVar(&dir, "data", "", "or the data `folder` alone")
		set.StringVar(&from, "from", "", "replay, events: a `time` like 2026-07-01T07:00:00+07:00; empty: all that the journal has")
		set.BoolVar(&yes, "yes", false, "retire: do not ask")
	}); err != nil {
		return err
	}
	cfg, store := journal.Config{Dir: dir + "/journal"}, "store"
	if path != "" {
		loaded, faults := config.Load(path, config.Environment)
		if len(faults) > 0 {
			return errors.New(faults[0].String())
		}
		cfg, dir, store = loaded.Journal, loaded.Data, cursorOf(loaded, "store")
	}
	if dir == "" {
		return errors.New("which journal? name -config FILE or -data DIR")
	}
	if cfg.URL == "" || action == "replay" {
		lock, err := lockFolder(dir)
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	j, err := journal.Open(ctx, cfg, journal.Options{})
	if err != nil {
		return err
	}
	defer j.Close()
	switch action {
	case "inspect":
		return inspectJournal(ctx, j, store)
	case "verify":
		return verifyJournal(ctx, j)
	case "refused":
		return listRefused(ctx, j)
	case "events":
		return listEvents(ctx, j, from)
	case "replay":
		return replayJournal(ctx, j, store, from)
	case "cursors":
		return listCursors(ctx, j)
	case "retire":
		return retireCursor(ctx, j, name, yes, os.Stdin)
	}
	return fmt.Errorf("%q is none of %s", action, journalUsage)
}

func inspectJournal(ctx context.Context, j *journal.Journal, store string) error {
	for _, log := range journalLogs {
		first, last, err := j.Span(ctx, log)
		if err != nil {
			return err
		}
		fmt.Printf("%-9s records %d to %d\n", log, first, last)
	}
	cursors, err := j.Cursors(ctx) // only looked at: one that is opened is made, and things are kept for it
	if err != nil {
		return err
	}
	for _, c := range cursors {
		if c.Name == store {
			fmt.Printf("store     has everything up to %d\n", c.Seq)
		}
	}
	return nil
}

func verifyJournal(ctx context.Context, j *journal.Journal) error {
	sound := true
	for _, log := range journalLogs {
		r, err := j.Verify(ctx, log, func(seq uint64) { fmt.Fprintf(os.Stderr, "%s: at %d\r", log, seq) })
		if err != nil {
			return err
		}
		fmt.Printf("%-9s records %d to %d: %d there, %d bytes, %d readings\n", log, r.First, r.Last, r.Records, r.Bytes, r.Readings)
		for _, g := range r.Gaps {
			fmt.Printf("%-9s lost %d to %d\n", log, g.From, g.To)
		}
		if r.Lost > 0 {
			fmt.Printf("%-9s lost %d where it was thinned out\n", log, r.Lost)
		}
		for _, seq := range r.Damaged {
			fmt.Printf("%-9s damaged %d\n", log, seq)
		}
		sound = sound && r.Sound()
	}
	if !sound {
		return errors.New("the journal has lost or damaged records: what they held is in the database if the store had passed them (ioc journal inspect)")
	}
	fmt.Println("sound")
	return nil
}

// listRefused prints every refusal that the journal still has, one a line, as
// JSON: when, from where, and which field, value and reason.
func listRefused(ctx context.Context, j *journal.Journal) error {
	first, last, err := j.Span(ctx, journal.Refused)
	if err != nil || last == 0 {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	return j.Read(ctx, journal.Refused, first, last, func(_ context.Context, rec journal.Record) error {
		var list []ingest.Refused
		if err := json.Unmarshal(rec.Data, &list); err != nil {
			return fmt.Errorf("record %d: %w", rec.Seq, err)
		}
		for _, r := range list {
			if err := out.Encode(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// parseFrom reads -from; empty is the beginning.
func parseFrom(from string) (at time.Time, err error) {
	if from == "" {
		return at, nil
	}
	if at, err = time.Parse(time.RFC3339, from); err != nil {
		return at, fmt.Errorf("-from: %q is not a time like 2026-07-01T07:00:00+07:00", from)
	}
	return at, nil
}

// listEvents prints the events that became durable at or after a time, one a
// line, as they are: JSON. It is how acts are kept for longer than the journal
// keeps them.
func listEvents(ctx context.Context, j *journal.Journal, from string) error {
	at, err := parseFrom(from)
	if err != nil {
		return err
	}
	first, last, err := j.Span(ctx, journal.Events)
	if err != nil || last == 0 {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	err = j.Read(ctx, journal.Events, first, last, func(_ context.Context, rec journal.Record) error {
		if rec.Time.Before(at) {
			return nil
		}
		_, err := fmt.Fprintf(out, "%s\n", rec.Data)
		return err
	})
	return errors.Join(err, out.Flush())
}

func replayJournal(ctx context.Context, j *journal.Journal, store, from string) error {
	first, last, err := j.Span(ctx, journal.Readings)
	if err != nil {
		return err
	}
	if from != "" {
		at, err := parseFrom(from)
		if err != nil {
			return err
		}
		if first, err = j.SeqAt(ctx, journal.Readings, at); err != nil {
			return err
		}
	}
	cursor, err := j.Cursor(ctx, journal.Readings, store)
	if err != nil {
		return err
	}
	if err := cursor.Save(ctx, max(first, 1)-1); err != nil {
		return err
	}
	fmt.Printf("at its next start the store writes records %d to %d again; readings that it has stay as they are\n", first, last)
	return nil
}
