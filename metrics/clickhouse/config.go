package clickhouse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// Config is the clickhouse section of the configuration.
type Config struct {
	Addr []string `yaml:"addr"` // host:port of the native protocol; the first that answers is used
	// Shards are the servers of a cluster of two shards and more, each with its
	// replicas, in the place of Addr. Stations are spread over them by their ids:
	// a database keeps the shards it was made with.
	Shards     [][]string `yaml:"shards"`
	Database   string     `yaml:"database"` // made if missing; empty: vonglau
	Username   string     `yaml:"username"`
	Password   string     `yaml:"password"`
	TLS        bool       `yaml:"tls"`
	Cluster    string     `yaml:"cluster"`     // its name on the servers; tables are replicated on it, unless no shard has replicas
	MaxThreads int        `yaml:"max_threads"` // per query; 0: the server's choice
	MaxMemory  int64      `yaml:"max_memory"`  // bytes per query; 0: the server's choice
	// Retention is how long each level is kept; without it, for ever.
	Retention *Retention `yaml:"retention"`
	// The reader is the user of the SQL door: it may read the database named
	// sql_ and the name of this one, nothing else, and change the setting
	// log_comment alone. Without it the door is shut.
	ReaderUsername string `yaml:"reader_username"`
	ReaderPassword string `yaml:"reader_password"`
	// SyncInserts has the server sync what it is given to its disk before it says
	// that it has it, where no replica has it too: on a machine whose losing its
	// power nobody here would notice.
	SyncInserts bool `yaml:"-"`

	place place // of a shard
}

const defaultDatabase = "vonglau"

// Names are put into statements, where no parameter can stand: so they are held
// to letters that need no quoting.
var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// Validate reports every fault of the section, each naming its key.
func (c *Config) Validate() error {
	var faults []error
	if len(c.Addr) == 0 && len(c.Shards) == 0 {
		faults = append(faults, errors.New("clickhouse.addr is empty: name the host:port of a server"))
	}
	for _, addr := range c.Addr {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			faults = append(faults, fmt.Errorf("clickhouse.addr %q is not a host:port", addr))
		}
	}
	faults = append(faults, c.validateShards()...)
	if c.Database != "" && !namePattern.MatchString(c.Database) {
		faults = append(faults, fmt.Errorf("clickhouse.database %q is not a name of letters, digits and _", c.Database))
	}
	if c.Cluster != "" && !namePattern.MatchString(c.Cluster) {
		faults = append(faults, fmt.Errorf("clickhouse.cluster %q is not a name of letters, digits and _", c.Cluster))
	}
	if c.MaxThreads < 0 {
		faults = append(faults, fmt.Errorf("clickhouse.max_threads %d is negative", c.MaxThreads))
	}
	if c.MaxMemory < 0 {
		faults = append(faults, fmt.Errorf("clickhouse.max_memory %d is negative", c.MaxMemory))
	}
	if c.Retention != nil {
		if err := c.Retention.validate(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// options of the driver; database may be empty, to reach a server on which it
// is not yet made.
func (c *Config) options(database string) *driver.Options {
	settings := driver.Settings{
		// Retries may come in another grouping, so a token per insert would
		// only hide rows: see the package comment.
		"insert_deduplicate": 0,
		"async_insert":       0,
		"session_timezone":   "UTC",
		// Every key holds the time that its partition is made of, so no two
		// versions of a row lie in different partitions.
		"do_not_merge_across_partitions_select_final": 1,
	}
	if c.MaxThreads > 0 {
		settings["max_threads"] = c.MaxThreads
	}
	if c.MaxMemory > 0 {
		settings["max_memory_usage"] = c.MaxMemory
	}
	if c.replicated() {
		// A recompute must see the rows that were written before it, on
		// whichever replica it runs.
		settings["insert_quorum"] = "auto"
		settings["insert_quorum_parallel"] = 0
		settings["select_sequential_consistency"] = 1
	}
	o := &driver.Options{
		Addr:         c.Addr,
		Auth:         driver.Auth{Database: database, Username: c.Username, Password: c.Password},
		Settings:     settings,
		Compression:  &driver.Compression{Method: driver.CompressionLZ4},
		DialTimeout:  10 * time.Second,
		MaxOpenConns: 12,
		MaxIdleConns: 6,
	}
	if c.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return o
}
