# Everything runs on loopback and stops what it starts. `make` tells what there is.

.DEFAULT_GOAL := help
export ONCE PROFILE SIZE SEED PARTS N EXAMPLES
.PHONY: help demo test bench torture mutants contract fmt clean-state

help: ## tell what there is
	@sed -n 's/^\([a-z-]*\): *## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: ## a whole calling floor on this machine and one call; stays up until Ctrl-C; ONCE=1 ends after the call
	@exec scripts/demo

test: ## every check there is, and the demo
	@exec scripts/test

bench: ## measure it
	@exec scripts/bench

torture: ## kill, cut and lose everything; SIZE=10000 kills, SEED=1; `make test` runs a short form
	@exec scripts/torture

contract: ## hold a running daemon against its own OpenAPI document, as an owner and as an agent; EXAMPLES=10 an act
	@exec scripts/contract

mutants: ## break core and policy line by line, N=60 of all, SEED=1; says which the tests do not notice
	@exec scripts/mutants

fmt: ## format the sources
	@cargo fmt --all

clean-state: ## stop what an aborted run left, and forget all state (not the downloads)
	@exec scripts/demo clean
