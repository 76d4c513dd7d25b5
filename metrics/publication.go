package metrics

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// What a published figure is of.
const (
	OfUnit  = "unit"  // one administrative unit's own figure
	OfTotal = "total" // a whole scope's figure
)

// Publishing says when a metric's figures are published without anybody's
// asking: once, After the end of each Period. What readings bring later makes a
// revision only by a person's word.
type Publishing struct {
	Period     string        `yaml:"period"`     // name of a kind of period
	After      time.Duration `yaml:"after"`      // from the period's end, for what comes late
	Of         []string      `yaml:"of"`         // unit, total; empty: both
	Agg        How           `yaml:"agg"`        // empty: as the metric's kind suggests
	Cumulative string        `yaml:"cumulative"` // name of the kind of period that values add up from; empty: none
}

// check reports the first fault.
func (p *Publishing) check() error {
	if _, ok := PeriodByName(p.Period); !ok {
		return fmt.Errorf("period %q is not one of %s", p.Period, PeriodNames())
	}
	if p.After < 0 {
		return fmt.Errorf("after %v is before the period's end", p.After)
	}
	for _, of := range p.Of {
		if of != OfUnit && of != OfTotal {
			return fmt.Errorf("of %q is not unit or total", of)
		}
	}
	if p.Agg != "" && !slices.Contains([]How{Avg, Sum, Min, Max, Last}, p.Agg) {
		return fmt.Errorf("agg %q is not one of avg, sum, min, max, last", p.Agg)
	}
	if _, ok := PeriodByName(p.Cumulative); p.Cumulative != "" && !ok {
		return fmt.Errorf("cumulative %q is not one of %s", p.Cumulative, PeriodNames())
	}
	return nil
}

// Publication is the act of publishing the figures of one report period: an
// event of the journal. What is published stays as it was; a correction is
// another act with the figures' next revisions and a reason.
type Publication struct {
	ID      string   `json:"id"`
	At      Millis   `json:"at"`
	By      string   `json:"by"` // as shown; empty: the catalogue's word (Publishing)
	User    string   `json:"user,omitempty"`
	Scope   string   `json:"scope"` // of whoever published
	Period  string   `json:"period"`
	Start   Millis   `json:"start"`
	End     Millis   `json:"end"` // exclusive
	Reason  string   `json:"reason,omitempty"`
	Figures []Figure `json:"figures"`
}

// Figure is one published value.
type Figure struct {
	Metric     string `json:"metric"`
	Agg        How    `json:"agg"`
	Cumulative string `json:"cumulative,omitempty"`
	Of         string `json:"of"`  // OfUnit, OfTotal
	Key        string `json:"key"` // unit code or scope id
	// Value is nil where too few stations reported: that is what was published.
	Value    *float64 `json:"value"`
	N        uint32   `json:"n"`       // stations or units that reported in the period
	M        uint32   `json:"m"`       // of those that should have
	Formula  string   `json:"formula"` // version: see Metric.FormulaVersion
	Revision uint32   `json:"revision"`
}

// FigureID is what makes two published figures the same one. Of two with the
// same identity the first in journal order stays.
type FigureID struct {
	Metric, Agg, Cumulative, Of, Key, Period string
	Start                                    Millis
	Revision                                 uint32
}

// IDOf a figure of the publication.
func (p *Publication) IDOf(f *Figure) FigureID {
	return FigureID{f.Metric, string(f.Agg), f.Cumulative, f.Of, f.Key, p.Period, p.Start, f.Revision}
}

// MostFigures bounds one act of publishing, so that its event fits the journal.
const MostFigures = 20_000

// publicationEvent tells publications from the other events of the log.
const publicationEvent = "publication"

// Encode is the event of the journal.
func (p *Publication) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Event string `json:"event"`
		*Publication
	}{publicationEvent, p})
}

// DecodePublication reads an event of the journal; is tells whether it is a
// publication at all, damaged or not.
func DecodePublication(data []byte) (p Publication, is bool, err error) {
	var event struct {
		Event string `json:"event"`
	}
	if err := json.Unmarshal(data, &event); err != nil || event.Event != publicationEvent {
		return p, false, nil
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, true, fmt.Errorf("publication: %w", err)
	}
	return p, true, p.check()
}

func (p *Publication) check() error {
	if _, ok := PeriodByName(p.Period); !ok {
		return fmt.Errorf("publication: period %q is not one of %s", p.Period, PeriodNames())
	}
	if p.ID == "" || p.At <= 0 || p.Start >= p.End {
		return errors.New("publication: id, time or period is missing")
	}
	if len(p.Figures) == 0 || len(p.Figures) > MostFigures {
		return fmt.Errorf("publication: %d figures are not between 1 and %d", len(p.Figures), MostFigures)
	}
	for i := range p.Figures {
		f := &p.Figures[i]
		if f.Metric == "" || f.Key == "" || f.Revision == 0 || f.Of != OfUnit && f.Of != OfTotal {
			return fmt.Errorf("publication: figure %d has no metric, key, revision or subject", i)
		}
		if f.Value != nil && (math.IsNaN(*f.Value) || math.IsInf(*f.Value, 0)) {
			return fmt.Errorf("publication: figure %d is not finite", i)
		}
	}
	return nil
}

// Formula says in one line how readings become a figure: what a change of the
// catalogue would make another figure of.
func (m *Metric) Formula(agg How, cumulative string) string {
	var text strings.Builder
	if m.Kind == Ratio {
		fmt.Fprintf(&text, "sum(%s) / sum(%s) * 100 over stations with both", m.Numerator, m.Denominator)
	} else {
		fmt.Fprintf(&text, "%s across stations of %s(%s)", m.Across, agg, m.ID)
	}
	if cumulative != "" {
		fmt.Fprintf(&text, ", since the start of the %s", cumulative)
	}
	fmt.Fprintf(&text, ", in %s, from a coverage of %g", m.Unit, m.MinCoverage)
	return text.String()
}

// FormulaVersion is a short name of Formula's text: it changes when that does.
func (m *Metric) FormulaVersion(agg How, cumulative string) string {
	sum := sha256.Sum256([]byte(m.Formula(agg, cumulative)))
	return hex.EncodeToString(sum[:4])
}
