package metrics

import "fmt"

// Quality says how far a reading can be trusted. Good is the zero value.
type Quality uint8

// The qualities, from the design's vocabulary. Their numbers are stored.
const (
	Good     Quality = 0 // in range and in time
	Late     Quality = 1 // observed longer ago than its metric's valid_for when it came
	Suspect  Quality = 2 // the source itself doubts it
	Manual   Quality = 3 // entered by a person
	Exercise Quality = 4 // part of a drill: shown as one, never counted
)

var qualityNames = [...]string{"good", "late", "suspect", "manual", "exercise"}

// String is the word used in configuration, answers and the database.
func (q Quality) String() string {
	if int(q) < len(qualityNames) {
		return qualityNames[q]
	}
	return fmt.Sprintf("quality(%d)", uint8(q))
}

// ParseQuality is the inverse of String; the empty word is Good.
func ParseQuality(word string) (Quality, error) {
	if word == "" {
		return Good, nil
	}
	for i, name := range qualityNames {
		if word == name {
			return Quality(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a quality (good, late, suspect, manual, exercise)", word)
}

// MarshalText writes the word.
func (q Quality) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads the word.
func (q *Quality) UnmarshalText(text []byte) error {
	parsed, err := ParseQuality(string(text))
	*q = parsed
	return err
}
