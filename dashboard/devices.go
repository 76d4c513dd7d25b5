package dashboard

import (
	"net/http"
	"slices"

	"vonglau/dashboard/access"
	"vonglau/metrics"
)

// wholeProvince guards what concerns no scope yet: unknown devices and refused
// payloads.
func (s *Server) wholeProvince(a asker, right access.Right) error {
	if !a.Role.May(right) {
		return refuse("role", "act", "see_devices")
	}
	if !a.predicate.Unit(s.opts.Catalogue().Root()) {
		return refuse("whole_province_only")
	}
	return nil
}

// devices lists the unknown stations that wait for adoption.
func (s *Server) devices(w http.ResponseWriter, _ *http.Request, a asker) error {
	if err := s.wholeProvince(a, access.AdoptDevices); err != nil {
		return err
	}
	return reply(w, map[string]any{"devices": s.opts.Devices()})
}

// adopt makes an unknown station part of the catalogue.
func (s *Server) adopt(w http.ResponseWriter, r *http.Request, a asker) error {
	if err := s.wholeProvince(a, access.AdoptDevices); err != nil {
		return err
	}
	var body struct {
		Name    string   `json:"name"`
		Unit    string   `json:"unit"`
		Lat     float64  `json:"lat"`
		Lon     float64  `json:"lon"`
		Metrics []string `json:"metrics"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	c := s.opts.Catalogue()
	st := metrics.Station{ID: r.PathValue("id"), Name: metrics.Text{Vi: body.Name}, Unit: body.Unit, Lat: body.Lat, Lon: body.Lon, Metrics: body.Metrics}
	if st.Name.Vi == "" {
		st.Name.Vi = st.ID
	}
	if u, ok := c.Unit(st.Unit); ok && st.Lat == 0 && st.Lon == 0 {
		st.Lat, st.Lon = u.Lat, u.Lon
	}
	if _, known := c.Station(st.ID); known {
		return refuse("known_station", "station", st.ID)
	}
	if _, faults := c.With([]metrics.Station{st}); faults != nil {
		at := slices.IndexFunc(faults, func(f metrics.Fault) bool { return f.List == "stations" })
		return refuse("station_refused", "field", faults[max(at, 0)].Field, "reason", faults[max(at, 0)].Message)
	}
	if err := s.opts.Adopt(r.Context(), st); err != nil {
		return err
	}
	s.log.Info("device adopted", "station", st.ID, "unit", st.Unit, "user", a.User)
	return reply(w, st)
}

// refusals shows what the door did not take.
func (s *Server) refusals(w http.ResponseWriter, _ *http.Request, a asker) error {
	if err := s.wholeProvince(a, access.SeeRefusals); err != nil {
		return err
	}
	return reply(w, s.opts.Refusals())
}
