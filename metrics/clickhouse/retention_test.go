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
	// A late correction cannot be told from what is left, and takes nothing away.
	late := Row{metrics.Reading{Station: "S1", Metric: "received", ObservedAt: at(t, "2026-01-15 10:05"), Value: 50, Revision: 9}, 2}
	store(t, s, []Row{late})
	if answer, err := s.History(t.Context(), q, cat, p); err != nil || total(answer) != 3 {
		t.Errorf("after a late reading: %v, %v", answer, err)
	}
	if testutil.ToFloat64(s.tel.tooOld) == 0 {
		t.Error("what is too old is not counted")
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
