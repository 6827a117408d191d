# make alone prints the targets.
.DEFAULT_GOAL := help
.PHONY: help test lint generate module bench benchstat chaos mutants run demo eval redaction shippers browser deployment vulnerabilities fuzz verify

help: ## print this help
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort

test: ## run all tests against a real redis-server
	sh .ci/test

lint: ## run the linters
	sh .ci/lint

generate: ## make the mocks anew
	go generate ./...

module: ## change the path of the module to MODULE=host/owner/name, and run the tests
	sh .ci/module $(MODULE)
	sh .ci/test

bench: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

chaos: ## break real processes for an hour and judge their histories
	mkdir -p /tmp/logsift-chaos
	cd bootstrap/systemtest && go test -race -count=1 -timeout 0 -tags upgrade -run 'TestChaos|TestNemeses|TestAnOlder' -v ./chaos -chaos.seeds 1-20 -chaos.groupseeds 1-10 -chaos.duration 2m -artifacts -outputdir /tmp/logsift-chaos

mutants: ## prove that the chaos run finds faults: each planted one is to be caught
	cd bootstrap/systemtest && go test -count=1 -timeout 30m -tags mutants -run 'TestScenarios|TestMutants' -v ./chaos

shippers: ## send logs with real shippers, which sh .ci/shippers installs
	cd bootstrap/systemtest && LOGSIFT_SHIPPERS=$${LOGSIFT_SHIPPERS:-$$HOME/.cache/logsift-shippers} go test -tags shippers -count=1 -timeout 10m -v ./shipper

browser: ## use the dashboard in a real Chromium, which sh .ci/tools installs
	sh .ci/tools
	cd bootstrap/systemtest && go test -tags browser -count=1 -timeout 10m ./browser

deployment: ## do what the deployment examples say, as far as that goes without a container engine
	sh .ci/tools
	sh .ci/deploy

vulnerabilities: ## look for known vulnerabilities, in a copy of the database if DB names its folder, and prove that one would be found
	LOGSIFT_VULNDB="$(DB)" bash .ci/security

fuzz: ## fuzz every parser for FUZZTIME, 60s unless set
	bash .ci/fuzz

benchstat: ## compare the benchmarks of PKG with those of the commit BASE
	sh .ci/benchstat

run: ## run the API and workers on the embedded store
	go run ./cmd/logsift serve

demo: ## see the whole system at work on a real sample
	go run ./cmd/logsift demo

DATA ?= ../shared/data
eval: ## measure the engine, the built-in analyser by a library call, on the labelled logs in DATA
	go run ./cmd/logsift-eval -data $(DATA)

redaction: ## measure redaction on planted secrets, and false positives on the logs in DATA
	go test -count=1 -v -run 'Found|Away|Stay' ./adapters/openai/redact -data $(abspath $(DATA))

verify: ## run everything that the continuous integration runs
	bash .ci/run
