package dashboard

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// sheetRows is how many rows a sheet of Excel holds; more go to the next one.
const sheetRows = 1_048_576

// sheetFile is an XLSX workbook (ECMA-376), written as a stream: sheets first,
// and the parts that list them at the end. Libraries for the format collect a
// sheet before its first byte leaves.
type sheetFile struct {
	zip    *zip.Writer
	sheet  *bufio.Writer // of the sheet that is open
	names  []string
	sheets int
	row    int // in the sheet, from 1

	compared, published bool
}

func newSheetFile(w io.Writer, q clickhouse.Query) (*sheetFile, error) {
	f := &sheetFile{zip: zip.NewWriter(w), names: namesOf(q), compared: q.Compare != "", published: q.Published != 0}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, f.zip.Flush() // so that the reader sees the beginning
}

const sheetHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols><col min="1" max="1" width="28" customWidth="1"/><col min="2" max="3" width="14" customWidth="1"/><col min="4" max="4" width="32" customWidth="1"/><col min="5" max="5" width="20" customWidth="1"/><col min="6" max="20" width="16" customWidth="1"/></cols><sheetData>`

// Styles of a cell, by their place in sheetStyles.
const (
	stylePlain = iota
	styleTime
	styleHead
)

const sheetStyles = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="dd/mm/yyyy\ hh:mm:ss"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf xfId="0"/><xf xfId="0" numFmtId="164" applyNumberFormat="1"/><xf xfId="0" fontId="1" applyFont="1"/></cellXfs></styleSheet>`

// open begins the next sheet with its head row.
func (f *sheetFile) open() error {
	f.sheets++
	f.row = 0
	entry, err := f.zip.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", f.sheets))
	if err != nil {
		return err
	}
	f.sheet = bufio.NewWriterSize(entry, 32<<10)
	f.put(sheetHead)
	f.begin()
	for _, name := range f.names {
		f.text(name, styleHead)
	}
	return f.end()
}

func (f *sheetFile) begin() {
	f.row++
	f.put(`<row r="` + strconv.Itoa(f.row) + `">`)
}

func (f *sheetFile) end() error {
	_, err := f.sheet.WriteString("</row>") // a bufio.Writer remembers its first error
	return err
}

func (f *sheetFile) put(s string) { _, _ = f.sheet.WriteString(s) }

func (f *sheetFile) text(s string, style int) {
	f.put(`<c t="inlineStr" s="` + strconv.Itoa(style) + `"><is><t xml:space="preserve">`)
	_ = xml.EscapeText(f.sheet, []byte(s))
	f.put(`</t></is></c>`)
}

func (f *sheetFile) number(v float64, known bool, style int) {
	if !known {
		f.put("<c/>")
		return
	}
	f.put(`<c s="` + strconv.Itoa(style) + `"><v>`)
	_, _ = f.sheet.Write(strconv.AppendFloat(f.sheet.AvailableBuffer(), v, 'g', -1, 64))
	f.put(`</v></c>`)
}

// sheetEpoch is day 0 of a sheet's clock, which knows no zones: it is given
// civil time.
var sheetEpoch = time.Date(1899, 12, 30, 0, 0, 0, 0, metrics.Civil)

func (f *sheetFile) write(r *record) error {
	if f.row == sheetRows {
		if err := f.shut(); err != nil {
			return err
		}
		if err := f.open(); err != nil {
			return err
		}
	}
	p := &r.point
	f.begin()
	f.text(r.metric.Name.Vi, stylePlain)
	f.text(r.metric.Symbol, stylePlain)
	f.text(r.key, stylePlain)
	f.text(r.name, stylePlain)
	f.number(float64(p.At-metrics.MillisOf(sheetEpoch))/86_400_000, true, styleTime)
	f.number(p.Value, !p.Null, stylePlain)
	f.number(float64(p.N), true, stylePlain)
	f.number(float64(p.M), p.M > 0, stylePlain)
	if f.compared {
		difference, percent, percentOK, ok := p.Change()
		f.number(p.Base, p.HasBase, stylePlain)
		f.number(difference, ok, stylePlain)
		f.number(percent, percentOK, stylePlain)
	}
	if f.published {
		f.publishedCells(p)
	}
	return f.end()
}

func (f *sheetFile) publishedCells(p *clickhouse.Point) {
	f.number(float64(p.Stations), true, stylePlain)
	f.number(float64(p.Of), p.Of > 0, stylePlain)
	was := p.Published
	if was == nil {
		was = &clickhouse.Published{Null: true}
	}
	f.number(was.Value, !was.Null, stylePlain)
	f.number(float64(was.N), p.Published != nil, stylePlain)
	f.number(float64(was.M), was.M > 0, stylePlain)
	f.number(float64(was.Revision), p.Published != nil, stylePlain)
	f.number(float64(was.At-metrics.MillisOf(sheetEpoch))/86_400_000, p.Published != nil, styleTime)
	difference, percent, percentOK, ok := since(p)
	f.number(difference, ok, stylePlain)
	f.number(percent, percentOK, stylePlain)
}

// shut ends the sheet.
func (f *sheetFile) shut() error {
	f.put("</sheetData></worksheet>")
	return f.sheet.Flush()
}

func (f *sheetFile) close() error {
	if err := f.shut(); err != nil {
		return err
	}
	const head = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	const rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	const packageRel = "http://schemas.openxmlformats.org/package/2006/relationships"
	types := `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>`
	book, rels := "", ""
	for i := 1; i <= f.sheets; i++ {
		types += fmt.Sprintf(`<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`, i)
		book += fmt.Sprintf(`<sheet name="Số liệu %d" sheetId="%d" r:id="rId%d"/>`, i, i, i)
		rels += fmt.Sprintf(`<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, i, rel, i)
	}
	rels += fmt.Sprintf(`<Relationship Id="rId%d" Type="%s/styles" Target="styles.xml"/>`, f.sheets+1, rel)
	for _, part := range []struct{ name, content string }{
		{"xl/styles.xml", sheetStyles},
		{"xl/workbook.xml", head + `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="` + rel + `"><sheets>` + book + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", head + `<Relationships xmlns="` + packageRel + `">` + rels + `</Relationships>`},
		{"_rels/.rels", head + `<Relationships xmlns="` + packageRel + `"><Relationship Id="rId1" Type="` + rel + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"[Content_Types].xml", head + types + `</Types>`},
	} {
		w, err := f.zip.Create(part.name)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, part.content); err != nil {
			return err
		}
	}
	return f.zip.Close()
}
