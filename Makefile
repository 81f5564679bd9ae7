# The one list of commands; `make help` prints it. CI and the README call these targets.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
HOST = 127.0.0.1
PORT = 3000
CHECKPOINT = models/checkpoints/sunspots.safetensors

# Accuracy: a folder of CSV or Parquet files, seeds to take the median of. Processes, of tests too.
DATA = training/series
SEEDS = 5
JOBS = 2

# Load tests: clients that wait for their answers, or RATE (turns/s) of an open loop; how long; the p99 in milliseconds
# that is promised; more options, as `.venv/bin/python -m tests.load run --help` lists them.
USERS = 50
RATE =
SECONDS = 20
P99 = 250
LOAD =
SOAK_RATE = 300
SOAK_SECONDS = 1800

# Benchmarks: options and sections, as `.venv/bin/python -m tests.benchmarks --help` lists them.
BENCH =
PEERS = .peers

# Container: the build of torch in it (cpu, cu130, …; empty: the package index's own), its name.
TORCH = cpu
IMAGE = elman:latest

export BENTOML_DO_NOT_TRACK = True

.DEFAULT_GOAL = help
.PHONY: help serve train test test-ui screenshots check format accuracy load load-soak load-limit bench bench-peers build container test-container clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

serve: $(VENV)/serve.stamp $(if $(ELMAN_CHECKPOINT),,$(CHECKPOINT)) ## install, train if needed, and serve on HOST:PORT (127.0.0.1:3000)
	@exec $(BIN)/bentoml serve service.api:service --host $(HOST) --port $(PORT) --timeout-graceful-shutdown 10 --timeout-keep-alive 75

train: $(VENV)/serve.stamp ## train the default checkpoint on the yearly sunspot numbers
	$(BIN)/python -m training fit training/series/sunspots.csv --column sunspots --output $(CHECKPOINT)

test: $(VENV)/test.stamp $(CHECKPOINT) ## install and run all tests, JOBS files at a time
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-ui: $(VENV)/test.stamp $(CHECKPOINT) ## test the live page in a real Chromium, which is installed if there is none (Debian, Ubuntu)
	@tests/ui/install_chromium.sh
	$(BIN)/python -m pytest tests/ui -n $(JOBS) --dist loadfile

screenshots: $(VENV)/test.stamp $(CHECKPOINT) ## draw the pictures of the live page in docs/pictures anew
	@tests/ui/install_chromium.sh
	$(BIN)/python -m tests.ui.screenshots

check: $(VENV)/test.stamp ## lint, format, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/test.stamp ## let ruff format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

accuracy: $(VENV)/serve.stamp ## measure the defaults, trained and live, on every series of the folder DATA: SEEDS, JOBS
	$(BIN)/python -m training accuracy $(DATA) --seeds $(SEEDS) --jobs $(JOBS)
	$(BIN)/python -m tests.accuracy $(DATA) --seeds $(SEEDS) --jobs $(JOBS)

load: $(VENV)/test.stamp $(CHECKPOINT) ## load test, every answer checked: USERS or RATE (turns/s), SECONDS, P99 (ms), LOAD="--shape spike"
	$(BIN)/python -m tests.load run $(if $(RATE),--rate $(RATE)) --users $(USERS) --seconds $(SECONDS) --objective "p99 <= $(P99)" $(LOAD)

load-soak: $(VENV)/test.stamp $(CHECKPOINT) ## half an hour of sessions that come and go: memory and descriptors must stay as they are: SOAK_RATE
	$(BIN)/python -m tests.load run --name soak --rate $(SOAK_RATE) --seconds $(SOAK_SECONDS) --longest 60 \
		--setting ELMAN_SESSION_IDLE_SECONDS=30 --setting ELMAN_MAX_GONE=10000 --objective tests/load/soak.objectives $(LOAD)

load-limit: $(VENV)/test.stamp $(CHECKPOINT) ## find the highest rate of arrivals (turns/s) at which p99 stays under P99 (ms)
	$(BIN)/python -m tests.load limit --p99 $(P99) $(LOAD)

bench: $(VENV)/test.stamp $(CHECKPOINT) ## time the service and the step beside others (needs wrk): BENCH="--rounds 3 services"
	$(BIN)/python -m tests.benchmarks $(BENCH)

bench-peers: $(VENV)/test.stamp $(CHECKPOINT) ## time the service beside other model servers, installed into PEERS (5.4 GB, .peers)
	$(BIN)/python -m tests.benchmarks peers --peers $(PEERS) $(BENCH)

build: $(VENV)/test.stamp $(CHECKPOINT) ## pack code and checkpoint into a Bento
	$(BIN)/bentoml build

container: build ## make a container image of the newest Bento (needs docker): TORCH=cu130 IMAGE=elman:gpu for a GPU
	cd / && "$(CURDIR)/$(BIN)/bentoml" containerize elman:latest -t $(IMAGE) --opt build-arg=TORCH=$(TORCH) $(DOCKER_OPTIONS)

test-container: container ## build the image, run it, stop and kill it under load, and see that nothing was lost
	TEST_IMAGE=$(IMAGE) $(BIN)/python -m pytest tests/e2e/test_container.py

clean: ## remove the virtual environment and everything that was trained
	rm -rf $(VENV) models/checkpoints/*.safetensors models/checkpoints/*.json models/checkpoints/*.png models/checkpoints/*.html

$(CHECKPOINT): | $(VENV)/serve.stamp
	@$(MAKE) --no-print-directory train

$(VENV)/serve.stamp: service/requirements.txt training/requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r training/requirements.txt
	@touch $@

$(VENV)/test.stamp: $(VENV)/serve.stamp tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@
