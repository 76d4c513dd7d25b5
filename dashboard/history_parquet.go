package dashboard

import (
	"io"

	"github.com/parquet-go/parquet-go"
)

// tableRow is a row of a Parquet file. Times are UTC; names repeat and so are
// kept as a dictionary.
type tableRow struct {
	Metric   string   `parquet:"metric,dict"`
	Symbol   string   `parquet:"unit_of_measure,dict"`
	Key      string   `parquet:"key,dict"`
	Name     string   `parquet:"name,dict"`
	At       int64    `parquet:"at,timestamp(millisecond),delta"`
	Value    *float64 `parquet:"value,optional"`
	Readings uint64   `parquet:"readings"`
	Expected *uint64  `parquet:"expected,optional"`
	Base     *float64 `parquet:"base,optional"`

	Change        *float64 `parquet:"change,optional"`
	ChangePercent *float64 `parquet:"change_percent,optional"`

	Stations          *uint64  `parquet:"stations,optional"`
	Of                *uint64  `parquet:"of,optional"`
	Published         *float64 `parquet:"published,optional"`
	PublishedStations *uint32  `parquet:"published_stations,optional"`
	PublishedOf       *uint32  `parquet:"published_of,optional"`
	Revision          *uint32  `parquet:"revision,optional"`
	PublishedAt       *int64   `parquet:"published_at,optional,timestamp(millisecond)"`
	Difference        *float64 `parquet:"difference,optional"`
	DifferencePercent *float64 `parquet:"difference_percent,optional"`
}

// tableGroup bounds the rows that are held in memory, encoded, before they are
// written as a row group; what the file's end says of each group is held until
// then. The first group is small, because nothing of a group leaves before its
// last row.
const firstGroup, tableGroup = 1000, 100_000

// tableFile is a Parquet file, written row group by row group.
type tableFile struct {
	out  *parquet.GenericWriter[tableRow]
	rows []tableRow
	n    int // in the present row group
	most int // rows of it
}

func newTableFile(w io.Writer) *tableFile {
	// Unbuffered: the connection has a buffer that is flushed.
	return &tableFile{out: parquet.NewGenericWriter[tableRow](w, parquet.Compression(&parquet.Snappy), parquet.WriteBufferSize(0)), most: firstGroup}
}

func (f *tableFile) write(r *record) error {
	p := r.point
	row := tableRow{Metric: r.metric.ID, Symbol: r.metric.Symbol, Key: r.key, Name: r.name, At: int64(p.At), Readings: p.N}
	if !p.Null {
		row.Value = &p.Value
	}
	if p.M > 0 {
		row.Expected = &p.M
	}
	if p.HasBase {
		row.Base = &p.Base
	}
	row.Change, row.ChangePercent = changeOf(p.Change())
	row.Difference, row.DifferencePercent = changeOf(since(&p))
	if p.Of > 0 {
		row.Stations, row.Of = &p.Stations, &p.Of
	}
	if was := p.Published; was != nil {
		at := int64(was.At)
		row.PublishedStations, row.PublishedOf, row.Revision, row.PublishedAt = &was.N, &was.M, &was.Revision, &at
		if !was.Null {
			row.Published = &was.Value
		}
	}
	if f.rows = append(f.rows, row); len(f.rows) < firstGroup {
		return nil
	}
	return f.flush()
}

// changeOf leaves out what is not.
func changeOf(difference, percent float64, percentOK, ok bool) (d, p *float64) {
	if ok {
		d = &difference
	}
	if percentOK {
		p = &percent
	}
	return d, p
}

func (f *tableFile) flush() error {
	n, err := f.out.Write(f.rows)
	f.rows = f.rows[:0]
	if f.n += n; err != nil || f.n < f.most {
		return err
	}
	f.n, f.most = 0, tableGroup
	return f.out.Flush()
}

func (f *tableFile) close() error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.out.Close()
}
