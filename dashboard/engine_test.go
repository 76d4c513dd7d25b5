package dashboard_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/dashboard"
	"vonglau/dashboard/access"
	"vonglau/dashboard/hub"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/metrics/clickhouse"
	"vonglau/metrics/clickhouse/embedded"
	"vonglau/metrics/live"
	"vonglau/streams/video"
)

// desk is a dashboard in front of the real engine: an analyst of the province
// (chuyenvien) and one of a district (huyen), a leader and an operator.
type desk struct {
	*province
	store *clickhouse.Store
	live  *live.Engine
	run   func(context.Context) error // the server's
	conn  driver.Conn                 // of the test itself, to look behind the store
}

func deskCatalogue(t testing.TB) *metrics.Catalogue {
	t.Helper()
	counts := func(id string) metrics.Metric {
		return metrics.Metric{ID: id, Name: text(id), Unit: "{dossier}", Domain: "service", Kind: metrics.Total, Across: metrics.Sum, ValidFor: time.Hour, Public: true}
	}
	src := metrics.Source{
		Units: []metrics.Unit{
			{Code: "U0", Name: text("Tỉnh"), Kind: "province"},
			{Code: "U1", Name: text("Xã Một"), Kind: "commune", Parent: "U0"}, {Code: "U2", Name: text("Xã Hai"), Kind: "commune", Parent: "U0"},
		},
		Metrics: []metrics.Metric{
			counts("received"), counts("on_time"),
			{ID: "on_time_share", Name: text("Đúng hạn"), Unit: "%", Domain: "service", Kind: metrics.Ratio, Numerator: "on_time", Denominator: "received", Better: metrics.Higher, Public: true},
			{ID: "m_weather", Name: text("Mưa"), Unit: "mm", Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour},
		},
		Stations: []metrics.Station{
			{ID: "S1", Name: text("Trạm Một"), Unit: "U1", Metrics: []string{"m_weather"}},
			{ID: "S2", Name: text("Trạm Hai"), Unit: "U2", Metrics: []string{"m_weather"}},
		},
		Scopes: []metrics.Scope{{ID: "D1", Name: text("Khu vực Một"), Units: []string{"U1"}}},
	}
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	c := deskCatalogue(t)
	library, err := embedded.Find()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := embedded.Start(context.Background(), embedded.Options{Library: library, Dir: t.TempDir(), MaxMemory: 2 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := engine.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := clickhouse.Config{Addr: []string{engine.Addr()}, Database: "desk"}
	cfg.Username, cfg.Password = engine.Credentials()
	cfg.ReaderUsername, cfg.ReaderPassword = engine.ReaderCredentials()
	d := &desk{live: live.New(func() *metrics.Catalogue { return c }, nil)}
	if d.store, err = clickhouse.Open(t.Context(), cfg, clickhouse.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.store.Close() })
	if err := d.store.SyncCatalogue(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	d.conn, err = driver.Open(&driver.Options{Addr: cfg.Addr, Auth: driver.Auth{Database: "desk", Username: cfg.Username, Password: cfg.Password}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.conn.Close() })
	users := []access.User{
		{Name: "chuyenvien", Label: "Chuyên viên", Role: access.Analyst, Scope: "U0", Password: "p"},
		{Name: "huyen", Label: "Khu vực", Role: access.Analyst, Scope: "D1", Password: "p"},
		{Name: "lanhdao", Label: "Lãnh đạo", Role: access.Leader, Scope: "U0", Password: "p"},
		{Name: "vanhanh", Label: "Vận hành", Role: access.Operator, Scope: "U0", Password: "p"},
	}
	who, err := access.New(t.Context(), "ioc", users, memory{})
	if err != nil {
		t.Fatal(err)
	}
	h, pictures, seq := hub.New(hub.Options{}), video.NewHub(video.Config{}), atomic.Uint64{}
	server := dashboard.New(dashboard.Options{
		Catalogue: func() *metrics.Catalogue { return c }, Live: d.live, Alarms: alarm.NewBook(), Hub: h, Access: who, Video: pictures,
		Pages:   fstest.MapFS{"index.html": {Data: []byte("<html>")}},
		History: d.store.History, Stream: d.store.Stream, SQL: d.store.SQL, Revisions: d.store.Revisions,
		Publish: func(ctx context.Context, ask clickhouse.Publish, c *metrics.Catalogue, p metrics.Predicate) (metrics.Publication, int, error) {
			pub, same, err := d.store.Prepare(ctx, ask, c, p, metrics.MillisOf(time.Now()))
			if err == nil {
				err = d.store.WritePublication(ctx, &pub, seq.Add(1))
			}
			return pub, same, err
		},
		Camera: func(string) (dashboard.Camera, bool) { return dashboard.Camera{}, false },
		Health: func() dashboard.Health { return dashboard.Health{} }, Log: slog.New(slog.DiscardHandler),
	})
	srv := httptest.NewServer(server)
	d.run = server.Run
	d.province = &province{t: t, catalogue: c, url: srv.URL}
	t.Cleanup(func() {
		bound, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		if err := h.Close(bound); err != nil {
			t.Error(err)
		}
		srv.Close()
		pictures.Close()
	})
	return d
}

// take stores readings of units, a day of October 2025 each, and their rollups.
func (d *desk) take(t *testing.T, revision uint32, unit string, day int, received, onTime float64) {
	t.Helper()
	d.takeAt(t, metrics.MillisOf(time.Date(2025, 10, day, 10, 0, 0, 0, metrics.Civil)), revision, unit, received, onTime)
}

func (d *desk) takeAt(t *testing.T, at metrics.Millis, revision uint32, unit string, received, onTime float64) {
	t.Helper()
	var readings []metrics.Reading
	for id, v := range map[string]float64{"received": received, "on_time": onTime} {
		readings = append(readings, metrics.Reading{Station: metrics.UnitStation(unit), Metric: id, ObservedAt: at, Value: v, Revision: revision})
	}
	ctx, stored := context.WithCancel(t.Context())
	defer stored()
	writer := clickhouse.NewWriter(d.store, clickhouse.WriterConfig{FlushEvery: time.Millisecond, RollupEvery: time.Millisecond,
		Commit: func(context.Context, uint64) error { stored(); return nil }})
	if err := writer.Add(ctx, uint64(revision)+1, readings); err != nil {
		t.Fatal(err)
	}
	if err := writer.Run(ctx); err != nil || t.Context().Err() != nil { // until it is stored with its rollups
		t.Fatal(err)
	}
}

// historyOf is an answer of GET history with its points by key and column.
type historyOf struct {
	Columns []string
	Series  []struct {
		Key    string
		Points [][]any
	}
}

func (h historyOf) at(t *testing.T, key, column string) any {
	t.Helper()
	for _, s := range h.Series {
		for i, name := range h.Columns {
			if s.Key == key && name == column {
				return s.Points[0][i]
			}
		}
	}
	t.Errorf("%+v has no %s of %q", h, column, key)
	return nil
}

const october = "&step=period:month&from=2025-10-01T00:00:00%2B07:00&to=2025-11-01T00:00:00%2B07:00"

// A figure is published, a late correction comes: as published stays, as known
// now changes, a revision has its reason, and the earlier one stays to be read.
func TestPublishingOverHTTP(t *testing.T) {
	d := newDesk(t)
	d.take(t, 0, "U1", 5, 100, 90)
	d.take(t, 0, "U2", 6, 300, 240)
	analyst, district, leader := d.signIn(t, "chuyenvien"), d.signIn(t, "huyen"), d.signIn(t, "lanhdao")

	body := anything{"metrics": []string{"on_time_share", "received"}, "period": "month", "on": "2025-10-20"}
	if status, answer := leader.call("POST", "/api/v1/publications", body); status != 403 {
		t.Errorf("a leader publishes: %d %s", status, answer)
	}
	for name, bad := range map[string]anything{
		"no metrics":     {"period": "month"},
		"odd period":     {"metrics": []string{"received"}, "period": "moon"},
		"odd day":        {"metrics": []string{"received"}, "period": "month", "on": "20/10/2025"},
		"odd subject":    {"metrics": []string{"received"}, "period": "month", "of": []string{"house"}},
		"unknown field":  {"metrics": []string{"received"}, "period": "month", "value": 5},
		"unknown metric": {"metrics": []string{"snow"}, "period": "month", "on": "2025-10-20"},
	} {
		if status, answer := analyst.call("POST", "/api/v1/publications", bad); status != 400 || !bytes.Contains(answer, []byte(`"detail"`)) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, answer := analyst.call("POST", "/api/v1/publications", anything{"metrics": []string{"received"}, "period": "year", "on": metrics.DateOf(time.Now())}); status != 409 {
		t.Errorf("a year that goes on is published: %d %s", status, answer)
	}
	first := ask[metrics.Publication](analyst, "POST", "/api/v1/publications", body, 201)
	if len(first.Figures) != 6 || first.By != "Chuyên viên" {
		t.Errorf("published %+v", first)
	}
	if status, answer := analyst.call("POST", "/api/v1/publications", body); status != 409 {
		t.Errorf("published twice: %d %s", status, answer)
	}
	between := url.QueryEscape(time.Now().Add(time.Millisecond).Format(time.RFC3339Nano))

	d.take(t, 1, "U2", 6, 400, 240) // a correction, and a day that comes late
	d.take(t, 0, "U2", 7, 100, 100)
	if status, answer := analyst.call("POST", "/api/v1/publications", body); status != 409 || !bytes.Contains(answer, []byte("reason")) {
		t.Errorf("a correction without a reason: %d %s", status, answer)
	}
	shares := ask[historyOf](analyst, "GET", "/api/v1/history?metric=on_time_share&by=unit&published=now"+october, nil, 200)
	for column, want := range map[string]any{
		"value": 68.0, "published": 80.0, "difference": -12.0, "difference_percent": -15.0, "differs": true, "revision": 1.0,
		"stations": 1.0, "of": 1.0, "published_stations": 1.0, "published_of": 1.0, "other_formula": false,
	} {
		if got := shares.at(t, "U2", column); got != want {
			t.Errorf("%s of U2 is %v, want %v", column, got, want)
		}
	}
	if shares.at(t, "U1", "differs") != false || shares.at(t, "U1", "difference") != 0.0 {
		t.Error("U1 is marked though nothing changed")
	}
	total := ask[historyOf](analyst, "GET", "/api/v1/history?metric=received&by=total&published=now"+october, nil, 200)
	if total.at(t, "", "published") != 400.0 || total.at(t, "", "value") != 600.0 || total.at(t, "", "stations") != 2.0 {
		t.Errorf("the province's total: %+v", total)
	}

	body["reason"] = "Xã Hai gửi bổ sung"
	second := ask[metrics.Publication](analyst, "POST", "/api/v1/publications", body, 201)
	if len(second.Figures) != 4 || second.Figures[0].Revision != 2 { // U1 stands as published
		t.Errorf("revised %+v", second)
	}
	now := ask[historyOf](analyst, "GET", "/api/v1/history?metric=on_time_share&by=unit&published=now"+october, nil, 200)
	before := ask[historyOf](analyst, "GET", "/api/v1/history?metric=on_time_share&by=unit&published="+between+october, nil, 200)
	if now.at(t, "U2", "published") != 68.0 || now.at(t, "U2", "revision") != 2.0 || before.at(t, "U2", "published") != 80.0 || before.at(t, "U2", "value") != 68.0 {
		t.Errorf("after the revision %+v, as published before it %+v", now, before)
	}
	list := ask[struct {
		Publications []struct {
			Key, By, Reason string
			Revision        int
			Value           *float64
		}
	}](analyst, "GET", "/api/v1/publications?metric=on_time_share&by=unit"+october, nil, 200)
	if n := len(list.Publications); n != 3 || list.Publications[2].Reason != "Xã Hai gửi bổ sung" || *list.Publications[1].Value != 80 {
		t.Errorf("the revisions are %+v", list)
	}

	// A district has its slice of what was published.
	for _, exit := range []string{"history?metric=on_time_share&by=unit&published=now", "publications?metric=on_time_share&by=unit", "publications?metric=on_time_share&by=total", "history?metric=on_time_share&by=total&published=now"} {
		status, answer := district.call("GET", "/api/v1/"+exit+october, nil)
		if status != 200 || bytes.Contains(answer, []byte("U2")) || bytes.Contains(answer, []byte(",80,")) || bytes.Contains(answer, []byte(`"U0"`)) {
			t.Errorf("the district sees %d %s", status, answer)
		}
	}
	for _, exit := range []string{"history?metric=on_time_share&by=unit&unit=U2&published=now", "publications?metric=on_time_share&by=unit&unit=U2", "history?metric=received&by=total&scope=U0&published=now"} {
		if status, answer := district.call("GET", "/api/v1/"+exit+october, nil); status != 403 {
			t.Errorf("the district asks %s: %d %s", exit, status, answer)
		}
	}
	if status, answer := district.call("POST", "/api/v1/publications", anything{"metrics": []string{"received"}, "period": "month", "on": "2025-10-20", "units": []string{"U2"}, "of": []string{"unit"}}); status != 403 {
		t.Errorf("the district publishes another's: %d %s", status, answer)
	}
	for _, bad := range []string{"published=yesterday", "published=now&as_of=2025-07-01", "published=now&reported=true"} {
		if status, answer := analyst.call("GET", "/api/v1/history?metric=received&by=unit&"+bad+october, nil); status != 400 {
			t.Errorf("%s: %d %s", bad, status, answer)
		}
	}
	if status, answer := analyst.call("GET", "/api/v1/history?metric=received&by=unit&published=now&step=1h", nil); status != 400 {
		t.Errorf("published hours: %d %s", status, answer)
	}
	status, csv := analyst.call("GET", "/api/v1/history?metric=on_time_share&by=unit&format=csv&published="+between+october, nil)
	if status != 200 || !bytes.Contains(csv, []byte("Đã công bố")) || !bytes.Contains(csv, []byte(";68;")) || !bytes.Contains(csv, []byte(";80;1;1;1;")) || !bytes.Contains(csv, []byte(";-12;-15")) {
		t.Errorf("the file is %d %s", status, csv)
	}
}

// Places are gained and lost against what is stored of past days' ends.
func TestRankingAgainstPastDays(t *testing.T) {
	d := newDesk(t)
	now := metrics.MillisOf(time.Now())
	today := now.Floor(24 * time.Hour)
	month, _ := metrics.PeriodByName("month")
	d.takeAt(t, today.Add(-20*time.Hour), 0, "U1", 100, 95) // in the morning; what counts is the day's end
	d.takeAt(t, today.Add(-time.Hour), 0, "U1", 110, 77)
	d.takeAt(t, today.Add(-time.Hour), 0, "U2", 100, 80)
	if last := month.Start(now).Add(-time.Hour); last < today.Add(-24*time.Hour) { // on the 1st both are one day
		d.takeAt(t, last, 0, "U1", 100, 50)
		d.takeAt(t, last, 0, "U2", 100, 40)
	}
	var readings []metrics.Reading
	for unit, onTime := range map[string]float64{"U1": 90, "U2": 80} {
		for id, v := range map[string]float64{"received": 100, "on_time": onTime} {
			readings = append(readings, metrics.Reading{Station: metrics.UnitStation(unit), Metric: id, ObservedAt: now, Value: v})
		}
	}
	d.live.Apply(readings, now)
	type answer struct {
		Ranked []struct {
			ID     string
			Place  int
			Before int
			Month  int `json:"before_month"`
		}
	}
	wantMonth := [2]int{1, 2}
	if month.Start(now) == today {
		wantMonth = [2]int{2, 1}
	}
	// The topic waits for nobody: it says where they stood when that has become known.
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	conn := d.signIn(t, "chuyenvien").dial()
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "topics": []string{"rankings/U0"}}); err != nil {
		t.Fatal(err)
	}
	nextFrame(t, conn, func(f replayFrame) bool {
		var said struct{ State, Set map[string]answer }
		if f.Topic != "rankings/U0" || json.Unmarshal(f.raw, &said) != nil {
			return false
		}
		told := append(said.State["on_time_share/units"].Ranked, said.Set["on_time_share/units"].Ranked...)
		return len(told) == 2 && told[0].ID == "U1" && told[0].Before == 2 && told[0].Month == wantMonth[0] && told[1].Before == 1
	})
	got := ask[answer](d.signIn(t, "chuyenvien"), "GET", "/api/v1/ranking?metric=on_time_share", nil, 200).Ranked
	if len(got) != 2 || got[0].ID != "U1" || got[0].Place != 1 || got[0].Before != 2 || got[0].Month != wantMonth[0] || got[1].Before != 1 || got[1].Month != wantMonth[1] {
		t.Errorf("ranked %+v", got)
	}
	// Ratios of a scope are of its units' sums; a district ranks what is its own.
	own := ask[answer](d.signIn(t, "huyen"), "GET", "/api/v1/ranking?metric=on_time_share&among=scopes", nil, 200).Ranked
	if len(own) != 1 || own[0].ID != "D1" || own[0].Before != 1 {
		t.Errorf("the district's %+v", own)
	}
}

// The SQL door over HTTP, in front of the real engine: it reads only, within the
// scope and the limits, and only for those whose work it is.
func TestSQLDoorOverHTTP(t *testing.T) {
	d := newDesk(t)
	d.take(t, 0, "U1", 5, 100, 90)
	d.take(t, 0, "U2", 6, 300, 240)
	analyst, district, leader := d.signIn(t, "chuyenvien"), d.signIn(t, "huyen"), d.signIn(t, "lanhdao")
	type answer struct {
		Columns []struct{ Name, Type string }
		Rows    [][]any
	}
	query := func(text string) anything { return anything{"query": text} }
	for who, want := range map[*person]float64{analyst: 4, district: 2} {
		got := ask[answer](who, "POST", "/api/v1/sql", query("SELECT count() AS n FROM readings"), 200)
		if got.Rows[0][0] != want || got.Columns[0].Name != "n" {
			t.Errorf("%+v, want %v rows", got, want)
		}
	}
	foreign := ask[answer](district, "POST", "/api/v1/sql", query("SELECT value FROM readings WHERE station = 'unit:U2'"), 200)
	if len(foreign.Rows) != 0 {
		t.Errorf("the district reads another's %v", foreign.Rows)
	}
	for _, text := range []string{
		"INSERT INTO readings VALUES (1)", "DROP TABLE desk.raw", "ALTER TABLE desk.raw DELETE WHERE 1", "SELECT 1; SELECT 2", "SYSTEM SHUTDOWN", "",
		"SELECT * FROM desk.raw", "SELECT * FROM desk.published", "SELECT * FROM system.processes", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT count() FROM readings SETTINGS readonly = 0",
	} {
		if status, body := analyst.call("POST", "/api/v1/sql", query(text)); status != 400 {
			t.Errorf("%q: %d %s", text, status, body)
		}
	}
	for _, text := range []string{"SELECT number FROM numbers(200000)", "SELECT count() FROM numbers(100000000000)"} {
		if status, body := analyst.call("POST", "/api/v1/sql", query(text)); status != 422 && status != 400 {
			t.Errorf("%q goes beyond the limits: %d %.200s", text, status, body)
		}
	}
	if status, body := leader.call("POST", "/api/v1/sql", query("SELECT 1")); status != 403 {
		t.Errorf("a leader at the SQL door: %d %s", status, body)
	}
	if status, body := analyst.call("POST", "/api/v1/sql", anything{"query": "SELECT station, value FROM readings WHERE metric = 'received' ORDER BY station", "format": "csv"}); status != 200 || string(body) != "station,value\nunit:U1,100\nunit:U2,300\n" {
		t.Errorf("csv: %d %q", status, body)
	}
	var n uint64
	if err := d.conn.QueryRow(t.Context(), "SELECT count() FROM raw").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d readings afterwards, %v", n, err)
	}
}

// A person who leaves in the middle of an export takes the query along.
func TestCancelledExportReachesTheServer(t *testing.T) {
	d := newDesk(t)
	const rows = 3_000_000
	err := d.conn.Exec(t.Context(), fmt.Sprintf(`INSERT INTO raw (metric, station, observed_at, id, value, quality, received_at, version)
SELECT 'm_weather', 'S1', toDateTime64('2025-10-01 00:00:00', 3, 'UTC') + number / 4, '', number, 0, now64(3), 1 FROM numbers(%d) SETTINGS max_partitions_per_insert_block = 0`, rows))
	if err != nil {
		t.Fatal(err)
	}
	running := func() (n uint64) {
		t.Helper()
		if err := d.conn.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE query LIKE 'SELECT toString(r.station)%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	analyst := d.signIn(t, "chuyenvien")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/api/v1/history?metric=m_weather&station=S1&step=raw&format=csv&from=2025-10-01T00:00:00Z&to=2025-10-31T00:00:00Z", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := analyst.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for range 10 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if running() != 1 {
		t.Fatal("the export is over before it is cancelled: the test proves nothing")
	}
	cancel()
	if _, err := io.Copy(io.Discard, lines); err == nil {
		t.Error("the file ends as if it were whole")
	}
	for deadline := time.Now().Add(time.Minute); running() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the server still works for somebody who left")
		}
	}
	// The place at the gate is free again: three more questions are answered.
	for range 3 {
		if status, body := analyst.call("GET", "/api/v1/history?metric=m_weather&station=S1&step=1d", nil); status != 200 {
			t.Errorf("afterwards: %d %s", status, body)
		}
	}
}
