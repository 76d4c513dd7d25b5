package province_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"vonglau/cmd/iocsim/province"
	"vonglau/metrics"
)

// call sends a request and returns its answer's status and JSON.
func call(t *testing.T, method, url, token string) (int, any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true // leaves no idle connection behind
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body any
	_ = json.NewDecoder(res.Body).Decode(&body) // not every answer is JSON, and that is tested
	return res.StatusCode, body
}

func post(t *testing.T, p *province.Province, path string, want int) {
	t.Helper()
	if got, body := call(t, http.MethodPost, "http://"+p.HTTPAddr()+path, ""); got != want {
		t.Fatalf("POST %s gave %d %v, want %d", path, got, body, want)
	}
}

func TestFigureSystemsAnswerConsistently(t *testing.T) {
	p, front := play(t, nil)
	catalogue := demo(t)
	for path, want := range map[string]struct {
		rows  []string // to the list
		units int
		less  [][2]string // the first is never more than the second
	}{
		"/mot-cua/api/v1/thong-ke":  {[]string{"data"}, 99, [][2]string{{"da_giai_quyet", "tiep_nhan"}, {"dung_han", "da_giai_quyet"}, {"truc_tuyen", "tiep_nhan"}}},
		"/van-ban/api/v1/thong-ke":  {[]string{"ket_qua", "don_vi"}, 99, [][2]string{{"dien_tu", "tong_so"}}},
		"/hai-long/api/v1/thong-ke": {[]string{"data"}, 99, [][2]string{{"hai_long", "luot_danh_gia"}}},
		"/phan-anh/api/v1/thong-ke": {[]string{"data"}, 99, [][2]string{{"da_tra_loi", "tiep_nhan"}, {"dung_han", "da_tra_loi"}}},
		"/du-lich/api/v1/luu-tru":   {[]string{"data"}, 0, nil},
	} {
		url := "http://" + p.HTTPAddr() + path
		if status, _ := call(t, http.MethodGet, url, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a token gave %d, want 401", path, status)
		}
		status, body := call(t, http.MethodGet, url, front.Token)
		if status != http.StatusOK {
			t.Fatalf("%s gave %d", path, status)
		}
		for _, key := range want.rows {
			body = body.(map[string]any)[key]
		}
		rows := body.([]any)
		if len(rows) == 0 || (want.units > 0 && len(rows) != want.units) {
			t.Errorf("%s has %d rows, want %d", path, len(rows), want.units)
		}
		sums := map[string]float64{}
		for _, r := range rows {
			r := r.(map[string]any)
			if u, ok := catalogue.Unit(r["ma_xa"].(string)); !ok || u.Kind == "province" {
				t.Fatalf("%s names unit %v", path, r["ma_xa"])
			}
			at, err := time.Parse(time.RFC3339, r["cap_nhat"].(string))
			if err != nil || time.Since(at) > 20*time.Second || time.Until(at) > 0 {
				t.Fatalf("%s was counted at %v", path, r["cap_nhat"])
			}
			for _, pair := range want.less {
				a, b := r[pair[0]].(float64), r[pair[1]].(float64)
				if a < 0 || a > b {
					t.Errorf("%s: %s is %v and %s is %v", path, pair[0], a, pair[1], b)
				}
				sums[pair[0]] += a
				sums[pair[1]+"/"+pair[0]] += b
			}
		}
		for _, pair := range want.less {
			if share := sums[pair[0]] / sums[pair[1]+"/"+pair[0]]; share < 0.55 || share > 0.998 {
				t.Errorf("%s: %s is %.3f of %s in the province", path, pair[0], share, pair[1])
			}
		}
	}
}

func TestFigureSystemsFailAsTold(t *testing.T) {
	p, front := play(t, nil)
	url := "http://" + p.HTTPAddr() + "/hai-long/api/v1/thong-ke"
	post(t, p, "/sim/systems/hai-long/error", http.StatusNoContent)
	if status, _ := call(t, http.MethodGet, url, front.Token); status != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", status)
	}
	post(t, p, "/sim/systems/hai-long/html", http.StatusNoContent)
	if status, body := call(t, http.MethodGet, url, front.Token); status != http.StatusOK || body != nil {
		t.Errorf("status %d with %v, want 200 with a page", status, body)
	}
	post(t, p, "/sim/systems/hai-long/ok", http.StatusNoContent)
	if _, body := call(t, http.MethodGet, url, front.Token); body == nil {
		t.Error("the system does not recover")
	}
	for _, path := range []string{"/sim/systems/hai-long/sing", "/sim/systems/nobody/ok", "/sim/cameras/cam-99/ok", "/sim/cameras/cam-01/sing", "/sim/stations/LC-RAIN-001/silence"} {
		post(t, p, path, http.StatusNotFound)
	}
}

func TestStoryMovesTheCamerasAndKillsTheEngineOnce(t *testing.T) {
	kills := make(chan struct{}, 8)
	p, _ := play(t, func(o *province.Options) {
		o.Speed = 200 // the first minute takes 0.3 s, a cycle 6 s
		o.OnEngineKill = func() { kills <- struct{}{} }
	})
	seen := map[province.CameraMode]bool{}
	if err := p.Publish(t.Context(), time.Time{}, 0, nil); err != nil {
		t.Fatal(err)
	}
	limit := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for len(seen) < 5 {
		select {
		case <-tick.C:
			for _, m := range p.Cameras.Modes() {
				seen[m] = true
			}
		case <-limit:
			t.Fatalf("the cameras were %v", seen)
		}
	}
	select {
	case <-kills:
	default:
		t.Error("the engine was not killed")
	}
	p.Stop()
	if len(kills) > 0 {
		t.Error("the engine was killed twice")
	}
	if _, body := call(t, http.MethodGet, "http://"+restart(t).HTTPAddr()+"/sim", ""); body.(map[string]any)["story"] != true {
		t.Errorf("status %v", body)
	}
}

func restart(t *testing.T) *province.Province {
	t.Helper()
	p, _ := play(t, nil)
	return p
}

// What was counted since 1 January never runs backwards, and a past moment is told
// the same again.
func TestFigureSystemsTellTheirPast(t *testing.T) {
	p, front := play(t, nil)
	base := "http://" + p.HTTPAddr() + "/mot-cua/api/v1/thong-ke?luc="
	noon := time.Date(time.Now().Year(), time.Now().Month(), time.Now().Day(), 5, 0, 0, 0, time.UTC)
	last, places := map[string]map[string]float64{}, map[int]int{}
	for day := 40; day >= 1; day-- {
		at := noon.AddDate(0, 0, -day)
		if at.Year() != noon.Year() {
			clear(last)
		}
		status, body := call(t, http.MethodGet, base+at.Format(time.RFC3339), front.Token)
		if status != http.StatusOK {
			t.Fatalf("%v: %d", at, status)
		}
		best, bestShare := 0, 0.0
		for i, one := range body.(map[string]any)["data"].([]any) {
			r := one.(map[string]any)
			if r["cap_nhat"] != at.In(metrics.Civil).Format(time.RFC3339) {
				t.Fatalf("asked for %v, told %v", at, r["cap_nhat"])
			}
			unit := r["ma_xa"].(string)
			if last[unit] == nil {
				last[unit] = map[string]float64{}
			}
			for _, field := range []string{"tiep_nhan", "da_giai_quyet", "dung_han", "truc_tuyen"} {
				v := r[field].(float64)
				if v < last[unit][field] {
					t.Errorf("%s of %s falls from %v to %v on %v", field, unit, last[unit][field], v, at)
				}
				last[unit][field] = v
			}
			if share := r["dung_han"].(float64) / r["da_giai_quyet"].(float64); share > bestShare {
				best, bestShare = i, share
			}
		}
		places[best]++
	}
	if len(places) < 2 {
		t.Error("the same unit leads on every day: nobody gains or loses a place")
	}
	for _, bad := range []string{"gestern", "2100-01-01T00:00:00Z", "1990-01-01T00:00:00Z"} {
		if status, _ := call(t, http.MethodGet, base+bad, front.Token); status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, status)
		}
	}
}
