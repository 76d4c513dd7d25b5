package metrics

import (
	"testing"
	"time"
)

func civil(t *testing.T, text string) Millis {
	t.Helper()
	parsed, err := time.ParseInLocation("2006-01-02 15:04", text, Civil)
	if err != nil {
		t.Fatal(err)
	}
	return MillisOf(parsed)
}

func TestPeriodBounds(t *testing.T) {
	for _, test := range []struct{ name, at, before, start, next string }{
		{"day", "2026-03-01 23:59", "2026-02-28 00:00", "2026-03-01 00:00", "2026-03-02 00:00"},
		{"rainday", "2026-03-01 18:59", "2026-02-27 19:00", "2026-02-28 19:00", "2026-03-01 19:00"},
		{"rainday", "2026-03-01 19:00", "2026-02-28 19:00", "2026-03-01 19:00", "2026-03-02 19:00"},
		{"week", "2026-03-01 12:00", "2026-02-16 00:00", "2026-02-23 00:00", "2026-03-02 00:00"}, // a Sunday
		{"month", "2024-02-29 12:00", "2024-01-01 00:00", "2024-02-01 00:00", "2024-03-01 00:00"},
		{"month15", "2026-01-14 23:59", "2025-11-15 00:00", "2025-12-15 00:00", "2026-01-15 00:00"},
		{"month15", "2026-01-15 00:00", "2025-12-15 00:00", "2026-01-15 00:00", "2026-02-15 00:00"},
		{"month15", "2026-01-31 00:00", "2025-12-15 00:00", "2026-01-15 00:00", "2026-02-15 00:00"},
		{"quarter", "2026-03-31 00:00", "2025-10-01 00:00", "2026-01-01 00:00", "2026-04-01 00:00"},
		{"quarter15", "2025-12-20 00:00", "2025-09-15 00:00", "2025-12-15 00:00", "2026-03-15 00:00"},
		{"half", "2026-06-30 23:00", "2025-07-01 00:00", "2026-01-01 00:00", "2026-07-01 00:00"},
		{"half15", "2026-06-14 23:00", "2025-06-15 00:00", "2025-12-15 00:00", "2026-06-15 00:00"},
		{"year", "2024-12-31 23:59", "2023-01-01 00:00", "2024-01-01 00:00", "2025-01-01 00:00"},
		{"year15", "2025-12-14 23:59", "2023-12-15 00:00", "2024-12-15 00:00", "2025-12-15 00:00"},
		{"week", "1970-01-04 12:00", "1969-12-22 00:00", "1969-12-29 00:00", "1970-01-05 00:00"},
	} {
		p, ok := PeriodByName(test.name)
		if !ok {
			t.Fatalf("no period %s", test.name)
		}
		at := civil(t, test.at)
		for _, got := range []struct {
			what string
			got  Millis
			want string
		}{{"before", p.Before(at), test.before}, {"start", p.Start(at), test.start}, {"next", p.Next(at), test.next}} {
			if got.got != civil(t, got.want) {
				t.Errorf("%s of the %s with %s: %v, want %s", got.what, test.name, test.at, got.got.Time().In(Civil), got.want)
			}
		}
	}
}

// Periods of a kind follow each other without a gap.
func TestPeriodsAreSeamless(t *testing.T) {
	for _, p := range Periods {
		for at := p.Start(civil(t, "2023-11-05 00:00")); at < civil(t, "2026-03-01 00:00"); at = p.Next(at) {
			next := p.Next(at)
			if p.Start(at) != at || p.Start(next-1) != at || p.Before(next) != at || next <= at {
				t.Fatalf("%s at %v", p.Name, at.Time().In(Civil))
			}
		}
	}
}

func TestYearBefore(t *testing.T) {
	for at, want := range map[string]string{
		"2024-02-29 10:00": "2023-02-28 10:00", "2025-02-28 10:00": "2024-02-28 10:00", "2026-01-15 00:00": "2025-01-15 00:00",
	} {
		if got := civil(t, at).YearBefore(); got != civil(t, want) {
			t.Errorf("a year before %s: %v", at, got.Time().In(Civil))
		}
	}
}
