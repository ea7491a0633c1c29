.PHONY: build test race lint bench docs demo

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

# Rewrites what is generated: docs/checks.md and the golden files.
docs:
	go test . ./internal/output -update
