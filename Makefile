# `make run` does the main job on what ships in the repository; `make test` runs every test. Both make .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
N ?= 200

.PHONY: run test lint env clean

# Samples the shipped EDM, writes an SDF file, scores it against the molecules it was trained on, prints the tables and
# writes a report to open in a browser.
run: env
	$(BIN)/molgen sample checkpoints/edm_qm9 -n $(N) --steps 100 --solver dpm_sde --spacing 2 -o out/edm_qm9.sdf --overwrite
	$(BIN)/molgen score out/edm_qm9.sdf --protocol edm,explicit,xyz2mol,mmff94s --reference checkpoints/edm_qm9 --out out/edm_qm9_rows.csv --overwrite
	$(BIN)/molgen report out/edm_qm9_rows.csv -o out/edm_qm9_report.html --overwrite

# One process per core with one thread each: threads of several processes on the same cores only wait for each other.
test: env
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

env: $(STAMP)

# torch first and by exact version: a bare `torch` would pull gigabytes of CUDA packages.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) out build *.egg-info
