package clickhouse

import (
	"fmt"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// Only what the server says of rows sets them aside: a connection that brings
// something unexpected would else cost whatever was being inserted.
func TestOnlyTheServerRefusesRows(t *testing.T) {
	for err, want := range map[error]bool{
		&proto.Exception{Code: 469}: true,  // VIOLATED_CONSTRAINT
		&proto.Exception{Code: 241}: false, // memory
		&driver.OpError{Op: "process", Err: fmt.Errorf("unexpected packet 7")}: false,
	} {
		if got := isContent(fmt.Errorf("insert: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
