package province

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml"

	"vonglau/metrics"
)

// LoadCatalogue reads the five lists that the simulator needs (units, metrics,
// stations, cameras, scopes) from a catalogue folder. ${NAME} is expanded by
// the given function; nil leaves nothing in its place. It is deliberately small
// and strict: the product's own loader reports every fault with its line, this
// one only has to refuse.
func LoadCatalogue(folder fs.FS, expand func(name string) string) (*metrics.Catalogue, error) {
	if expand == nil {
		expand = func(string) string { return "" }
	}
	var src metrics.Source
	for file, list := range map[string]any{
		"units.yaml": &src.Units, "metrics.yaml": &src.Metrics, "stations.yaml": &src.Stations,
		"cameras.yaml": &src.Cameras, "scopes.yaml": &src.Scopes,
	} {
		raw, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalWithOptions([]byte(os.Expand(string(raw), expand)), list, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	catalogue, faults := metrics.NewCatalogue(src)
	if len(faults) > 0 {
		errs := make([]error, len(faults))
		for i, f := range faults {
			errs[i] = errors.New(f.String())
		}
		return nil, errors.Join(errs...)
	}
	return catalogue, nil
}
