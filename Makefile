# Shortcuts over ./apogee; every target works in a fresh clone.
.PHONY: check fix test contracts e2e deep abi demo

check:       ## every gate, about a minute
	@./apogee check
fix:         ## repair formats and generated ABIs
	@./apogee check --fix
test:        ## the gates and every test
	@./apogee test
contracts:   ## contract tests only
	@./apogee test -q tests/contracts
e2e:         ## stories, attacks and restarts in real processes
	@./apogee test -q tests/e2e
deep:        ## long rule-machine runs
	@APOGEE_TEST_PROFILE=deep ./apogee test -q -m stateful tests
abi:         ## regenerate offchain/chain/abi from the contracts
	@./apogee set-up && .venv/bin/python scripts/build_abi.py
demo:
	@./apogee demo
