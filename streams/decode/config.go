package decode

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/streams"
)

// Config is the section decode of the configuration file.
type Config struct {
	Mode   string        `yaml:"mode"`   // auto (default): checks and pictures, when ffmpeg is installed; pictures: no checks; off
	FFmpeg string        `yaml:"ffmpeg"` // path of the program; empty: looked for in PATH
	Every  time.Duration `yaml:"every"`  // between two checks of one camera; default 1m, at least 10s
}

// Validate fills in defaults; its errors start with the key.
func (c *Config) Validate() error {
	switch c.Mode {
	case "":
		c.Mode = "auto"
	case "auto", "pictures", "off":
	default:
		return fmt.Errorf("decode.mode: %q is not auto, pictures or off", c.Mode)
	}
	if c.Every == 0 {
		c.Every = time.Minute
	}
	if c.Every < 10*time.Second {
		return fmt.Errorf("decode.every: %s is more often than every 10s", c.Every)
	}
	return nil
}

// Find is the path of the helper program; empty: it is off or not installed.
func (c *Config) Find() string {
	if c.Mode == "off" {
		return ""
	}
	name := c.FFmpeg
	if name == "" {
		name = "ffmpeg"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// Options of a Decoder. Program and OnLook are needed.
type Options struct {
	Program string        // path of ffmpeg
	Every   time.Duration // between two checks of one camera; 0: no checks
	// OnLook takes what a check found of a camera. Every check is told.
	OnLook     func(camera string, l streams.Look)
	Limit      time.Duration         // of one run of the helper; default 5 s
	Memory     uint64                // of the helper, in bytes; default 1 GiB
	Registerer prometheus.Registerer // may be nil

	// again is how soon a suspicion is looked at again; pause is the least rest
	// between two checks, and share how many times a check's own time the rest is at
	// least. Defaults: 10 s, 200 ms, 4. Tests shorten them.
	again, pause time.Duration
	share        int
}
