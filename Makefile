# Roundtable. `make help` lists what there is.

GO      ?= go
STATE   := .roundtable
BINARY  := $(STATE)/bin/roundtable
# Only one heavy package's tests at a time where there are few cores.
TESTP   ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo 2)
# The binary is compiled with cmd/roundtable/default.pgo, which go finds by itself.
# vet and the tests do without: with it they would compile everything that
# cmd/roundtable imports once more, for the tests of that one package.
NO_PGO  := -pgo=off

.DEFAULT_GOAL := help
.PHONY: help build test lint race conformance sim chaos bench pgo fuzz fuzz-short demo compose-demo proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build .roundtable/bin/roundtable
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BINARY) ./cmd/roundtable

test: build lint ## set up everything and run every test that belongs to a change
	@e2e/clients/setup.sh
	ROUNDTABLE_BINARY=$(CURDIR)/$(BINARY) $(GO) test $(NO_PGO) -p $(TESTP) -timeout 40m ./...
	@$(MAKE) --no-print-directory fuzz-short

lint: ## vet and the rules of e2e/tidy
	$(GO) vet $(NO_PGO) ./...
	$(GO) test $(NO_PGO) ./e2e/tidy

race: ## the tests of the packages under the race detector
	$(GO) test -race -p $(TESTP) -timeout 30m ./storage/... ./cluster/... ./replication/... ./region/...

conformance: ## DynamoDB's behaviour, against any endpoint: make conformance [ENDPOINT=http://localhost:8000]
	ENDPOINT=$(ENDPOINT) $(GO) test -count 1 -timeout 60m ./e2e/conformance $(ARGS)

sim: ## more seeds of the simulator: make sim SEEDS=2000
	SIM_SEEDS=$(or $(SEEDS),2000) $(GO) test -v -timeout 120m -run TestSeeds ./e2e/sim

chaos: build ## long fault runs against real processes: make chaos DURATION=10m
	@e2e/clients/setup.sh
	CHAOS_DURATION=$(or $(DURATION),10m) ROUNDTABLE_BINARY=$(CURDIR)/$(BINARY) $(GO) test -v -timeout 120m ./e2e/chaos

bench: build ## speed beside etcd and other peers, and the goals: make bench [QUICK=1] [GOALS=1,4]
	CGO_ENABLED=0 $(GO) build -trimpath -o $(STATE)/bin/bench ./e2e/bench
	$(STATE)/bin/bench -binary $(BINARY) -dir $(STATE)/bench -json $(STATE)/bench/latest.json $(if $(QUICK),-quick) $(if $(GOALS),-goals $(GOALS)) $(ARGS)

# The profiles are of the binary as builds make it, compiled with the last profile:
# go matches functions by name and line, so that this does no harm. pprof is told
# the binary's name, or it would write the whole path of it into the file.
pgo: build ## profile the nodes under load, a minute, into cmd/roundtable/default.pgo, which builds use: make pgo [TIME=16s]
	rm -rf $(STATE)/pgo
	mkdir -p $(STATE)/pgo
	$(BINARY) bench --local 3 --dir $(STATE)/pgo --cpu-profile $(STATE)/pgo/profiles --clients 64 \
	  --workload put --workload mixed --workload get-eventual --rounds 1 --warm-up 3s --duration $(or $(TIME),16s)
	$(GO) tool pprof -proto -output $(STATE)/pgo/merged.pgo $(BINARY) $(STATE)/pgo/profiles/*.pb.gz
	mv $(STATE)/pgo/merged.pgo cmd/roundtable/default.pgo
	@echo "cmd/roundtable/default.pgo: $$(wc -c < cmd/roundtable/default.pgo) bytes from $$(ls $(STATE)/pgo/profiles | wc -l) profiles; commit it if the next build is faster"

fuzz: ## fuzz every target for a while: make fuzz TIME=5m
	@for pkg in $$($(GO) list $(or $(FUZZED),./...)); do \
	  dir=$$($(GO) list -f '{{.Dir}}' $$pkg); \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | sed 's/func //'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(TIME),1m) $$pkg || exit 1; \
	  done; \
	done

# Counted, not timed: a slow machine fuzzes longer instead of failing. It is about
# two seconds a target.
fuzz-short: ## fuzz what reads bytes of strangers for a moment: HTTP, JSON, expressions, signatures, numbers
	@$(MAKE) --no-print-directory fuzz TIME=25000x FUZZED='./region/httpserve ./region/awsjson ./region/auth ./storage/expr ./storage/item'

demo: build ## three regions in one process and a tour of them: make demo [ONCE=1]
	$(BINARY) demo $(if $(ONCE),--once) $(ARGS)

compose-demo: ## three regions of three nodes in containers, and the same tour
	deploy/compose/demo.sh

proto: ## generate code from proto/ (needs protoc, protoc-gen-go and protoc-gen-go-grpc)
	$(GO) generate ./proto/...

clean: ## remove everything that was built or stored
	rm -rf $(STATE)
