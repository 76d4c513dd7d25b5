package streams

import "fmt"

// State of a camera. The numbers are the values of the metric camera_state and
// are stored: they never change.
type State uint8

// The states, from the camera_state metric of the catalogue.
const (
	Offline      State = 0 // nothing comes
	Live         State = 1
	Degraded     State = 2 // a picture, but less than usual
	Frozen       State = 3 // data comes, the picture stands
	Dark         State = 4 // a picture without content: dark or covered
	Maintenance  State = 5 // planned off-hours
	Unauthorised State = 6 // the camera refuses user or password
)

// States are all states, by number.
var States = []State{Offline, Live, Degraded, Frozen, Dark, Maintenance, Unauthorised}

var stateNames = [...]string{"offline", "live", "degraded", "frozen", "dark", "maintenance", "unauthorised"}

// String is the word used in answers, labels and logs.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if string(text) == name {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a camera state", text)
}
