# Every target is a thin, documented line; `make help` lists them. Root is needed for hosts (podman) and apt.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.NOTPARALLEL:

# What people say is text. Make expands nothing in what the command line says, where $(shell ...) would run; and recipes take it, as
# what the environment says, from variables of the shell ($$ENV, not $(ENV)), so that no value is ever part of a command.
SAID := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
$(foreach name,$(SAID),$(eval override export $(name) := $$(value $(name))))

ENV ?= local
PATH := $(CURDIR)/.venv/bin:$(PATH)
# For targets that are no scripts: see scripts/at-home.
LC_ALL := C.UTF-8
ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH LC_ALL ANSIBLE_CONFIG
# Empty where nobody says them.
export ENV MODEL FILE REVIEWED TO CONFIRM BUCKETS PORT MINUTES DETAILED
# No AWS client on this machine may look for credentials at the link-local metadata address.
export AWS_EC2_METADATA_DISABLED := true

# Molecule scenarios that test roles on a host; the rehearsal has a target of its own, and long ones are for test-all.
LONG_SCENARIOS = training release rollout
HOST_SCENARIOS = $(filter-out rehearsal $(LONG_SCENARIOS),$(notdir $(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml))))

PLAYBOOK = scripts/with-environment "$$ENV" ansible-playbook

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-19s\033[0m %s\n", $$1, $$2}'
	@echo "  ENV=$$(cd inventories && dirname -- */environment.yml | paste -sd '|') selects the inventory (default: local, the rehearsal)"

.PHONY: setup
setup: ## Install what the targets need (apt, pip); quick when nothing is missing
	@scripts/setup control

.PHONY: serve
serve: ## Serve the packaged model on this machine, with its page: no root, no hosts (PORT=8080)
	@scripts/serve

.PHONY: rehearse
rehearse: ## Run the whole pipeline on this machine: hosts, image, fleet, balancer, a photo and its breed
	@scripts/rehearse

.PHONY: rehearse-down
rehearse-down: ## Remove every trace of the rehearsal (the clone's .cache/ stays)
	@scripts/setup control
	@python -m localcloud down

.PHONY: status
status: ## Show the rehearsal's hosts, targets and address
	@python -m localcloud status

.PHONY: apply
apply: setup ## Converge ENV to what the inventory says
	@scripts/converge "$$ENV" site

.PHONY: plan
plan: setup ## Say what apply would change in ENV, field by field, and which guard rails it violates (DETAILED=1: status 2 if anything)
	@scripts/plan "$$ENV" plan

.PHONY: policy
policy: setup ## Judge the last plan of ENV by the guard rails of delivery/policy/rules.yml; make plan does it as well
	@python -m delivery policy --env "$$ENV"

.PHONY: drift
drift: setup ## Find what was changed by hand in ENV, and what nothing manages; exit status 2 when there is something
	@scripts/plan "$$ENV" drift

.PHONY: plan-comment
plan-comment: setup ## Write what reviewers of ENV are shown of what make plan found, and a review of it (with PLAN_RUN: on the pull request of that run)
	@python -m delivery comment --env "$$ENV"

.PHONY: cost
cost: setup ## Say what ENV costs a month before and after what make plan found, by resource, and what has no price
	@python -m delivery cost --env "$$ENV"

.PHONY: deploy
deploy: setup ## Apply what is merged to ENV, if it is what was reviewed (REVIEWED=review.json, or GITHUB_SHA's pull request)
	@scripts/deploy "$$ENV"

.PHONY: smoke
smoke: setup ## Ask the balancer of ENV about a photo (FILE), and see that the model answers that was rolled out last
	@scripts/with-environment "$$ENV" python -m delivery smoke --env "$$ENV" "$${FILE:-tests/data/cat.jpg}"

.PHONY: drift-issue
drift-issue: setup ## Look for drift in ENV, and open, update or close the issue that names it
	@scripts/drift-issue "$$ENV"

.PHONY: bootstrap
bootstrap: setup ## Take the empty AWS account of ENV to where merges work (an administrator's credentials, once, and gh)
	@scripts/bootstrap "$$ENV"

.PHONY: unbootstrap
unbootstrap: setup ## Take away what bootstrap made for workflows, after destroy (CONFIRM=<env> to mean it; an administrator's credentials, and gh)
	@case "$$CONFIRM" in *[!a-z]*) echo "CONFIRM=$$CONFIRM is no environment" >&2; exit 2;; esac
	$(PLAYBOOK) playbooks/unbootstrap.yml -e "unbootstrap_confirm=$$CONFIRM"

.PHONY: destroy
destroy: setup ## Remove everything that the project owns in ENV (CONFIRM=<env> to mean it; BUCKETS=yes: what is in the buckets as well)
	@case "$$CONFIRM" in *[!a-z]*) echo "CONFIRM=$$CONFIRM is no environment" >&2; exit 2;; esac
	case "$$BUCKETS" in ''|no) buckets=;; yes) buckets=with-all-versions;; *) echo "BUCKETS=$$BUCKETS: say yes or no" >&2; exit 2;; esac
	$(PLAYBOOK) playbooks/destroy.yml -e "destroy_confirm=$$CONFIRM" -e "destroy_buckets=$$buckets"

.PHONY: train
train: setup ## Train CONFIG on an instance of ENV (DATA=s3://..., TRAIN="-e training_instance_market=on-demand" and the like)
	@$(PLAYBOOK) playbooks/train.yml -e "$$(scripts/extra-vars $${CONFIG:+"training_instance_config=$$CONFIG"} $${DATA:+"training_instance_data=$$DATA"})" $${TRAIN:-}

.PHONY: release
release: setup ## Release MODEL (bundle directory, NAME:VERSION, NAME:RUN_ID; none: the pinned one) to ENV: gate, pin, record
	@scripts/release "$$ENV" run $${RELEASE:-} -- "$${MODEL:-}"

.PHONY: rollout
rollout: setup ## Bring the pinned release to the fleet of ENV, one host first, and back unless it proves itself
	@$(PLAYBOOK) playbooks/rollout.yml

.PHONY: rollback
rollback: setup ## Take back the rollout that is under way in ENV, or go back to release TO (default: the one before)
	@case "$$TO" in *[!A-Za-z0-9._+-]*) echo "TO=$$TO is no release" >&2; exit 2;; esac
	$(PLAYBOOK) playbooks/rollback.yml $${TO:+-e "rollback_to=$$TO"}

.PHONY: experiment
experiment: setup ## Compare a release with the served one in ENV: KIND=shadow|ab SHARE=0.1 (RELEASE=id; none: the pinned one)
	@$(PLAYBOOK) playbooks/experiment.yml -e "$$(scripts/extra-vars "experiment_kind=$${KIND:-}" "experiment_share=$${SHARE:-0.1}" $${RELEASE:+"candidate_release=$$RELEASE"})" $${EXPERIMENT:-}

.PHONY: experiment-report
experiment-report: setup ## Show what the experiment in ENV has found so far
	@scripts/release "$$ENV" experiment-report

.PHONY: experiment-end
experiment-end: setup ## End the experiment in ENV: keep its report, leave nothing of the candidate
	@$(PLAYBOOK) playbooks/experiment_end.yml

.PHONY: release-show
release-show: setup ## Show and verify the current release of ENV
	@scripts/release "$$ENV" show
	@scripts/release "$$ENV" verify

.PHONY: play-merge
play-merge: setup ## Play a merge on the running rehearsal: plan, review, deploy, smoke, drift, a new image, rollback
	@scripts/with-environment local pytest -q -x -s --timeout=0 molecule/merge

# What a person may say to an operation; only what is said on the command line is passed on, for HOST is a shell's own variable as well.
OPERATION = HOST ON COMMAND LOG LINES DESIRED MIN MAX SERIAL SPARE TIMEOUT CONFIRM CHECK VERBOSE
OPERATION_SAID = $(foreach name,$(filter $(SAID),$(OPERATION)),"$(name)=$$$(name)")

.PHONY: operate
operate: setup ## DO=status|logs|restart|drain|return|detach|attach|replace|scale|run|... to HOST or ON of ENV (docs/operate.md; CHECK=yes only looks, VERBOSE=yes shows Ansible)
	@scripts/operate "$$ENV" "$${DO:-}" $(OPERATION_SAID)

.PHONY: shell
shell: setup ## Open a shell on HOST of ENV through Session Manager
	@scripts/session "$$ENV" shell "$${HOST:-}"

.PHONY: forward
forward: setup ## Bring PORT of HOST of ENV to this machine (LOCAL_PORT: another number here)
	@scripts/session "$$ENV" forward "$${HOST:-}" "$${PORT:-}" $${LOCAL_PORT:-}

.PHONY: lint
lint: ## Run every linter
	@scripts/setup test
	@scripts/lint

.PHONY: test-unit
test-unit: ## Unit and contract tests; no hosts
	@scripts/setup test
	@scripts/test-unit

.PHONY: test-fast
test-fast: lint test-unit ## Linters and unit tests

.PHONY: test-hosts
test-hosts: ## Molecule scenarios of the host roles, on real hosts of a local cloud of their own
	@scripts/setup test
	@pytest -m "hosts and not slow"
	@scripts/with-local-cloud scripts/test-on-hosts $(HOST_SCENARIOS)

.PHONY: test-rehearsal
test-rehearsal: ## The rehearsal as a test: converge, nothing changes, hosts die and releases roll out under load, teardown leaves nothing
	@scripts/setup test
	@scripts/with-local-cloud scripts/test-on-hosts rehearsal
	@pytest molecule/rehearsal/teardown

.PHONY: test-long
test-long: ## Long scenarios: a training job that is interrupted as Spot does, a release, and rollouts that go well or badly
	@scripts/setup test
	@scripts/with-local-cloud scripts/test-on-hosts $(LONG_SCENARIOS)

.PHONY: test-merge
test-merge: ## The rehearsal, and a merge that is played on it from its plan to its rollback
	@scripts/setup test
	@scripts/with-local-cloud $(MAKE) rehearse play-merge

.PHONY: test-stock-executor
test-stock-executor: ## The rehearsal as a test once more, with Ansible's own executor in place of the project's (docs/decisions/0020)
	@scripts/setup test
	@ANSIBLE_ACTION_PLUGINS=none scripts/with-local-cloud scripts/test-on-hosts rehearsal

.PHONY: test
test: lint ## All checks and tests: linters, then unit tests beside those on hosts, which mostly wait
	@scripts/side-by-side 'nice -n 5 $(MAKE) test-unit' '$(MAKE) test-hosts test-rehearsal'

.PHONY: test-all
test-all: test ## The same and the tests that take minutes each
	@pytest -m slow
	@$(MAKE) test-long test-merge test-stock-executor

.PHONY: fuzz
fuzz: ## Send the service other requests than the tests do, for MINUTES (10): any bytes, forms and images
	@scripts/setup test
	@FUZZ_MINUTES="$${MINUTES:-10}" pytest -q --timeout=0 tests/inference/test_fuzz.py

.PHONY: bench
bench: ## Measure decoding, batching, and this server against its peers; BENCH="--quick" for a first look
	@scripts/setup control
	@python -m benchmarks.decoding
	@scripts/export-model .cache/bench/pets >/dev/null
	@python -m benchmarks.batching --bundle .cache/bench/pets/bundle
	@scripts/bench-serving $${BENCH:-}

.PHONY: bench-hosts
bench-hosts: ## Measure how fast a new host of the running rehearsal answers
	@scripts/with-environment local python -m benchmarks.host_start

.PHONY: bench-judge
bench-judge: ## Replay what the judge has seen of services under bursts of other load (RECORD=20: see it anew on this machine)
	@scripts/setup control
	@python -m benchmarks.judge $${RECORD:+--record "$$RECORD" --bundle "$$(scripts/export-model)"}

.PHONY: bench-converge
bench-converge: ## Measure how fast Ansible finds nothing to do in the running rehearsal, with each executor
	@scripts/with-environment local python -m benchmarks.converge

.PHONY: locks
locks: ## Resolve pyproject.toml anew into locks/ (versions and hashes)
	@scripts/setup control
	@scripts/locks
