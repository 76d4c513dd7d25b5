package province

import (
	"net/http"
	"time"
)

// control adds the handles for people who show the product:
//
//	POST /sim/cameras/{id}/{freeze|dark|cut|stall|refuse|loss|ok}
//	POST /sim/stations/{id}/{silence|ok}
//	POST /sim/systems/{id}/{html|error|slow|ok}
//	GET  /sim
func (p *Province) control(mux *http.ServeMux) {
	done := func(w http.ResponseWriter, err error) {
		if err != nil {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	mux.HandleFunc("POST /sim/cameras/{id}/{mode}", func(w http.ResponseWriter, r *http.Request) {
		done(w, p.Cameras.Set(r.PathValue("id"), CameraMode(r.PathValue("mode"))))
	})
	mux.HandleFunc("POST /sim/systems/{id}/{mode}", func(w http.ResponseWriter, r *http.Request) {
		done(w, p.Systems.Set(r.PathValue("id"), r.PathValue("mode")))
	})
	mux.HandleFunc("POST /sim/stations/{id}/{mode}", func(w http.ResponseWriter, r *http.Request) {
		mode := r.PathValue("mode")
		if p.Sensors == nil || (mode != "silence" && mode != "ok") {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "a station can be set to silence or ok, when there is a broker"})
			return
		}
		done(w, p.Sensors.Silence(r.PathValue("id"), mode == "silence"))
	})
	mux.HandleFunc("GET /sim", func(w http.ResponseWriter, _ *http.Request) {
		status := map[string]any{
			"seed": p.options.Seed, "speed": p.tale.speed, "story": !p.options.Quiet,
			"began": p.began.UTC().Format(time.RFC3339), "rtsp": p.RTSPAddr(), "http": p.HTTPAddr(),
			"cameras": p.Cameras.Modes(),
		}
		if p.Sensors != nil {
			status["published"] = p.Sensors.Sent()
			status["silenced"] = p.Sensors.Silenced()
		}
		writeJSON(w, http.StatusOK, status)
	})
}
