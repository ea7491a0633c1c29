.PHONY: build test race lint bench docs demo builders

build:
	go build -trimpath -o bin/verify ./cmd/verify

demo:
	go run ./cmd/verify demo

test:
	go test ./...

race:
	go test -race ./...

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

# The figures of docs/performance.md. VERIFY_CORPUS names the real images.
bench:
	go test -run '^$$' -bench . -benchtime 3x ./...

# Rewrites what is generated: docs/checks.md, docs/schema, docs/manual and the
# golden files.
docs:
	go test . ./internal/output ./internal/schema ./internal/cli -update

# The builders that tests with VERIFY_REAL=1 start and Debian does not have.
builders:
	version=$$(go list -m -f '{{.Version}}' github.com/moby/buildkit) && \
	go mod download github.com/moby/buildkit@$$version && \
	out="$${XDG_CACHE_HOME:-$$HOME/.cache}/verify-builders/buildkit-$$version/" && mkdir -p "$$out" && \
	cd "$$(go list -m -f '{{.Dir}}' github.com/moby/buildkit)" && \
	CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$$out" ./cmd/buildkitd ./cmd/buildctl
	version=v2.6.5 && \
	go mod download github.com/sigstore/cosign/v2@$$version && \
	out="$${XDG_CACHE_HOME:-$$HOME/.cache}/verify-builders/cosign-$$version/" && mkdir -p "$$out" && \
	cd "$$(go env GOMODCACHE)/github.com/sigstore/cosign/v2@$$version" && \
	go build -mod=readonly -trimpath -ldflags='-s -w' -o "$$out" ./cmd/cosign
