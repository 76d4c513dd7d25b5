package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"vonglau/dashboard/access"
)

// pages serves the built pages. A page that needs a session sends whoever has
// none to the login and back.
func (s *Server) pages() {
	files := packPages(s.opts.Pages)
	s.mux.Handle("GET /assets/", assets(files, http.FileServerFS(s.opts.Pages)))
	show := func(w http.ResponseWriter, r *http.Request, status int) {
		page, ok := files()["index.html"]
		if !ok {
			s.problem(w, r, notFound("the pages are not built: run make build"))
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		page.send(w, r, status)
	}
	index := func(w http.ResponseWriter, r *http.Request) { show(w, r, http.StatusOK) }
	s.mux.HandleFunc("GET /login", index)
	s.mux.HandleFunc("GET /wall", index) // without a session it shows a pairing code: nobody signs in at a wall
	for _, pattern := range []string{"GET /district", "GET /district/{scope}", "GET /explore", "GET /replay", "GET /devices"} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if p, _, ok := s.principal(r, time.Now()); !ok || p.Role == access.Screen {
				http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
				return
			}
			index(w, r)
		})
	}
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		p, _, ok := s.principal(r, time.Now())
		http.Redirect(w, r, home(p, ok), http.StatusSeeOther)
	})
	s.mux.HandleFunc("GET /{file}", func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("file"); strings.Contains(name, ".") && name != "index.html" {
			http.ServeFileFS(w, r, s.opts.Pages, name) // favicon and its like
			return
		}
		if strings.Contains(r.Header.Get("Accept"), "text/html") { // somebody at a browser: the pages say it in words
			show(w, r, http.StatusNotFound)
			return
		}
		s.problem(w, r, refuse("not_found"))
	})
}

func home(p access.Principal, signedIn bool) string {
	switch {
	case !signedIn:
		return "/login"
	case p.Role == access.Duty || p.Role == access.District:
		return "/district/" + p.Scope
	case p.Role == access.Analyst:
		return "/explore"
	case p.Role == access.Operator:
		return "/devices"
	}
	return "/wall"
}

// assets have the hash of their content in their names. Part of one (Range) and
// what is not packed are the file server's.
func assets(files func() map[string]packed, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		if file, ok := files()[strings.TrimPrefix(r.URL.Path, "/")]; ok && r.Header.Get("Range") == "" {
			file.send(w, r, http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}
