package main

import (
	"context"
	"fmt"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// The people's part of the demo's first minute; the province's part is
// province's own.
const (
	districtActs = 45 * time.Second
	countingTime = 57 * time.Second
	districtID   = "d088"
)

// playPeople acknowledges an alarm as a district centre would, and counts what
// was taken and what is stored after the database was killed.
func playPeople(ctx context.Context, a *app, began time.Time, speed float64, say func(string)) error {
	at := func(after time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Until(began.Add(time.Duration(float64(after) / speed)))):
			return true
		}
	}
	if !at(districtActs) {
		return nil
	}
	if err := acknowledge(ctx, a, say); err != nil {
		return err
	}
	if !at(countingTime) {
		return nil
	}
	// Readings of the last seconds may still be on their way.
	to := metrics.MillisOf(time.Now().Add(-5 * time.Second))
	account, err := a.audit(ctx, metrics.MillisOf(began), to)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	say(fmt.Sprintf("counted after the kill: thiếu %d, trùng %d, of %d readings taken since the story began", account.Missing, account.Doubled, account.Taken))
	note := a.counted(account.Missing, account.Doubled, account.Taken)
	if err := a.alarms.act(ctx, note); err != nil || !at(countingTime+countShown) {
		return err
	}
	return a.alarms.act(ctx, alarm.Act{Verb: alarm.Clear, Alarm: note.Alarm, At: metrics.MillisOf(time.Now())})
}

// countShown is how long the wall tells what was counted.
const countShown = time.Minute

// counted tells the wall what the count found: the database was killed before
// everybody's eyes, and nobody needs to look at a console to see that it did no harm.
func (a *app) counted(missing, doubled, taken int) alarm.Act {
	root, _ := a.current().Unit(a.current().Root())
	now := metrics.MillisOf(time.Now())
	severity := alarm.Notice
	if missing+doubled > 0 {
		severity = alarm.Critical
	}
	return alarm.Act{
		Verb: alarm.Raise, Alarm: fmt.Sprintf("counted.%d", now), At: now, Severity: severity, Value: float64(taken), Count: 1,
		Text: metrics.Text{
			Vi: fmt.Sprintf("Đã đếm lại sau khi cơ sở dữ liệu ngắt: thiếu %d, trùng %d", missing, doubled),
			En: fmt.Sprintf("Counted again after the database was cut off: %d missing, %d doubled", missing, doubled),
		},
		Subject: &alarm.Subject{Rule: "counted", Station: metrics.UnitStation(root.Code), Unit: root.Code, Place: root.Name},
	}
}

// acknowledge lets the district centre of Sa Pa take the worst alarm of its
// slice.
func acknowledge(ctx context.Context, a *app, say func(string)) error {
	p, err := a.current().Predicate(districtID, metrics.DateOf(time.Now()))
	if err != nil {
		return err
	}
	for _, open := range a.alarms.book.List() {
		if open.Status != alarm.Raised || !p.Station(open.Station) {
			continue
		}
		scope, _ := a.current().Scope(districtID)
		by := "Trung tâm " + scope.Name.Vi
		if err := a.alarms.act(ctx, alarm.Act{Verb: alarm.Ack, Alarm: open.ID, At: metrics.MillisOf(time.Now()), By: by}); err != nil {
			return err
		}
		say("the district centre acknowledges: " + open.Text.Vi)
		return nil
	}
	return nil
}
