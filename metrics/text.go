package metrics

// Text is a name in the languages of the screens. Vietnamese is the language of
// record and never empty; English falls back to it.
type Text struct {
	Vi string `yaml:"vi" json:"vi"`
	En string `yaml:"en" json:"en,omitempty"`
}

// English is the English name, or the Vietnamese one where there is none.
func (t Text) English() string {
	if t.En == "" {
		return t.Vi
	}
	return t.En
}
