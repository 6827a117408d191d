# make alone prints the targets.
.DEFAULT_GOAL := help
.PHONY: help test lint generate bench benchstat chaos mutants run demo eval shippers browser deployment vulnerabilities verify

help: ## print this help
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort

test: ## run all tests against a real redis-server
	sh .ci/test

lint: ## run the linters
	go tool -modfile=.ci/lint.mod golangci-lint run ./...

generate: ## make the mocks anew
	go generate ./...

bench: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

chaos: ## break real processes for 50 minutes and judge their histories
	mkdir -p /tmp/logsift-chaos
	go test -race -count=1 -timeout 0 -run TestChaos -v ./bootstrap/chaostest -chaos.seeds 1-20 -chaos.duration 2m -artifacts -outputdir /tmp/logsift-chaos

mutants: ## prove that the chaos run finds faults: each planted one is to be caught
	go test -count=1 -timeout 30m -tags mutants -run 'TestScenarios|TestMutants' -v ./bootstrap/chaostest

shippers: ## send logs with real shippers, which sh .ci/shippers installs
	LOGSIFT_SHIPPERS=$${LOGSIFT_SHIPPERS:-$$HOME/.cache/logsift-shippers} go test -tags shippers -count=1 -timeout 10m -v ./bootstrap/shippertest

browser: ## use the dashboard in a real Chromium, which sh .ci/tools installs
	sh .ci/tools
	go test -tags browser -count=1 -timeout 10m ./bootstrap/browsertest

deployment: ## do what the deployment examples say, as far as that goes without a container engine
	sh .ci/tools
	sh .ci/deploy

vulnerabilities: ## look for known vulnerabilities, and prove that one would be found
	bash .ci/security

benchstat: ## compare the benchmarks of PKG with those of the commit BASE
	sh .ci/benchstat

run: ## run the API and workers on the embedded store
	go run ./cmd/logsift serve

demo: ## see the whole system at work on a real sample
	go run ./cmd/logsift demo

DATA ?= ../shared/data
eval: ## measure the built-in analyser on the labelled logs in DATA
	go run ./adapters/builtin/eval -data $(DATA)

verify: ## run everything that the continuous integration runs
	bash .ci/run
