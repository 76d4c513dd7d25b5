package metrics

import "time"

// Now is the clock of all that is stored, compared with stored times and judged
// by them. It is time.Now, and only programs that are built to let their clock
// jump (build tag jump, for cmd/chaos) have another. Spans between two moments
// of this process are measured with time.Now, which no jump touches.
var Now = time.Now
