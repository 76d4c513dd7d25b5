package province

import (
	"fmt"
	"math"
	"slices"
	"strings"
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
}

func newFigures(seed uint64, c *metrics.Catalogue, t *tale) *figures {
	f := &figures{seed: seed, tale: t}
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
	received := 40 + math.Floor(done*(8+28*of("size")))
	switch system {
	case "mot-cua":
		resolved := math.Floor(received * (0.95 + 0.03*of("resolved")))
		share := 0.945 + 0.045*of("on time")
		if of("weak") < 0.12 {
			share = 0.88 + 0.04*of("on time")
		}
		return row{"tiep_nhan": received, "da_giai_quyet": resolved, "dung_han": math.Floor(resolved * share),
			"qua_han":    math.Floor(1.9 * of("late") * of("late") * (1 + 0.5*wander(f.seed, u+"late", now, 2*time.Hour))),
			"truc_tuyen": math.Floor(received * (0.5 + 0.4*of("online"))), "lan_sua": 0}
	case "van-ban":
		total := 60 + math.Floor(done*(14+22*of("paper")))
		return row{"tong_so": total, "dien_tu": math.Floor(total * (0.93 + 0.065*of("electronic")))}
	case "hai-long":
		n := 20 + math.Floor(received*(0.25+0.2*of("asked")))
		return row{"luot_danh_gia": n, "hai_long": math.Floor(n * (0.87 + 0.11*of("pleased")))}
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
