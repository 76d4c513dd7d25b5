package dashboard

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/dashboard/access"
	"vonglau/dashboard/hub"
	"vonglau/dashboard/screen"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/metrics/clickhouse"
	"vonglau/metrics/live"
	"vonglau/streams/video"
)

// Camera is what the dashboard is told about a camera's health.
type Camera struct {
	State  string
	Since  time.Time
	Why    metrics.Text
	FPS    float64
	Kbps   float64
	Loss   float64
	KeyAt  time.Time // zero: none yet
	SeenAt time.Time
}

// Refused is the refusal of one reading of a push.
type Refused struct {
	Index int `json:"index"`
	*metrics.Refusal
}

// Health is how the stages behind the dashboard fare.
type Health struct {
	LiveAge    time.Duration // since the newest block was applied to the live values
	JournalLag time.Duration // from that block's being durable to its being applied
	StoreLag   time.Duration // oldest reading that is not in the database yet
	StoreUp    bool
	Held       string // why nothing can be made durable, or ""
}

// Options are the dashboard's parts and the stages behind it, as func values.
type Options struct {
	Catalogue func() *metrics.Catalogue
	Live      *live.Engine
	Alarms    *alarm.Book
	Hub       *hub.Hub
	Access    *access.Access
	Video     *video.Hub
	Pages     fs.FS

	// Act appends a person's act on an alarm and returns when it is durable.
	Act func(context.Context, alarm.Act) error
	// Push makes readings durable and says what it refused.
	Push func(context.Context, []metrics.Reading) (taken int, refused []Refused, err error)
	// Message is Push for one payload in the form that its topic is mapped in; may
	// says whose stations the sender may speak for.
	Message func(ctx context.Context, topic string, body []byte, may func(station string) bool) (taken int, refused []*metrics.Refusal, err error)
	// History asks the database.
	History func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate) (clickhouse.Answer, error)
	// Stream is History that hands over series by series.
	Stream func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate, func(clickhouse.Series) error) (clickhouse.Answer, error)
	// SQL runs one SELECT within a predicate; nil: there is no SQL door.
	SQL func(context.Context, string, *metrics.Catalogue, metrics.Predicate) (clickhouse.Result, error)
	// Publish publishes the figures of a report period and returns when readers see
	// them; same is how many stand as published already. Revisions lists what was
	// published of a query's series.
	Publish   func(context.Context, clickhouse.Publish, *metrics.Catalogue, metrics.Predicate) (pub metrics.Publication, same int, err error)
	Revisions func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate) ([]clickhouse.Revision, error)
	// Camera is the present health of a camera.
	Camera func(id string) (Camera, bool)
	// JPEG is a camera's newest keyframe as a JPEG and when it came, or
	// ErrNoPicture; nil: this program decodes no pictures.
	JPEG func(ctx context.Context, id string) (jpeg []byte, at time.Time, err error)
	// Evidence is what is kept with an alarm and EvidencePicture is one picture of
	// it; nil: none are kept.
	Evidence        func(alarm string) (video.Kept, error)
	EvidencePicture func(alarm string, n int) (video.Piece, []byte, error)
	// Devices are the unknown stations, and Adopt makes one known.
	Devices func() any
	Adopt   func(context.Context, metrics.Station) error
	// Refusals are the counts and the newest of what the door refused.
	Refusals func() any
	Health   func() Health
	// Map is the province's outline and official unit shapes, as JSON; nil: none.
	Map []byte

	// Walls are the paired screens; Layouts is what they may show, the first the
	// usual one. Contacts and Checklists are for the duty desk. What is not given
	// of these and of the two below stays in memory.
	Walls      *access.Walls
	Layouts    []screen.Layout
	Contacts   []screen.Contact
	Checklists []screen.Checklist
	Replays    *Replays // nil: there are none
	Views      Kept     // saved questions of the analyst's desk
	Handovers  Kept

	SecureCookie bool // behind HTTPS
	Log          *slog.Logger
	Registerer   prometheus.Registerer
}

// Server answers HTTP and feeds the hub. Safe for concurrent use.
type Server struct {
	opts Options
	log  *slog.Logger
	tel  *telemetry
	mux  *http.ServeMux
	feed *feed
	keys idempotency

	tiles pages

	failures failureLog
	gate     *gate
	shapes   func() packed // Options.Map

	standings *standings

	pairings *access.Pairings
	screens  *screens

	mu         sync.Mutex // guards predicates and marks
	predicates map[string]metrics.Predicate
	marks      map[string][]byte  // of what is recorded, made from predicates
	of         *metrics.Catalogue // that predicates were made from
	on         metrics.Date
}

// New makes the server. Run must be running for live topics to move.
func New(opts Options) *Server {
	opts.fill()
	s := &Server{opts: opts, pairings: access.NewPairings(opts.Walls), screens: &screens{seen: map[string]*seenWall{}}, log: opts.Log.With("component", "dashboard"), tel: newTelemetry(opts.Registerer), mux: http.NewServeMux(), predicates: map[string]metrics.Predicate{}, marks: map[string][]byte{}, gate: newGate(), standings: newStandings()}
	s.shapes = sync.OnceValue(func() packed { return pack("application/json", opts.Map) })
	s.feed = newFeed(s)
	s.routes()
	return s
}

// fill gives what was not given.
func (o *Options) fill() {
	if o.Walls == nil {
		o.Walls, _ = access.NewWalls(context.Background(), newMemory()) // memory does not fail
	}
	if len(o.Layouts) == 0 {
		o.Layouts = []screen.Layout{screen.Default(o.Catalogue())}
	}
	if o.Contacts == nil {
		o.Contacts = []screen.Contact{}
	}
	if o.Checklists == nil {
		o.Checklists = []screen.Checklist{}
	}
	if o.Views == nil {
		o.Views = newMemory()
	}
	if o.Handovers == nil {
		o.Handovers = newMemory()
	}
}

// Run feeds the live topics, and ends what is over, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var behind sync.WaitGroup
	defer behind.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	behind.Go(func() { s.sweep(ctx) })
	return s.feed.run(ctx)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'")
	s.mux.ServeHTTP(w, r)
}

func (s *Server) routes() {
	api := func(pattern string, handle func(http.ResponseWriter, *http.Request, asker) error) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.authenticated(w, r, pattern, handle) })
	}
	s.mux.HandleFunc("POST /api/v1/session", s.signIn)
	s.mux.HandleFunc("DELETE /api/v1/session", s.signOut)
	s.mux.HandleFunc("GET /api/v1/openapi.json", openAPI)
	api("GET /api/v1/me", s.me)
	api("GET /api/v1/units", s.units)
	api("GET /api/v1/map", s.mapShapes)
	api("GET /api/v1/metrics", s.metrics)
	api("GET /api/v1/stations", s.topicList("stations"))
	api("GET /api/v1/cameras", s.topicList("cameras"))
	api("GET /api/v1/kpis", s.topicList("kpis"))
	api("GET /api/v1/alarms", s.topicList("alarms"))
	api("GET /api/v1/overview", s.topicList("overview"))
	api("POST /api/v1/alarms/{id}/{verb}", s.actOnAlarm)
	api("GET /api/v1/alarms/{id}/evidence", s.evidenceList)
	api("GET /api/v1/alarms/{id}/evidence/{n}", s.evidencePiece)
	api("GET /api/v1/devices", s.devices)
	api("POST /api/v1/devices/{id}/adopt", s.adopt)
	api("GET /api/v1/refusals", s.refusals)
	api("POST /api/v1/readings", s.push)
	api("POST /api/v1/messages/{topic...}", s.message)
	api("GET /api/v1/history", s.history)
	api("GET /api/v1/periods", s.periods)
	api("GET /api/v1/publications", s.publications)
	api("POST /api/v1/publications", s.publish)
	api("POST /api/v1/sql", s.sql)
	api("GET /api/v1/cameras/{id}/picture", s.picture)
	api("GET /api/v1/cameras/{id}/video", s.video)
	api("GET /api/v1/tiles", s.tilesSocket)
	api("GET /api/v1/live", s.liveSocket)
	api("GET /api/v1/replay", s.replays)
	api("GET /api/v1/replay/live", s.replaySocket)
	s.mux.HandleFunc("POST /api/v1/pairings", s.openPairing)
	s.mux.HandleFunc("GET /api/v1/pairings/{code}", s.claimPairing)
	api("POST /api/v1/pairings/{code}/approve", s.approvePairing)
	api("GET /api/v1/walls", s.walls)
	api("DELETE /api/v1/walls/{id}", s.revokeWall)
	api("POST /api/v1/walls/me/report", s.reportWall)
	api("GET /api/v1/layouts", s.layouts)
	api("GET /api/v1/ranking", s.ranking)
	api("GET /api/v1/contacts", s.contacts)
	api("GET /api/v1/handovers", s.handovers)
	api("POST /api/v1/handovers", s.handOver)
	api("GET /api/v1/views", s.savedViews)
	api("POST /api/v1/views", s.saveView)
	api("DELETE /api/v1/views/{id}", s.deleteView)
	s.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, refuse("no_such_address"))
	})
	s.pages()
}

// asker is an authenticated caller and what it may see.
type asker struct {
	access.Principal
	predicate metrics.Predicate
	key       string // under which access keeps what is asked by
}

// authenticated runs an API handler for whoever holds a session; nobody else
// gets further than here.
func (s *Server) authenticated(w http.ResponseWriter, r *http.Request, pattern string, handle func(http.ResponseWriter, *http.Request, asker) error) {
	start := time.Now()
	principal, key, ok := s.principal(r, start)
	if !ok {
		s.problem(w, r, refuse("sign_in_first"))
		return
	}
	if principal.Role == access.Screen && !wallRoutes[pattern] {
		s.problem(w, r, refuse("wall_only_looks", "route", pattern))
		return
	}
	predicate, err := s.predicate(principal.Scope)
	if err != nil {
		s.problem(w, r, refuse("no_scope", "scope", principal.Scope))
		return
	}
	if err := handle(w, r, asker{principal, predicate, key}); err != nil {
		s.problem(w, r, err)
	}
	s.tel.requests.WithLabelValues(pattern).Observe(time.Since(start).Seconds())
}

// predicate resolves a scope today, once for each scope, day and catalogue.
func (s *Server) predicate(scope string) (metrics.Predicate, error) {
	c, on := s.opts.Catalogue(), metrics.DateOf(time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of != c || s.on != on {
		clear(s.predicates)
		clear(s.marks)
		s.of, s.on = c, on
	}
	if p, ok := s.predicates[scope]; ok {
		return p, nil
	}
	p, err := c.Predicate(scope, on)
	if err == nil {
		s.predicates[scope] = p // bounded by the scopes and units of the catalogue
	}
	return p, err
}

// within resolves a scope that the asker names: its own, or a narrower one.
func (s *Server) within(a asker, scope string) (metrics.Predicate, error) {
	if scope == "" || scope == a.Scope {
		return a.predicate, nil
	}
	p, err := s.predicate(scope)
	if err != nil {
		return metrics.Predicate{}, refuse("unknown_scope", "scope", shortened(scope))
	}
	if !a.predicate.Contains(p) {
		return metrics.Predicate{}, refuse("outside_scope", "field", "scope", "value", scope)
	}
	return p, nil
}
