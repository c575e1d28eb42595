# Everything a contributor runs. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := bash

PKG ?= ./...
FUZZTIME ?= 50000x # inputs for each target; a duration such as 5m works too
KIND ?= kind
HELM ?= helm
# Version of a packaged chart. The release workflow takes it from the tag.
CHART_VERSION ?= 0.0.0
LINT := go tool -modfile=tools/golangci-lint/go.mod golangci-lint
KO := go tool -modfile=tools/ko/go.mod ko
IMAGE ?= ghcr.io/spillway-dev/spillway
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PLATFORM ?= linux/$(shell go env GOARCH)
ACTIONLINT := go tool -modfile=tools/actionlint/go.mod actionlint
VULN := go tool -modfile=tools/govulncheck/go.mod govulncheck

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## run the service with nothing else: embedded Redis, simulated vendor
	@echo 'Compiling, which takes half a minute or more the first time.'
# No `go run`, which would end with an error when the service is stopped.
	@go build -o bin/server-dev ./cmd/server && exec bin/server-dev --dev

.PHONY: build
build: ## build bin/server and bin/vendorsim
# nomsgpack leaves out a coding that gin brings along and the service does not use: 6 MB.
	CGO_ENABLED=0 go build -tags nomsgpack -trimpath -pgo=cmd/server/server.pgo -o bin/ ./cmd/...

# Further flags of docker buildx build, such as --build-context golang:1.26=docker-image://mirror.example.com/golang:1.26.
IMAGE_FLAGS ?=
# Times in the image are those of the commit, so that two builds of one commit are the same image.
IMAGE_BUILD = SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) docker buildx build --platform $(PLATFORM) --provenance=false $(IMAGE_FLAGS) \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD)

.PHONY: image
image: ## build the image IMAGE:VERSION with Docker
	$(IMAGE_BUILD) -t $(IMAGE):$(VERSION) --output type=docker,rewrite-timestamp=true .

.PHONY: image-check
image-check: ## build it twice without a cache and compare the digests; needs a builder (docker buildx create --use)
	@mkdir -p dist
	for n in 1 2; do $(IMAGE_BUILD) --no-cache --output type=oci,rewrite-timestamp=true,dest=dist/image-$$n.tar . || exit 1; done
	@first=$$(tar -xOf dist/image-1.tar index.json | grep -o 'sha256:[0-9a-f]*' | head -1); \
	second=$$(tar -xOf dist/image-2.tar index.json | grep -o 'sha256:[0-9a-f]*' | head -1); \
	echo "$$first"; [ -n "$$first" ] && [ "$$first" = "$$second" ] || { echo "two builds of one commit differ: $$second" >&2; exit 1; }

.PHONY: cross-build
cross-build: # the binaries of the image for every platform it is released for
	for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -tags nomsgpack -trimpath -buildvcs=false -pgo=off -ldflags "-s -w -buildid=" -o dist/linux-$$arch/ ./cmd/server ./cmd/vendorsim || exit 1; \
	done

.PHONY: image-ko
image-ko: ## the same without Docker, as archives in dist/ for docker load: the server, and the simulator by itself
	@mkdir -p dist
	@for cmd in server vendorsim; do \
		VERSION=$(VERSION) KO_DOCKER_REPO=$(IMAGE)$$([ $$cmd = server ] || echo -$$cmd) $(KO) build --bare --push=false --sbom=none --platform $(PLATFORM) -t $(VERSION) \
			--image-label org.opencontainers.image.version=$(VERSION),org.opencontainers.image.revision=$$(git rev-parse HEAD),org.opencontainers.image.source=https://github.com/spillway-dev/spillway,org.opencontainers.image.licenses=MIT \
			--tarball dist/$$cmd.tar ./cmd/$$cmd || exit 1; \
	done

# Each target's output in one piece, where make knows how (GNU make 4; macOS has 3.81).
SYNC = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# How many packages are tested at a time: more than there are cores, because most tests wait for something.
AT_ONCE = $$(( 2 * $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) ))

.PHONY: test
test: redis ## run the tests of the service, with the race detector, against a real Redis
	go build -race ./... # first, because some tests build too: what is compiled by then is compiled once
	go test -race -p $(AT_ONCE) $(PKG)
	$(MAKE) prove-short
	$(MAKE) -j 2 $(SYNC) clients-go openapi-test live-test

.PHONY: test-fast
test-fast: redis ## the same without the race detector
	go test $(PKG)

.PHONY: prove
prove: redis ## measure every promise about many pods; writes docs/proofs, fails when a bar is missed
	cd test/prove && go test -count=1 -v -timeout 20m . -full -report ../../docs/proofs

.PHONY: prove-short
prove-short: redis # some of it, smaller; never from the cache, which does not know the server
	cd test/prove && go test -race -count=1 .

.PHONY: chart-test
chart-test: ## render the chart with Helm 4 and 3 and check what comes out; needs no cluster; compiles Helm, which takes minutes
	cd test/chart && go test -count=1 -timeout 20m ./... # never from the cache: it does not know the binary they start

.PHONY: clients-go
clients-go: # official Go clients against the real binary; never from the cache, which does not know it
	cd test/clients && go test -count=1 .

.PHONY: openapi-test
openapi-test: # every answer against /openapi.json; never from the cache, which does not know the server
	cd test/openapi && go test -count=1 .

.PHONY: live-test
live-test: browser # the live page in a real browser; never from the cache, which does not know the server
	cd test/live && go test -race -count=1 .

.PHONY: dashboard-test
dashboard-test: redis ## evaluate every query of the Grafana dashboard in a real Prometheus, over a run of half a minute
	@command -v prometheus >/dev/null || tools/install.sh prometheus
	cd test/dashboard && go test -count=1 -timeout 5m .

.PHONY: shots
shots: browser ## take the pictures of the live page again: docs/pictures/live-light.png and live-dark.png
	cd test/live && go test -count=1 -v -tags shots -run TestShots . -shots ../../docs/pictures

.PHONY: clients
clients: ## run the official npm clients against the real binary; needs node and npm
	cd test/clients/npm && npm ci --loglevel=error
	cd test/clients && go test -count=1 -tags npm -run TestNPM .

.PHONY: release-check
release-check: cross-build ## run what the release workflow runs, as far as it needs no registry
	$(ACTIONLINT)
	mkdir -p dist
	$(HELM) lint helm/spillway --strict --set vendor.simulated=true
	$(HELM) package helm/spillway --version $(CHART_VERSION) --app-version $(CHART_VERSION) -d dist
	$(HELM) template llm dist/spillway-$(CHART_VERSION).tgz --set vendor.simulated=true > dist/release.yaml
	grep -q "image: $(IMAGE):$(CHART_VERSION)$$" dist/release.yaml

.PHONY: e2e
e2e: ## try the chart on the cluster kubectl points to; docs/proofs/e2e.md says how, with kind
	go run ./test/e2e $(E2EFLAGS)

.PHONY: e2e-kind
e2e-kind: ## build its two images with Docker, give them to kind, and run it
	docker build -t spillway:e2e .
	docker build -t spillway-load:e2e -f test/e2e/load/Dockerfile .
	kind load docker-image spillway:e2e spillway-load:e2e --name $(KIND)
	$(MAKE) e2e

.PHONY: manifests
manifests: ## write k8s/ from the chart
	cd test/chart && go test -run 'Manifest' . -update

.PHONY: schemas
schemas: ## take the schemas that the chart is checked against from their projects' Go modules
	cd test/chart && go run ./schemas

.PHONY: api-pages
api-pages: ## take Swagger UI and ReDoc anew from npm, in the versions of internal/apidocs/dist/README.md
	tools/api-pages.sh

.PHONY: redis
redis: # the tests start their own redis-server; they never skip for want of one
	@command -v redis-server >/dev/null || tools/install.sh redis

.PHONY: browser
browser: # the same for the tests of the live page
	@command -v chromium chromium-browser google-chrome headless-shell >/dev/null || tools/install.sh browser

.PHONY: bench
bench: redis build ## measure the service against a bare forwarder, side by side
	CGO_ENABLED=0 go build -trimpath -o bin/ ./test/bench ./test/bench/bare
	bin/bench $(BENCHFLAGS)

.PHONY: scale
scale: redis build ## simulate a thousand pods, measure Redis; writes the tables and pictures of docs/scale.md
	go run ./test/scale -doc docs/scale.md -pictures docs

.PHONY: microbench
microbench: redis ## run the Go benchmarks of all packages, with allocations
	go test -run '^$$' -bench . -benchmem $(PKG)

.PHONY: pgo
pgo: redis build ## take a new CPU profile for profile-guided optimisation
	go run ./test/bench -cpuprofile cmd/server/server.pgo

.PHONY: fuzz
fuzz: ## run every fuzz target with FUZZTIME inputs
	@for pkg in $$(go list ./internal/...); do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

.PHONY: lint
lint: ## vet, golangci-lint, actionlint, and a go.mod and go fix that leave no diff
	go vet ./...
	$(LINT) run
	$(ACTIONLINT)
	go mod tidy -diff
	go fix -diff ./...
	for dir in test/chart test/prove test/clients test/openapi test/live test/dashboard; do \
		(cd $$dir && go vet ./... && go tool -modfile=../../tools/golangci-lint/go.mod golangci-lint run && go mod tidy -diff && go fix -diff ./...) || exit 1; \
	done

.PHONY: vuln
vuln: ## look for known vulnerabilities in what the code really calls
	$(VULN) ./...

.PHONY: fmt
fmt: ## format the code and apply Go's own modernisations
	gofmt -w cmd internal test tools
	go fix ./...

.PHONY: generate
generate: manifests ## write docs/configuration.md from the Config structs, the chart's README and k8s/ from the chart
	go test ./internal/config -run TestConfigurationPage -update
	cd test/chart && go test -run TestEveryValueIsDocumented . -update

# fork:begin
.PHONY: fork
fork: ## rename everything after your service: make fork MODULE=github.com/me/mysvc NAME=mysvc
	@go run ./tools/fork -module '$(MODULE)' -name '$(NAME)' -image '$(if $(filter command environment,$(firstword $(origin IMAGE))),$(IMAGE))' $(if $(FORCE),-force)

.PHONY: fork-test
fork-test: ## rename a copy with make fork, then build and test it, with its chart
	go test -count=1 -timeout 20m -tags fork -run 'TestForkWorks$$' ./tools/fork

# fork:end
.PHONY: clean
clean: ## remove what the other targets built
	rm -rf bin dist
