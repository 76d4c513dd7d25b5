package metrics

import "fmt"

// Reason names why something was not taken. The set is closed: it labels
// instruments and is documented for data owners.
type Reason string

// The reasons for a refusal.
const (
	TooLarge       Reason = "too_large"       // more bytes than the door takes
	BadEncoding    Reason = "bad_encoding"    // not UTF-8
	BadFormat      Reason = "bad_format"      // not the format that was agreed: malformed JSON, HTML instead of JSON
	Unmapped       Reason = "unmapped"        // no mapping for the topic
	MissingField   Reason = "missing_field"   // a field that the mapping needs is not there
	BadValue       Reason = "bad_value"       // a field is there but cannot be read
	NotFinite      Reason = "not_finite"      // NaN or infinite
	OutOfRange     Reason = "out_of_range"    // outside the metric's plausible range
	UnknownStation Reason = "unknown_station" // waits under new devices
	UnknownMetric  Reason = "unknown_metric"  // not in the catalogue
	NotMeasured    Reason = "not_measured"    // the station does not measure it
	ClockAhead     Reason = "clock_ahead"     // observed in the future
	TooOld         Reason = "too_old"         // observed before the metric's max_late
	Undated        Reason = "undated"         // a retained message without a time of its own: nobody knows how old it is
	SourceFailed   Reason = "source_failed"   // a pulled system did not answer as agreed
	Unauthorised   Reason = "unauthorised"    // a push from outside its sender's scope
)

// Reasons are all reasons, for instruments that want every label from the start.
var Reasons = []Reason{
	TooLarge, BadEncoding, BadFormat, Unmapped, MissingField, BadValue, NotFinite, OutOfRange, UnknownStation,
	UnknownMetric, NotMeasured, ClockAhead, TooOld, Undated, SourceFailed, Unauthorised,
}

// Refusal is the clear answer to bad input: which field, which value, why.
type Refusal struct {
	Reason Reason `json:"reason"`
	Field  string `json:"field,omitempty"`
	Value  string `json:"value,omitempty"` // as it came, shortened
	Detail string `json:"detail"`          // what was expected instead
}

func (r *Refusal) Error() string {
	if r.Field == "" {
		return fmt.Sprintf("%s: %s", r.Reason, r.Detail)
	}
	return fmt.Sprintf("%s: %s %q: %s", r.Reason, r.Field, r.Value, r.Detail)
}

// Refuse makes a Refusal; the value is shortened to what helps a reader.
func Refuse(reason Reason, field, value, format string, args ...any) *Refusal {
	const longest = 120
	if len(value) > longest {
		value = value[:longest] + "…"
	}
	return &Refusal{Reason: reason, Field: field, Value: value, Detail: fmt.Sprintf(format, args...)}
}
