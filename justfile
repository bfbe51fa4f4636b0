# Every recipe uses the active environment: `pip install -r config/requirements-dev.lock` first.

# say what there is
default:
    @just --list --unsorted

# one bracket from signal to flat, told as it happens
demo *args:
    python -m engine demo {{ args }}

# run the engine with the embedded exchange
run *args:
    python -m engine run {{ args }}

# run the tests; four workers on any machine: those with real processes mostly wait
test *args:
    python -m pytest -n 4 --dist worksteal {{ args }}

# SIGKILL real engines N times at rows drawn over the journal, and judge what is left (--seed S)
kill-test kills="20" *args:
    python -m tests.killing {{ kills }} {{ args }}

# seeds through simulated faults and crashes, and the kept ones (--replay SEED --why shows one)
chaos seeds="1-300" *args:
    python -m engine chaos --seeds {{ seeds }} --corpus tests/chaos/corpus/seeds.txt {{ args }}

# find each planted bug from fresh seeds (--first SEED), or only those whose kept seed is lost (--renew)
planted *args:
    python -m tests.chaos.planted {{ args }}

# search for so many hours: seeds in every weather, deaths at every act, mutants; failing seeds go into the corpus
night hours="8" *args:
    python -m tests.night --hours {{ trim_start_match(hours, "hours=") }} {{ args }}

# malformed frames and bodies, at our client and at the simulated exchange (--seed S)
fuzz cases="100000" *args:
    python -m tests.fuzz client --cases {{ cases }} {{ args }}
    python -m tests.fuzz exchange --cases {{ cases }} {{ args }}

# how the engine does beside its floor (--json for machines)
bench *args:
    python -m tests.bench {{ args }}

# every gate but the tests
check:
    ruff format --check .
    ruff check .
    mypy engine
    lint-imports
    deptry .
    codespell
    python -m tests.readme --check

# renew the order table and the diagrams in the README, and the pictures of the dashboard (needs Graphviz)
diagrams:
    python -m tests.readme
    python -m tests.browser.diagrams

# write config/kraken.toml anew from config/engine.toml
live-settings:
    python -m tests.live_settings

# put the source into shape
fmt:
    ruff format .
    ruff check --fix .

# renew both locks from pyproject.toml: pinned, hashed, without the address of any index
lock:
    uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --output-file config/requirements.lock
    uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --constraint config/requirements.lock --output-file config/requirements-dev.lock

# which edges of the machines no scenario and no seed has walked
edges *args:
    python -m tests.machines.walking {{ args }}
