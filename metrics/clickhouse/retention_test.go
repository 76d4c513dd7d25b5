package clickhouse

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vonglau/metrics"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRetentionValidate(t *testing.T) {
	for _, test := range []struct {
		r    Retention
		want string
	}{
		{DefaultRetention, ""}, {Retention{}, ""},
		{Retention{Raw: -1}, "raw_days"}, {Retention{Raw: 90, Quarter: 30}, "quarter_days"}, {Retention{Hour: 30}, "hour_days"},
	} {
		err := (&Config{Addr: []string{"a:1"}, Retention: &test.r}).Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.r, err, test.want)
		}
	}
}

func TestRetention(t *testing.T) {
	c := config(t)
	c.Retention = &Retention{Raw: 30, Quarter: 60, Hour: 400}
	s := openStore(t, c)
	s.quiet = 0
	cat := province(t)
	p := predicate(t, cat, "15")
	var rows []Row
	for _, day := range []string{"2024-01-15 10:00", "2025-12-10 10:00", "2026-01-15 10:00", "2026-03-01 10:00"} {
		rows = append(rows, Row{metrics.Reading{Station: "S1", Metric: "received", ObservedAt: at(t, day), Value: 1}, 1})
	}
	store(t, s, rows)
	if err := s.Retain(t.Context(), at(t, "2026-03-05 00:00").Time()); err != nil {
		t.Fatal(err)
	}
	// Raw from 1 February, quarters from 1 January, hours from 2025, days all.
	counts, err := s.CountIdentities(t.Context(), at(t, "2024-01-01 00:00"), at(t, "2027-01-01 00:00"))
	if want := (Counts{Raw: 1, Quarter: 2, Hour: 3, Day: 4}); err != nil || counts != want {
		t.Errorf("%+v, want %+v, %v", counts, want, err)
	}
	q := Query{Metric: "received", By: ByTotal, From: at(t, "2025-12-01 00:00"), To: at(t, "2026-03-02 00:00"), Step: 15 * time.Minute}
	if _, err := s.History(t.Context(), q, cat, p); !errors.Is(err, ErrExpired) {
		t.Errorf("err = %v", err)
	}
	q.Step = dayWidth
	if answer, err := s.History(t.Context(), q, cat, p); err != nil || total(answer) != 3 {
		t.Errorf("%v, %v", answer, err)
	}
}

// Years that are brought in later, before the horizon of raw readings, are rolled
// up however often they come, until retention drops their readings again: from
// then on their days are closed, and what comes for one is set aside by name.
func TestBackfillBeforeTheHorizon(t *testing.T) {
	c := config(t)
	c.Retention = &Retention{Raw: 30, Quarter: 60, Hour: 400}
	s := openStore(t, c)
	cat := province(t)
	p := predicate(t, cat, "15")
	now := at(t, "2026-03-05 00:00").Time()
	if err := s.Retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	j := newJournal(nil)
	var aside []Row
	cfg := quick(j)
	cfg.SetAside = func(rows []Row, reason error) {
		if !errors.Is(reason, errClosed) {
			t.Error(reason)
		}
		aside = append(aside, rows...)
	}
	w := NewWriter(s, cfg)
	stop := run(t, w)
	seq := uint64(0)
	bring := func(station, when string, value float64, revision uint32) {
		t.Helper()
		seq++
		r := metrics.Reading{Station: station, Metric: "received", ObservedAt: at(t, when), Value: value, Revision: revision}
		if err := w.Add(t.Context(), seq, []metrics.Reading{r}); err != nil {
			t.Fatal(err)
		}
		j.await(t, seq)
	}
	q := Query{Metric: "received", By: ByTotal, From: at(t, "2022-01-01 00:00"), To: at(t, "2026-03-06 00:00"), Step: dayWidth}
	sum := func(want float64) {
		t.Helper()
		if answer, err := s.History(t.Context(), q, cat, p); err != nil || total(answer) != want {
			t.Errorf("%v, want %v, %v", total(answer), want, err)
		}
	}
	bring("S1", "2023-05-06 10:00", 1, 0)
	bring("S1", "2023-05-06 10:05", 2, 0) // of the same quarter
	bring("S1", "2023-05-06 20:00", 4, 0)
	bring("S1", "2023-05-07 10:00", 8, 0)
	sum(15)
	bring("S1", "2023-05-06 10:00", 16, 1) // a correction
	sum(30)
	if err := s.Retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	bring("S1", "2023-05-06 11:00", 1, 0) // more may come for a day
	sum(31)
	if len(aside) > 0 {
		t.Errorf("set aside: %+v", aside)
	}

	s.quiet = 0
	if err := s.Retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if counts, err := s.CountIdentities(t.Context(), at(t, "2022-01-01 00:00"), at(t, "2027-01-01 00:00")); err != nil || counts != (Counts{Day: 5}) {
		t.Errorf("%+v, %v", counts, err)
	}
	sum(31)
	bring("S1", "2023-05-06 10:00", 99, 2)
	bring("S2", "2023-05-06 10:00", 32, 0) // nothing was rolled up of this series
	bring("S1", "2023-05-08 10:00", 64, 0) // nor of this day
	sum(31 + 32 + 64)
	// The first of a month begins in the month before, by the partitions.
	bring("S1", "2025-07-01 03:00", 128, 0)
	bring("S1", "2025-07-01 12:00", 256, 0)
	if err := s.conn.Exec(t.Context(), "ALTER TABLE raw DROP PARTITION ID '202506'"); err != nil {
		t.Fatal(err)
	}
	bring("S1", "2025-07-01 12:05", 512, 0)
	sum(31 + 32 + 64 + 128 + 256 + 512)
	if len(aside) != 1 {
		t.Errorf("set aside: %+v", aside)
	}
	bring("S1", "2025-07-01 03:00", 99, 3)
	sum(31 + 32 + 64 + 128 + 256 + 512)
	stop()
	if len(aside) != 2 || aside[0].Value != 99 || aside[1].Value != 99 || testutil.ToFloat64(s.tel.tooOld) != 2 {
		t.Errorf("set aside: %+v", aside)
	}
}

// Who does not drop knows what is no longer kept as who does, and says so: not
// that there is no data.
func TestHorizonsWithoutDropping(t *testing.T) {
	c := config(t)
	c.Retention = &Retention{Raw: 30, Quarter: 60, Hour: 400}
	drops, asks := openStore(t, c), openStore(t, c)
	cat, now := province(t), at(t, "2026-03-05 00:00").Time()
	asks.Keep(now)
	if err := drops.Retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	for step, kept := range map[time.Duration]string{0: "2026-02-01", 15 * time.Minute: "2026-01-01", time.Hour: "2025-01-01"} {
		from := metrics.MillisOf(now.AddDate(-2, 0, 0))
		q := Query{Metric: "received", By: ByStation, From: from, To: from.Add(time.Hour), Step: step}
		for name, s := range map[string]*Store{"who drops": drops, "who asks": asks} {
			_, err := s.History(t.Context(), q, cat, predicate(t, cat, "15"))
			if refused, ok := errors.AsType[*Refused](err); !ok || refused.Kind != ErrExpired || refused.Params[1] != kept {
				t.Errorf("%s, steps of %v: %v, want %s", name, step, err, kept)
			}
		}
	}
}

func total(a Answer) (sum float64) {
	for _, series := range a.Series {
		for _, p := range series.Points {
			sum += p.Value
		}
	}
	return sum
}
