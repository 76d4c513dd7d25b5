package province

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"vonglau/metrics"
)

// figuresEvery is how often the figure systems count anew; their cap_nhat is a
// multiple of it, so that the same moment always has the same figures.
const figuresEvery = 15 * time.Second

// figures are what the systems count, by commune: pure functions of time.
type figures struct {
	seed     uint64
	tale     *tale
	units    []string // communes, in the catalogue's order
	tourism  []string // those with guests
	feedback []string // those whose citizens write during the story

	mu   sync.Mutex // guards done
	done map[string][]float64
}

func newFigures(seed uint64, c *metrics.Catalogue, t *tale) *figures {
	f := &figures{seed: seed, tale: t, done: map[string][]float64{}}
	for _, u := range c.Units() {
		if u.Code != c.Root() {
			f.units = append(f.units, u.Code)
		}
	}
	for _, cam := range c.Cameras() {
		if cam.Kind == "tourism" && !slices.Contains(f.tourism, cam.Unit) {
			f.tourism = append(f.tourism, cam.Unit)
		}
	}
	for _, name := range []string{"Lào Cai", "Sa Pa", "Bản Hồ", "Mường Bo", "Tả Phìn", "Bắc Hà", "Yên Bái", "Mù Cang Chải", "Nghĩa Lộ", "Y Tý"} {
		for _, u := range c.Units() {
			if u.Code == c.Root() || strings.TrimPrefix(u.Name.Vi, "Phường ") != name {
				continue
			}
			if !slices.Contains(f.tourism, u.Code) && name != "Mường Bo" {
				f.tourism = append(f.tourism, u.Code)
			}
			f.feedback = append(f.feedback, u.Code)
		}
	}
	if len(f.feedback) == 0 {
		f.feedback = f.units
	}
	slices.Sort(f.tourism)
	return f
}

// worked is how much of the year's work is done: the days since 1 January, most of
// each between half past seven and five.
func worked(t time.Time) float64 {
	civil := t.In(metrics.Civil)
	hour := civil.Sub(time.Date(civil.Year(), civil.Month(), civil.Day(), 0, 0, 0, 0, metrics.Civil)).Hours()
	return float64(civil.YearDay()-1) + 0.2*hour/24 + 0.8*max(0, min(1, (hour-7.5)/9.5))
}

// mean is the share of a year's work that went well up to now: each day has a
// share of its own around base, with good and bad weeks, so that figures that add
// up since 1 January rise and fall against each other and never run backwards.
func (f *figures) mean(key string, base, swing float64, now time.Time) float64 {
	done := worked(now)
	year := now.In(metrics.Civil).Year()
	sums := f.sums(fmt.Sprint(key, year), base, swing)
	whole := min(int(done), len(sums)-2)
	sum := sums[whole] + (done-float64(whole))*(sums[whole+1]-sums[whole])
	return sum / max(done, 1e-9)
}

// sums are the running sums of a year's daily shares; they are kept, since every
// answer needs them.
func (f *figures) sums(key string, base, swing float64) []float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	sums, ok := f.done[key]
	if !ok {
		if len(f.done) > 10_000 { // units × figures × years that were asked for; begin again rather than grow
			clear(f.done)
		}
		sums = make([]float64, 368)
		for day := range 367 {
			swings := 1.4*chance(f.seed, key+"season", int64(day/24)) + 0.6*chance(f.seed, key+"day", int64(day)) - 1
			sums[day+1] = sums[day] + max(0, min(0.998, base+swing*swings))
		}
		f.done[key] = sums
	}
	return sums
}

// row is one line of an answer.
type row map[string]any

// rows of a system at a moment; nil for a system that does not exist.
func (f *figures) rows(system string, now time.Time) []row {
	now = now.Truncate(figuresEvery)
	units := f.units
	if system == "du-lich" {
		units = f.tourism
	}
	var rows []row
	for _, u := range units {
		r := f.row(system, u, now)
		if r == nil {
			return nil
		}
		r["ma_xa"] = u
		r["cap_nhat"] = now.In(metrics.Civil).Format(time.RFC3339)
		rows = append(rows, r)
	}
	return rows
}

func (f *figures) row(system, u string, now time.Time) row {
	of := func(what string) float64 { return chance(f.seed, u+what, 0) }
	done := worked(now)
	worth := 40 + done*(8+28*of("size")) // received, before it is counted in whole dossiers
	received := math.Floor(worth)
	went := func(amount float64, what string, base, swing float64) float64 {
		return math.Floor(amount * f.mean(u+what, base, swing, now))
	}
	switch system {
	case "mot-cua":
		resolved := worth * (0.95 + 0.03*of("resolved"))
		share := 0.945 + 0.045*of("on time")
		if of("weak") < 0.12 {
			share = 0.88 + 0.04*of("on time")
		}
		return row{"tiep_nhan": received, "da_giai_quyet": math.Floor(resolved), "dung_han": went(resolved, "on time", share, 0.05),
			"qua_han":    math.Floor(1.9 * of("late") * of("late") * (1 + 0.5*wander(f.seed, u+"late", now, 2*time.Hour))),
			"truc_tuyen": went(worth, "online", 0.5+0.4*of("online"), 0.06), "lan_sua": 0}
	case "van-ban":
		total := 60 + done*(14+22*of("paper"))
		return row{"tong_so": math.Floor(total), "dien_tu": went(total, "electronic", 0.93+0.065*of("electronic"), 0.03)}
	case "hai-long":
		n := 20 + worth*(0.25+0.2*of("asked"))
		return row{"luot_danh_gia": math.Floor(n), "hai_long": went(n, "pleased", 0.87+0.11*of("pleased"), 0.04)}
	case "phan-anh":
		in, out := f.tale.feedback(u, f.feedback, now)
		base := 6 + math.Floor(done*(0.1+0.5*of("voice")))
		open := math.Floor(2.4 * of("open") * of("open"))
		answered := base - open + float64(out)
		return row{"tiep_nhan": base + float64(in), "da_tra_loi": answered,
			"dung_han": math.Floor(answered * (0.9 + 0.09*of("prompt"))), "chua_tra_loi": open + float64(in-out)}
	case "du-lich":
		civil := now.In(metrics.Civil)
		beds := 180 + 2600*of("beds")*of("beds")
		if slices.Contains([]time.Weekday{time.Friday, time.Saturday}, civil.Weekday()) {
			beds *= 1.5
		}
		hour := float64(civil.Hour()) + float64(civil.Minute())/60
		night := 0.75 + 0.2*math.Cos(2*math.Pi*(hour-22)/24)
		return row{"khach_luu_tru": math.Round(beds * (night + 0.01*wander(f.seed, u+"guests", now, time.Minute))),
			"luot_khach": math.Floor(beds * 1.6 * max(0, min(1, (worked(now)-math.Floor(worked(now))))))}
	}
	return nil
}

// answer is the JSON document of a system: each has the shape that its maker chose.
func answer(system string, rows []row) any {
	if system == "van-ban" {
		return map[string]any{"ket_qua": map[string]any{"don_vi": rows}, "ma": 0, "thong_bao": "Thành công"}
	}
	return map[string]any{"data": rows, "tong": fmt.Sprint(len(rows))}
}
