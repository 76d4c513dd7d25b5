package dashboard_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/streams"
	"vonglau/streams/video"
)

// evidence keeps a picture of every camera with every alarm, 20 s before it.
func (p *province) evidence(id string) (video.Kept, error) {
	if strings.HasSuffix(id, "broken") {
		return video.Kept{}, errors.New("disk on fire")
	}
	known, ok := p.alarms.Get(id)
	if !ok {
		known = p.forgotten[id]
	}
	k := video.Kept{
		About: video.About{Alarm: id, Station: known.Station, Metric: known.Metric}, At: known.RaisedAt.Time(),
		State: video.Gathering, Until: known.RaisedAt.Time().Add(2 * time.Minute), Gaps: []video.Gap{{From: time.UnixMilli(1000), To: time.UnixMilli(2000)}}}
	for i, c := range p.catalogue.Cameras() {
		k.Cameras = append(k.Cameras, c.ID)
		k.Pieces = append(k.Pieces, video.Piece{N: i + 1, Camera: c.ID, At: known.RaisedAt.Time().Add(-20 * time.Second), State: streams.Frozen, Type: "video/mp4", Size: 4})
	}
	return k, nil
}

// evidencePicture's last one has been pruned since it was listed.
func (p *province) evidencePicture(id string, n int) (video.Piece, []byte, error) {
	k, err := p.evidence(id)
	if err != nil || n == len(k.Pieces) {
		return video.Piece{}, nil, errors.Join(err, video.ErrNoEvidence)
	}
	return k.Pieces[n-1], []byte("mp4 " + k.Pieces[n-1].Camera), nil
}

type evidenceAnswer struct {
	Alarm, State, Why string
	RaisedAt          metrics.Millis `json:"raised_at"`
	Until             metrics.Millis
	Cameras           []struct {
		ID       string
		Name     metrics.Text
		Recorder string
	}
	Gaps     []struct{ From, To int64 }
	Pictures []struct {
		N      int
		Camera string
		State  string
		Offset int64 `json:"offset_ms"`
	}
}

// checkEvidence holds the pictures of one alarm to the model: the alarm may be
// seen, or there is none; each picture is of a camera that may be seen.
func (p *province) checkEvidence(t *testing.T, who *person, m sees, id string, may bool) {
	t.Helper()
	status, body := who.call("GET", "/api/v1/alarms/"+id+"/evidence", nil)
	if may != (status == 200) || !may && status != 404 {
		t.Errorf("evidence of %s: %d %s", id, status, body)
	}
	var answer evidenceAnswer
	if may {
		if f := m.foreign(p, []byte(strings.ReplaceAll(string(body), `"`+id+`"`, ""))); f != "" {
			t.Errorf("evidence of %s tells %s: %s", id, f, body)
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
	}
	cameras := p.catalogue.Cameras()
	listed := 0
	for i, c := range cameras {
		n := i + 1
		want := 404
		if may && m.cameras[c.ID] {
			listed++
			if n < len(cameras) {
				want = 200
			}
		}
		if status, body := who.call("GET", "/api/v1/alarms/"+id+"/evidence/"+strconv.Itoa(n), nil); status != want {
			t.Errorf("picture %d, of %s, with %s: %d, want %d: %s", n, c.ID, id, status, want, body)
		}
	}
	if listed != len(answer.Pictures) || listed != len(answer.Cameras) {
		t.Errorf("evidence of %s: %d pictures, %d cameras, want %d", id, len(answer.Pictures), len(answer.Cameras), listed)
	}
	if may && listed == 0 && answer.Why != "no_cameras" {
		t.Errorf("nothing to see, and why is %q", answer.Why)
	}
}

func TestEvidenceAnswers(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 1)))
	// A scope that sees everything, or the answers below would be empty by luck.
	whole := ""
	for _, s := range p.catalogue.Scopes() {
		if m := p.model(s); len(m.cameras) == len(p.catalogue.Cameras()) && m.stations[p.alarms.List()[0].Station] {
			whole = s.ID
		}
	}
	if whole == "" {
		t.Fatal("no scope of this seed sees every camera: take another")
	}
	who := p.signIn(t, whole)
	id := p.alarms.List()[0].ID
	base := "/api/v1/alarms/" + id + "/evidence"
	_, body := who.call("GET", base, nil)
	var answer evidenceAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Alarm != id || answer.State != "gathering" || answer.Why != "" || answer.Until.Sub(answer.RaisedAt) != 2*time.Minute ||
		len(answer.Gaps) != 1 || answer.Gaps[0].To != 2000 || answer.Cameras[0].Name.Vi != "camera" {
		t.Errorf("%s", body)
	}
	if first := answer.Pictures[0]; first.Offset != -20_000 || first.State != "frozen" || first.N != 1 {
		t.Errorf("%+v", first)
	}
	for path, want := range map[string]int{
		base + "/1": 200, base + "/0": 404, base + "/-1": 404, base + "/99999": 404, base + "/one": 400, base + "/1.5": 400,
		base + "/99999999999999999999": 400, base + "/" + strconv.Itoa(len(answer.Pictures)): 404,
		"/api/v1/alarms/none/evidence": 404, "/api/v1/alarms/none/evidence/1": 404,
	} {
		if status, body := who.call("GET", path, nil); status != want || want != 200 && !strings.Contains(string(body), `"detail"`) {
			t.Errorf("GET %s: %d, want %d: %s", path, status, want, body)
		}
	}
	st := p.catalogue.Sensors()[0]
	for _, s := range p.catalogue.Sensors() {
		if p.model(*scopeOf(p, whole)).stations[s.ID] {
			st = s
		}
	}
	p.alarms.Apply(alarm.Act{Verb: alarm.Raise, Alarm: "broken", At: answer.RaisedAt, Text: text("x"), Subject: &alarm.Subject{Rule: "r", Station: st.ID, Unit: st.Unit, Place: text("p")}})
	if status, body := who.call("GET", "/api/v1/alarms/broken/evidence", nil); status != 503 || strings.Contains(string(body), "fire") {
		t.Errorf("a disk that fails: %d %s", status, body)
	}
}

func scopeOf(p *province, id string) *metrics.Scope {
	for _, s := range p.catalogue.Scopes() {
		if s.ID == id {
			return &s
		}
	}
	return nil
}

// TestEvidenceOfForgottenAlarms: what is kept with an alarm can be seen for as long
// as it is kept, by whom it could be seen before, though the book has let it go.
func TestEvidenceOfForgottenAlarms(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 1)))
	st, may, mayNot := "", "", ""
	for _, sensor := range p.catalogue.Sensors() {
		may, mayNot = "", ""
		for _, s := range p.catalogue.Scopes() {
			if p.model(s).stations[sensor.ID] {
				may = s.ID
			} else {
				mayNot = s.ID
			}
		}
		if st = sensor.ID; may != "" && mayNot != "" {
			break
		}
	}
	if may == "" || mayNot == "" {
		t.Fatal("no station of this seed is seen by one scope and not by another: take another")
	}
	p.forgotten = map[string]alarm.Alarm{}
	raise := func(id string) {
		at := metrics.MillisOf(time.Now())
		p.alarms.Apply(alarm.Act{Verb: alarm.Raise, Alarm: id, At: at, Text: text("x"), Subject: &alarm.Subject{Rule: "r", Station: st, Place: text("p")}})
		p.alarms.Apply(alarm.Act{Verb: alarm.Clear, Alarm: id, At: at})
	}
	raise("first")
	p.forgotten["first"], _ = p.alarms.Get("first")
	for i := 0; ; i++ {
		if _, kept := p.alarms.Get("first"); !kept {
			break
		}
		raise("later " + strconv.Itoa(i))
	}
	for scope, want := range map[string]int{may: 200, mayNot: 404} {
		who := p.signIn(t, scope)
		if status, body := who.call("GET", "/api/v1/alarms/first/evidence", nil); status != want {
			t.Errorf("%s: %d, want %d: %s", scope, status, want, body)
		}
		if status, body := who.call("GET", "/api/v1/alarms/never/evidence", nil); status != 404 {
			t.Errorf("%s, of an alarm that never was: %d %s", scope, status, body)
		}
	}
}
