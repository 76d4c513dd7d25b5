package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// listCursors prints a line for each cursor: whose it is, where it stands, and
// what is kept for it.
func listCursors(ctx context.Context, j *journal.Journal) error {
	list, err := j.Cursors(ctx)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "CURSOR\tPROGRAM\tLOG\tSTANDS AT\tBLOCKS BEHIND\tABOUT\tLAST MOVED (UTC+7)")
	for i := range list {
		c := &list[i]
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", c.Name, ownerOf(c), c.Log, c.Seq, c.Behind, sizeText(c.Bytes), c.Moved.In(metrics.Civil).Format(time.DateTime))
	}
	return out.Flush()
}

// ownerOf names the program that a cursor belongs to, or the one that has used a
// shared cursor last, and says when it holds it now.
func ownerOf(c *journal.CursorState) string {
	owner := cmp.Or(c.Holder, c.By)
	if _, part, own := strings.Cut(c.Name, "/"); own {
		if name, err := base64.RawURLEncoding.DecodeString(part); err == nil { // see keyPart
			owner = string(name)
		}
	}
	owner = cmp.Or(owner, "?")
	if c.Holder != "" {
		owner += " (holds it)"
	}
	return owner
}

func sizeText(bytes uint64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprint(bytes, " B")
	}
	v, i := float64(bytes)/unit, 0
	for ; v >= unit && i < 3; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %s", v, []string{"KiB", "MiB", "GiB", "TiB"}[i])
}

// retireCursor takes a cursor away, after a yes on in unless it was given.
func retireCursor(ctx context.Context, j *journal.Journal, name string, yes bool, in io.Reader) error {
	if name == "" {
		return errors.New("which cursor? ioc journal retire NAME -config FILE; ioc journal cursors lists them")
	}
	if !yes {
		fmt.Printf("What the journal keeps for %s alone will be purged, and the program that had it never gets that again.\nTake it away? yes or no: ", name)
		if answer, _ := bufio.NewReader(in).ReadString('\n'); strings.TrimSpace(answer) != "yes" {
			return errors.New("nothing was changed (-yes spares the question)")
		}
	}
	if err := j.Retire(ctx, name); err != nil {
		return err
	}
	fmt.Printf("%s is gone; what was kept for it alone goes within a minute of a centre's running\n", name)
	return nil
}
