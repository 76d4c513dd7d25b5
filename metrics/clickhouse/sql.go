package clickhouse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"vonglau/metrics"
)

// The SQL door lets a person send one SELECT, and holds it to the person's scope
// in the server, where no cunning of the text reaches:
//
//   - it runs as a reader that has a grant on the door's views and on nothing
//     else: no table, no table function, no dictionary, no system table;
//   - the views run with their definer's rights and filter by the rows that
//     sql_scope holds under a random token, which the query carries in the
//     setting log_comment; another token cannot be guessed and none gives no rows;
//   - the reader is read-only and may change no other setting, so that the
//     limits of its profile stay.
//
// What is refused here by its text would be refused there too; it gets a clearer
// answer.

// ErrNoDoor: the SQL door has no reader.
var ErrNoDoor = errors.New("the SQL door is shut: clickhouse.reader_username is not set")

// door is the reader's side of a store.
type door struct {
	mu     sync.Mutex // guards what follows
	conn   driver.Conn
	tokens map[uint64]token // by what they admit
}

type token struct {
	text string
	made time.Time
}

// tokenLife bounds how long a token is used; its rows live a day longer.
const tokenLife = 12 * time.Hour

// Result of a SELECT.
type Result struct {
	Columns []string
	Types   []string // as the database names them
	Rows    [][]any
}

// mostSQLRows bounds a Result; the reader's profile does too.
const mostSQLRows = 100_000

// sqlTime is beyond the time of the reader's profile, which ends first.
const sqlTime = 35 * time.Second

var (
	firstWord = regexp.MustCompile(`(?is)^\s*(select|with)\b`)
	forbidden = regexp.MustCompile(`(?i)\b(insert|alter|create|drop|attach|detach|rename|truncate|optimize|system|grant|revoke|set|use|kill|exchange|undrop|backup|restore|settings|outfile|infile|format|information_schema|explain|describe|show)\b`)
	tableCall = regexp.MustCompile(`(?i)\b(file|url|remote|remotesecure|cluster|clusterallreplicas|input|s3|hdfs|mysql|postgresql|mongodb|sqlite|odbc|jdbc|executable|merge|mergetreeindex|dictionary|view|loop|azureblobstorage|gcs|iceberg|deltalake|hudi|redis|dict[a-z]*|joinget[a-z]*|getsetting[a-z]*|getserver[a-z]*|sleep[a-z]*)\s*\(`)
)

// checkSQL refuses what is not one SELECT, naming the word at fault. Strings,
// quoted names and comments are no words.
func checkSQL(text string) error {
	bare, err := strip(text)
	if err != nil {
		return err
	}
	bare = strings.TrimRight(bare, " \t\r\n;")
	switch {
	case strings.Contains(bare, ";"):
		return badSQL("one statement at a time")
	case !firstWord.MatchString(bare):
		return badSQL("only SELECT is allowed here")
	}
	if word := forbidden.FindString(bare); word != "" {
		return badSQL("%q is not allowed here; there are the tables readings, quarters, hours and days", word)
	}
	if call := tableCall.FindString(bare); call != "" {
		return badSQL("the function %q is not allowed here", strings.TrimRight(call, "( \t\r\n"))
	}
	return nil
}

func badSQL(format string, args ...any) error {
	return bad("sql_refused", "reason", fmt.Sprintf(format, args...))
}

// strip blanks strings, quoted names and comments.
func strip(text string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		var end int
		switch {
		case strings.HasPrefix(rest, "--"):
			if end = strings.IndexByte(rest, '\n'); end < 0 {
				end = len(rest)
			}
		case strings.HasPrefix(rest, "/*"), rest[0] == '#', strings.HasPrefix(rest, "$"):
			return "", badSQL("comments other than -- and dollar quotes are not allowed here")
		case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
			for end = 1; end < len(rest) && rest[end] != rest[0]; end++ {
				if rest[end] == '\\' {
					end++
				}
			}
			if end++; end > len(rest) {
				return "", badSQL("a quote is not closed")
			}
		default:
			out.WriteByte(rest[0])
			i++
			continue
		}
		out.WriteByte(' ')
		i += end
	}
	return out.String(), nil
}

// SQL runs one SELECT over the views readings, quarters, hours and days, which
// hold what the predicate admits. A faulty text is ErrBadQuery.
func (s *Store) SQL(ctx context.Context, text string, c *metrics.Catalogue, p metrics.Predicate) (Result, error) {
	if p.Scope() == "" {
		return Result{}, outside("scope", "")
	}
	if err := checkSQL(text); err != nil {
		return Result{}, err
	}
	conn, token, err := s.admit(ctx, c, p)
	if err != nil {
		return Result{}, err
	}
	// No deadline on the context: the driver would send it as a setting, which the
	// reader may not change.
	asked := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(asked))
	defer cancel()
	defer context.AfterFunc(asked, cancel)()
	defer time.AfterFunc(sqlTime, cancel).Stop()
	rows, err := conn.Query(driver.Context(ctx, driver.WithSettings(driver.Settings{"log_comment": token})), strings.TrimRight(text, " \t\r\n;"))
	if err != nil {
		return Result{}, sqlError(err)
	}
	defer rows.Close()
	result := Result{Columns: rows.Columns(), Rows: [][]any{}}
	types := rows.ColumnTypes()
	for _, t := range types {
		result.Types = append(result.Types, t.DatabaseTypeName())
	}
	for rows.Next() {
		values := make([]any, len(types))
		for i, t := range types {
			values[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return Result{}, fmt.Errorf("read answer: %w", err)
		}
		for i := range values {
			values[i] = reflect.ValueOf(values[i]).Elem().Interface()
		}
		if result.Rows = append(result.Rows, values); len(result.Rows) > mostSQLRows {
			return Result{}, tooMany(mostSQLRows)
		}
	}
	if err := rows.Err(); err != nil {
		return Result{}, sqlError(err)
	}
	return result, nil
}

// sqlError tells the asker what the server said, which is about the text; what
// is about the server is not told.
func sqlError(err error) error {
	exception, ok := errors.AsType[*proto.Exception](err)
	switch {
	case !ok:
		return fmt.Errorf("query: %w", err)
	case exception.Code == 396:
		return tooMany(mostSQLRows)
	case exception.Code == 158, exception.Code == 307: // rows or bytes to read
		return errTooHeavy
	case exception.Code == 159, exception.Code == 160, exception.Code == 241:
		return serverError("query", err)
	case exception.Code == 497, exception.Code == 164, exception.Code == 452, exception.Code == 291:
		return badSQL("not allowed here: %s", exception.Message)
	}
	return badSQL("%s", exception.Message)
}

// admit opens the door the first time, and gives the token of what the predicate
// admits.
func (s *Store) admit(ctx context.Context, c *metrics.Catalogue, p metrics.Predicate) (driver.Conn, string, error) {
	if s.config.ReaderUsername == "" {
		return nil, "", ErrNoDoor
	}
	var ids, kinds []string
	var hash maphash.Hash
	hash.SetSeed(seed)
	put := func(kind, id string) {
		kinds, ids = append(kinds, kind), append(ids, id)
		_, _ = hash.WriteString(kind + id + "\n")
	}
	for _, id := range p.Stations() {
		put("s", id)
	}
	for _, m := range c.Metrics() {
		if p.Domain(m.Domain) {
			put("m", m.ID)
		}
	}
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	if s.door.conn == nil {
		if err := s.openDoor(ctx); err != nil {
			return nil, "", err
		}
	}
	if t, ok := s.door.tokens[hash.Sum64()]; ok && time.Since(t.made) < tokenLife {
		return s.door.conn, t.text, nil
	}
	t := token{rand.Text(), time.Now()}
	rows, err := ext.NewTable("admitted", ext.Column("kind", "String"), ext.Column("id", "String"))
	if err != nil {
		return nil, "", err
	}
	for i := range ids {
		if err := rows.Append(kinds[i], ids[i]); err != nil {
			return nil, "", fmt.Errorf("fill scope: %w", err)
		}
	}
	err = s.conn.Exec(driver.Context(ctx, driver.WithExternalTable(rows)), "INSERT INTO sql_scope (token, kind, id, at) SELECT {token:String}, kind, id, now() FROM admitted", named("token", t.text))
	if err != nil {
		return nil, "", fmt.Errorf("note scope: %w", err)
	}
	s.door.tokens[hash.Sum64()] = t
	return s.door.conn, t.text, nil
}

// doorViews are what a person sees; FINAL is in them.
var doorViews = map[string]string{
	"readings": "metric, station, observed_at, id, value, quality, received_at, revision FROM {db}.{raw}",
	"quarters": "metric, station, bucket, count, sum, min, max, first, last, last_at FROM {db}.{rollup_15m}",
	"hours":    "metric, station, bucket, count, sum, min, max, first, last, last_at FROM {db}.{rollup_1h}",
	"days":     "metric, station, bucket, count, sum, min, max, first, last, last_at FROM {db}.{rollup_day}",
}

func (s *Store) openDoor(ctx context.Context) error {
	names := []string{"{db}", s.config.Database, "{user}", s.config.Username}
	for _, table := range keptTables {
		names = append(names, "{"+table.name+"}", s.config.reading(table.name))
	}
	replace := strings.NewReplacer(names...).Replace
	statements := []string{
		"CREATE DATABASE IF NOT EXISTS sql_{db} {cluster}",
		"CREATE TABLE IF NOT EXISTS sql_scope {cluster} (token String, kind LowCardinality(String), id String, at DateTime('UTC')) ENGINE = {replacing} ORDER BY (token, kind, id) TTL at + INTERVAL 36 HOUR",
	}
	for name, body := range doorViews {
		admitted := func(kind string) string {
			return "(SELECT id FROM {db}.sql_scope WHERE token = getSetting('log_comment') AND token != '' AND kind = '" + kind + "')"
		}
		statements = append(statements, "CREATE OR REPLACE VIEW sql_{db}."+name+" {cluster} DEFINER = {user} SQL SECURITY DEFINER AS SELECT "+body+
			" FINAL WHERE metric GLOBAL IN "+admitted("m")+" AND station GLOBAL IN "+admitted("s")) // the scopes are on this server only
	}
	for _, statement := range statements {
		if err := s.conn.Exec(ctx, s.config.statement(replace(statement))); err != nil {
			return fmt.Errorf("build the SQL door: %w", err)
		}
	}
	// The reader may send no setting but its token, so that the store's own are
	// left out.
	o := s.config.options("sql_" + s.config.Database)
	o.Auth.Username, o.Auth.Password, o.Settings = s.config.ReaderUsername, s.config.ReaderPassword, nil
	o.MaxOpenConns, o.MaxIdleConns = 4, 1
	conn, err := driver.Open(o)
	if err != nil {
		return fmt.Errorf("open the SQL door: %w", err)
	}
	s.door.conn, s.door.tokens = conn, map[uint64]token{}
	return nil
}

func (d *door) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return nil
	}
	return d.conn.Close()
}
