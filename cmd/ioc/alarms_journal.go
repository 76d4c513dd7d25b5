package main

import (
	"context"
	"fmt"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// What the journal itself gives cause for. These alarms are about the whole
// province, so that only who sees all of it sees them.

const (
	fullEvery = time.Minute // how often it is asked how full the logs are
	fullFrom  = 0.7         // the share from which on that is an alarm
	fullUntil = 0.65        // below which it ends, so that it does not flap
)

// journalLost raises the alarm about records that the journal no longer has, once
// for each hole, however often and by whom it is found. It ends by hand.
func (s *alarms) journalLost(l lost) []alarm.Act {
	id := fmt.Sprintf("journal_lost.%s.%d.%d", l.log, l.from, l.to)
	if _, known := s.book.Get(id); known {
		return nil
	}
	return []alarm.Act{{
		Verb: alarm.Raise, Alarm: id, At: metrics.MillisOf(metrics.Now()), Severity: alarm.Critical,
		Value: float64(l.to - l.from + 1), Count: 1,
		Text: metrics.Text{
			Vi: fmt.Sprintf("Nhật ký %s mất các khối %d–%d: kiểm tra ổ đĩa", l.log, l.from, l.to),
			En: fmt.Sprintf("Journal %s has lost records %d–%d: check the disk", l.log, l.from, l.to),
		},
		Subject: s.province(id),
	}}
}

// journalFull raises and clears the alarms about logs that come to their bound,
// while there is still time to do something.
func (s *alarms) journalFull(ctx context.Context) (acts []alarm.Act) {
	for _, log := range []struct {
		name journal.Log
		text metrics.Text
	}{
		{journal.Readings, metrics.Text{
			Vi: "Nhật ký số liệu sắp đầy vì cơ sở dữ liệu chưa nhận kịp; khi đầy, các nguồn sẽ phải chờ: kiểm tra ClickHouse",
			En: "The log of readings is nearly full, as the database does not keep up; when it is full, sources have to wait: look after ClickHouse",
		}},
		{journal.Events, metrics.Text{
			Vi: "Nhật ký sự kiện sắp đầy; khi đầy, cảnh báo và công bố sẽ phải chờ: tăng journal.max_events rồi khởi động lại",
			En: "The log of events is nearly full; when it is full, alarms and publishing have to wait: raise journal.max_events and start again",
		}},
	} {
		share, err := s.a.journal.Fullness(ctx, log.name)
		if err != nil {
			s.log.Warn("it is not known how full a log of the journal is", "log", log.name, "error", err)
			continue
		}
		rule, open := fmt.Sprintf("journal_full.%s", log.name), ""
		for _, a := range s.book.List() {
			if a.Status != alarm.Cleared && a.Rule == rule {
				open = a.ID
			}
		}
		now := metrics.MillisOf(metrics.Now())
		switch {
		case open == "" && share >= fullFrom:
			acts = append(acts, alarm.Act{Verb: alarm.Raise, Alarm: fmt.Sprintf("%s.%d", rule, now), At: now, Severity: alarm.Warning, Value: share, Text: log.text, Subject: s.province(rule)})
		case open != "" && share < fullUntil:
			acts = append(acts, alarm.Act{Verb: alarm.Clear, Alarm: open, At: now})
		}
	}
	return acts
}

func (s *alarms) province(rule string) *alarm.Subject {
	c := s.a.current()
	root, _ := c.Unit(c.Root())
	return &alarm.Subject{Rule: rule, Station: metrics.UnitStation(c.Root()), Unit: c.Root(), Place: root.Name}
}
