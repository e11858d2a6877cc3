# Two commands do everything on a machine with Python >= 3.11 and make:  make book   and   make test
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS ?= book,test,ieeg
PORT ?= 8000
# Tried in this order; the first that is new enough and can make virtual environments is taken.
PYTHON ?= python3.11 python3.12 python3.13 python3 python
# The exact torch that was tested.
TORCH := $(shell grep '^torch==' constraints.txt)

# The notebooks choose their own drawing backend; one set for scripts would leave the pages without figures.
unexport MPLBACKEND

.DEFAULT_GOAL := help
.PHONY: help book test test-site lint serve record bench address clean

help:
	@echo "make book               install, run every notebook, build the site, print the page to open"
	@echo "make test               run the tests (ARGS='-k rsa' to choose)"
	@echo "make test-site          check the built pages, in headless Chromium if there is one"
	@echo "make serve              show the built site at http://localhost:$(PORT) (PORT=...)"
	@echo "make record             recompute the recorded results that the book falls back on"
	@echo "make bench              run the benchmarks"
	@echo "make lint               check the style of the code"
	@echo "make address URL=...    set the public address of the repository, everywhere"
	@echo "make clean              remove the built site and its cache of executed notebooks"
	@echo
	@echo "Settings:"
	@echo "  PYTHON=...            the Python (3.11 or newer) that $(VENV) is made with"
	@echo "  TORCH_INDEX=...       an index that holds the CPU build of torch (see the install page of PyTorch);"
	@echo "                        without it pip takes the build it is configured to find, on Linux often the"
	@echo "                        CUDA one, which works too and is ten times larger"
	@echo "  EXTRAS=...            extras to install, now $(EXTRAS); more: dask"
	@echo "  NEUROCONVERGE_CACHE   where downloaded data are kept; NEUROCONVERGE_MIRROR: folders looked at first"

# One environment, made once. Torch goes first, on its own, so that TORCH_INDEX serves nothing else.
$(STAMP): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c "" 2>/dev/null; then \
	  for python in $(PYTHON); do \
	    if "$$python" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then \
	      echo "Making $(VENV) with $$("$$python" --version)"; \
	      exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	  done; \
	  echo "No usable Python >= 3.11 among: $(PYTHON)." >&2; \
	  echo "Install one with its venv module, or say where it is: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; \
	fi
	$(BIN)/python -m pip install -q $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) "$(TORCH)"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

# Executed notebooks are cached by their own text alone, so the cache is dropped when what they import or read
# has changed. Pages are always read anew: Sphinx repeats no warning of a page that it takes from its last run,
# and a second build would then pass where the first one failed.
# Progress bars write to stderr, and anything on stderr is a warning, so an error. The IPython profile is made
# here, so that nobody's own start-up files run in the notebooks.
book: $(STAMP)
	@mkdir -p _build
	@{ find src constraints.txt -type f ! -name '*.pyc' | LC_ALL=C sort | xargs cksum; \
	   echo "mirror: $$NEUROCONVERGE_MIRROR"; } > _build/inputs.new
	@cmp -s _build/inputs.new _build/inputs || rm -rf _build/.jupyter_cache
	@mv _build/inputs.new _build/inputs
	@mkdir -p _build/ipython/profile_default
	@echo "c.IPKernelApp.log_level = 40" > _build/ipython/profile_default/ipython_kernel_config.py
	@rm -rf _build/html # a page or picture of an earlier build must not hide that it is missing now
	IPYTHONDIR=$(CURDIR)/_build/ipython TQDM_DISABLE=1 HF_HUB_DISABLE_PROGRESS_BARS=1 \
	  $(BIN)/jupyter-book build . --all -W -n --keep-going
	@echo
	@echo "The book is built. Open $(CURDIR)/_build/html/index.html, or run: make serve"

test: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

test-site: $(STAMP)
	NEUROCONVERGE_REQUIRE_SITE=1 $(BIN)/python -m pytest tests/test_site.py $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .

serve: $(STAMP)
	@test -f _build/html/index.html || { echo "Nothing built yet: run make book first." >&2; exit 1; }
	@echo "http://localhost:$(PORT) (stop with Ctrl-C)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

record: $(STAMP)
	$(BIN)/neuroconverge record
	$(BIN)/python tools/readme_figure.py

bench: $(STAMP)
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

address: $(STAMP)
	@$(BIN)/python tools/set_address.py "$(URL)"

clean:
	rm -rf _build
