package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"vonglau/metrics"
)

const camerasUsage = `ioc cameras import -config FILE list.csv
  prints the cameras of a CSV file as lines for cameras.yaml; its first line names the columns:
  id name_vi name_en kind unit lat lon url sub_url username password transport recorder
  password and username are written as ${NAME}: secrets do not stand in a catalogue`

// camerasCommand is about the registry of cameras.
func camerasCommand(_ context.Context, args []string) error {
	if len(args) == 0 || args[0] != "import" {
		return errors.New(camerasUsage)
	}
	var file string
	rest := args[1:]
	if n := len(rest); n > 0 && !strings.HasPrefix(rest[n-1], "-") {
		file, rest = rest[n-1], rest[:n-1]
	}
	cfg, err := load("cameras import", rest)
	if err != nil {
		return err
	}
	if file == "" || slices.Contains(rest, "-h") {
		return errors.New(camerasUsage)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines, faults := importCameras(f, cfg.Catalogue)
	if len(faults) > 0 {
		for _, fault := range faults {
			fmt.Fprintf(os.Stderr, "%s:%s\n", file, fault)
		}
		fmt.Fprintf(os.Stderr, "%d fault(s)\n", len(faults))
		return errTold
	}
	for _, line := range lines {
		fmt.Println(line)
	}
	return nil
}

// importCameras reads a list of cameras and checks it against the catalogue that
// it is to be added to. Faults are "LINE: message" and never repeat a secret.
func importCameras(r io.Reader, into *metrics.Catalogue) (lines, faults []string) {
	table := csv.NewReader(r)
	table.TrimLeadingSpace = true
	columns, err := table.Read()
	if err != nil {
		return nil, []string{fmt.Sprintf("1: no line of column names: %v", err)}
	}
	var cam metrics.Camera
	var fault func(format string, args ...any)
	number := func(column string, to *float64) func(string) {
		return func(text string) {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				fault("%s: %q is not a number of degrees", column, text)
			}
			*to = value
		}
	}
	word := func(to *string) func(string) { return func(text string) { *to = text } }
	secret := func(column string, to *string) func(string) {
		return func(text string) {
			if text != "" && (!strings.HasPrefix(text, "${") || !strings.HasSuffix(text, "}")) {
				fault("%s: must be written as ${NAME}, and the value be given by the environment", column)
			}
			*to = text
		}
	}
	known := map[string]func(string){
		"id": word(&cam.ID), "name_vi": word(&cam.Name.Vi), "name_en": word(&cam.Name.En), "kind": word(&cam.Kind), "unit": word(&cam.Unit),
		"lat": number("lat", &cam.Lat), "lon": number("lon", &cam.Lon), "url": word(&cam.URL), "sub_url": word(&cam.SubURL),
		"username": secret("username", &cam.Username), "password": secret("password", &cam.Password),
		"transport": word(&cam.Transport), "recorder": word(&cam.Recorder),
	}
	for i, c := range columns {
		columns[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(c, "\ufeff"))) // spreadsheets mark their files
		if known[columns[i]] == nil {
			faults = append(faults, fmt.Sprintf("1: there is no column %q", c))
		}
	}
	if faults != nil {
		return nil, faults
	}
	source := into.Source()
	source.Cameras = slices.Clone(source.Cameras)
	first := len(source.Cameras)
	var at []int // the line of each camera
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := table.FieldPos(0)
		fault = func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%d: ", line)+fmt.Sprintf(format, args...))
		}
		if err != nil {
			if parse, ok := errors.AsType[*csv.ParseError](err); ok {
				line = parse.Line
				err = parse.Err
			}
			fault("%v", err)
			break
		}
		cam = metrics.Camera{}
		for i, text := range row {
			known[columns[i]](strings.TrimSpace(text))
		}
		source.Cameras, at = append(source.Cameras, cam), append(at, line)
		lines = append(lines, catalogueLine(cam))
	}
	_, wrong := metrics.NewCatalogue(source)
	for _, f := range wrong {
		if f.List == "cameras" && f.Index >= first {
			faults = append(faults, fmt.Sprintf("%d: %s: %s", at[f.Index-first], f.Field, f.Message))
		}
	}
	return lines, faults
}

func catalogueLine(cam metrics.Camera) string {
	line := fmt.Sprintf("- {id: %s, name: {vi: %s, en: %s}, kind: %s, unit: %q, lat: %v, lon: %v, url: %s",
		quoted(cam.ID), quoted(cam.Name.Vi), quoted(cam.Name.En), quoted(cam.Kind), cam.Unit, cam.Lat, cam.Lon, quoted(cam.URL))
	for _, field := range []struct{ name, value string }{
		{"sub_url", cam.SubURL}, {"username", cam.Username}, {"password", cam.Password}, {"transport", cam.Transport}, {"recorder", cam.Recorder},
	} {
		if field.value != "" {
			line += ", " + field.name + ": " + quoted(field.value)
		}
	}
	return line + "}"
}

// quoted is text as YAML reads it back, letters of any language as they are.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(text) + `"`
}

// wants takes a flag of no value out of arguments.
func wants(args []string, name string) ([]string, bool) {
	rest := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-"+name || a == "--"+name })
	return rest, len(rest) < len(args)
}
