package province

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"time"

	"vonglau/metrics"
)

// Options say what province to play. The zero value of a field means what its
// comment says.
type Options struct {
	Catalogue *metrics.Catalogue // required
	Front     *Front             // required: what the cameras and the figure systems listen on
	Seed      uint64             // the same seed says the same about the same moment

	// Start is when the story began: the present run's start is the last one,
	// earlier ones are those of runs before it, oldest first, so that the
	// province remembers what it has already told. Empty: now.
	Start []time.Time
	// Stopped[i] is when the run that began at Start[i] ended. Where it is
	// missing, that run is taken to have lasted until the next start.
	Stopped []time.Time
	// Quiet leaves the story out: weather without a storm, no faults.
	Quiet bool
	// Speed of the story; 2 tells it twice as fast. 0: 1. Sensors keep their pace.
	Speed float64

	MQTT         string // broker, "tcp://host:1883"; empty: no sensors
	MQTTUser     string
	MQTTPassword string

	// Rate, where positive, is a load: so many readings a second in all, spread
	// over the stations, instead of each station's own pace.
	Rate int

	Misbehave Misbehaviour

	// OnEngineKill is called once, 50 s into the present run's story, on a
	// goroutine of its own: whoever plays the story kills its database there.
	OnEngineKill func()

	Log *slog.Logger // nil: silent
}

// Misbehaviour is what goes wrong besides the story. Shares are of all readings,
// 0 to 1.
type Misbehaviour struct {
	Duplicates  float64 // sent twice
	Late        float64 // handed in a minute late
	WrongClocks float64 // stamped 2036 or 1970
	Garbage     float64 // followed by a payload that is none
	Flapping    int     // so many cameras lose and regain their line every 5 s
	NoStranger  bool    // leaves out the device that nobody knows, which appears after 40 s
}

// Front is what the province listens on, and the secrets it asks for. It is made
// before the catalogue is loaded, since the catalogue's URLs name its addresses.
type Front struct {
	RTSP, HTTP net.Listener
	User       string // of the cameras that ask for one
	Password   string
	Token      string // of the figure systems
}

// Listen binds both addresses (":0" is a free port) and makes up the secrets.
func Listen(rtspAddr, httpAddr string) (*Front, error) {
	rtsp, err := net.Listen("tcp", rtspAddr)
	if err != nil {
		return nil, fmt.Errorf("listen for RTSP: %w", err)
	}
	http, err := net.Listen("tcp", httpAddr)
	if err != nil {
		_ = rtsp.Close()
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	return &Front{RTSP: rtsp, HTTP: http, User: "vonglau", Password: rand.Text(), Token: rand.Text()}, nil
}

// Env is the value of a variable that the demo catalogue names in ${…}; the
// empty string for any other name.
func (f *Front) Env(name string) string {
	switch name {
	case "IOC_SIM_RTSP":
		return f.RTSP.Addr().String()
	case "IOC_SIM_HTTP":
		return f.HTTP.Addr().String()
	case "IOC_SIM_USER":
		return f.User
	case "IOC_SIM_PASSWORD":
		return f.Password
	case "IOC_SIM_KPI_TOKEN":
		return f.Token
	}
	return ""
}

// Close frees the addresses of a Front that no Province took over.
func (f *Front) Close() {
	_ = f.RTSP.Close()
	_ = f.HTTP.Close()
}
