package replay

import (
	"errors"
	"fmt"
	"time"
)

// Config of what is kept for replay.
type Config struct {
	// Off records nothing; what was kept before can still be seen.
	Off bool `yaml:"off"`
	// Dir holds the segments; default replay under data.
	Dir string `yaml:"dir"`
	// Scopes that are recorded, by id. Default: the province and every scope of
	// the catalogue's scopes.yaml that is valid.
	Scopes []string `yaml:"scopes"`
	// Keep is how long recordings stay. Default 720h, which is 30 days.
	Keep time.Duration `yaml:"keep"`
	// MaxBytes bounds them all; the oldest go first. Default 16 GiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// MinFree is the free space in bytes of the disk below which nothing is
	// recorded. Default 2 GiB, more than the journal leaves free.
	MinFree int64 `yaml:"min_free"`
}

// Validate fills defaults and reports the first fault.
func (c *Config) Validate() error {
	if c.Keep == 0 {
		c.Keep = 30 * 24 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 16 << 30
	}
	if c.MinFree == 0 {
		c.MinFree = 2 << 30
	}
	switch {
	case c.Dir == "":
		return errors.New("replay.dir: is missing")
	case c.Keep < time.Hour:
		return fmt.Errorf("replay.keep: %s is below 1h", c.Keep)
	case c.MaxBytes < 16<<20:
		return fmt.Errorf("replay.max_bytes: %d is below 16 MiB, which is not an hour", c.MaxBytes)
	case c.MinFree < 0:
		return fmt.Errorf("replay.min_free: %d is negative", c.MinFree)
	}
	return nil
}
