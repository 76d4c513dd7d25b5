package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// migrate runs what the database has not yet seen. Two processes may do it at
// the same time: every statement can be run twice, and the table of migrations
// keeps one row per number.
func (s *Store) migrate(ctx context.Context) error { return s.migrateTo(ctx, len(migrations)) }

func (s *Store) migrateTo(ctx context.Context, last int) error {
	err := s.conn.Exec(ctx, s.config.statement(`
CREATE TABLE IF NOT EXISTS migrations {cluster}
(number UInt32, name String, at DateTime64(3, 'UTC'))
ENGINE = {replacing}(at) ORDER BY number`))
	if err != nil {
		return fmt.Errorf("make table of migrations: %w", err)
	}
	var done uint32
	if err := s.conn.QueryRow(ctx, "SELECT max(number) FROM migrations").Scan(&done); err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if int(done) > len(migrations) {
		return fmt.Errorf("database %s is at migration %d and this program knows %d: it was written by a newer version",
			s.config.Database, done, len(migrations))
	}
	for i := int(done); i < last; i++ {
		m := migrations[i]
		for _, statement := range m.statements {
			if err := s.conn.Exec(ctx, s.config.statement(statement)); err != nil {
				return fmt.Errorf("migration %d (%s): %w", i+1, m.name, err)
			}
		}
		err := s.conn.Exec(ctx, "INSERT INTO migrations SELECT {number:UInt32}, {name:String}, {at:DateTime64(3, 'UTC')}",
			named("number", i+1), named("name", m.name), named("at", time.Now().UTC().Format("2006-01-02 15:04:05.000")))
		if err != nil {
			return fmt.Errorf("note migration %d: %w", i+1, err)
		}
		s.log.Info("schema migrated", "number", i+1, "name", m.name, "database", s.config.Database)
	}
	return nil
}

// makeDictionary is no migration: it holds the credentials of this start, under
// which the server reads the table from itself. Its ranges include their last
// day, the table's end before it.
func (s *Store) makeDictionary(ctx context.Context) error {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace
	err := s.conn.Exec(ctx, s.config.statement(fmt.Sprintf(`
CREATE OR REPLACE DICTIONARY unit_of {cluster}
(station String, unit String, valid_from Date32, valid_to Date32)
PRIMARY KEY station
SOURCE(CLICKHOUSE(USER '%s' PASSWORD '%s' DB '%s' QUERY 'SELECT station, unit, valid_from, valid_to - 1 AS valid_to FROM %s.station_units AS m FINAL WHERE m.valid_from < m.valid_to'))
LAYOUT(COMPLEX_KEY_RANGE_HASHED())
RANGE(MIN valid_from MAX valid_to)
LIFETIME(0)`, quote(s.config.Username), quote(s.config.Password), s.config.Database, s.config.Database)))
	if err != nil {
		return fmt.Errorf("make dictionary of units: %w", err)
	}
	return nil
}

// syncInserts is no migration: it depends on where the server is.
func (s *Store) syncInserts(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'ReplacingMergeTree' AND engine_full NOT LIKE '%fsync_after_insert = 1%'",
		named("database", s.config.Database))
	if err != nil {
		return err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return err
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, table := range tables {
		if err := s.conn.Exec(ctx, "ALTER TABLE "+table+" MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1"); err != nil {
			return fmt.Errorf("sync inserts of %s: %w", table, err)
		}
	}
	return nil
}
