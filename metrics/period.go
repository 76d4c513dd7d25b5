package metrics

import (
	"strings"
	"time"
)

// Period is a kind of report period, as data: calendar ones, the ones that end
// on the 14th, and the rain day. A period starts where a calendar span of Months
// or Days starts, moved by the shifts; the next one follows without a gap.
type Period struct {
	Name  string // as it stands in an address: step=period:NAME
	Label Text
	// Exactly one of Months and Days is set. Months divides twelve; spans of
	// days are counted from Thursday, 1 January 1970.
	Months, Days int
	// The shifts are added to the calendar start: months first, then days.
	ShiftMonths, ShiftDays, ShiftHours int
}

// Periods are all kinds, shortest first. Socio-economic reports (Nghị định
// 09/2019/NĐ-CP) run from the 15th to the 14th and are named after the month,
// quarter or year that they end in.
var Periods = []Period{
	{Name: "day", Label: Text{Vi: "Ngày", En: "Day"}, Days: 1},
	{Name: "rainday", Label: Text{Vi: "Ngày mưa (19 giờ đến 19 giờ)", En: "Rain day (19:00 to 19:00)"}, Days: 1, ShiftHours: 19},
	{Name: "week", Label: Text{Vi: "Tuần", En: "Week"}, Days: 7, ShiftDays: 4},
	{Name: "month", Label: Text{Vi: "Tháng", En: "Month"}, Months: 1},
	{Name: "month15", Label: Text{Vi: "Tháng báo cáo (ngày 15 đến ngày 14)", En: "Report month (15th to 14th)"}, Months: 1, ShiftMonths: -1, ShiftDays: 14},
	{Name: "quarter", Label: Text{Vi: "Quý", En: "Quarter"}, Months: 3},
	{Name: "quarter15", Label: Text{Vi: "Quý báo cáo (ngày 15 đến ngày 14)", En: "Report quarter (15th to 14th)"}, Months: 3, ShiftMonths: -1, ShiftDays: 14},
	{Name: "half", Label: Text{Vi: "Sáu tháng", En: "Half year"}, Months: 6},
	{Name: "half15", Label: Text{Vi: "Sáu tháng báo cáo (ngày 15 đến ngày 14)", En: "Report half year (15th to 14th)"}, Months: 6, ShiftMonths: -1, ShiftDays: 14},
	{Name: "year", Label: Text{Vi: "Năm", En: "Year"}, Months: 12},
	{Name: "year15", Label: Text{Vi: "Năm báo cáo (15/12 đến 14/12)", En: "Report year (15 December to 14 December)"}, Months: 12, ShiftMonths: -1, ShiftDays: 14},
}

// PeriodByName finds a kind of period.
func PeriodByName(name string) (Period, bool) {
	for _, p := range Periods {
		if p.Name == name {
			return p, true
		}
	}
	return Period{}, false
}

// PeriodNames lists the names, for messages.
func PeriodNames() string {
	names := make([]string, len(Periods))
	for i, p := range Periods {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// Start of the period that contains m.
func (p Period) Start(m Millis) Millis { return p.at(p.index(m)) }

// Next is the start of the period after the one that contains m.
func (p Period) Next(m Millis) Millis { return p.at(p.index(m) + 1) }

// Before is the start of the period before the one that contains m.
func (p Period) Before(m Millis) Millis { return p.at(p.index(m) - 1) }

// index numbers the periods from one that lies in 1970.
func (p Period) index(m Millis) int {
	t := m.Time().In(Civil).AddDate(0, 0, -p.ShiftDays).Add(-time.Duration(p.ShiftHours) * time.Hour)
	if p.Months == 0 {
		y, month, d := t.Date()
		return floorDiv(int(time.Date(y, month, d, 0, 0, 0, 0, time.UTC).Unix()/86_400), p.Days)
	}
	return floorDiv((t.Year()-1970)*12+int(t.Month())-1-p.ShiftMonths, p.Months)
}

func (p Period) at(index int) Millis {
	month, day := index*p.Months+p.ShiftMonths, 1+index*p.Days+p.ShiftDays
	return MillisOf(time.Date(1970, time.Month(1+month), day, p.ShiftHours, 0, 0, 0, Civil))
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// YearBefore is the same civil day and clock a year earlier; the 29th of
// February becomes the 28th.
func (m Millis) YearBefore() Millis {
	t := m.Time().In(Civil)
	before := t.AddDate(-1, 0, 0)
	if before.Month() != t.Month() {
		before = before.AddDate(0, 0, -before.Day())
	}
	return MillisOf(before)
}
