# `make run` does the main job on what ships in the repository, molecules and crystals; `make test` runs every test.
# Both make .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
N ?= 200
CRYSTALS ?= 50
MODEL ?= bondflow_qm9
SAMPLER_edm_qm9 := --steps 100 --solver dpm_sde --spacing 2

.PHONY: run molecules crystals genes polymorphs test lint env clean

run: molecules crystals genes polymorphs

# Samples the shipped BondFlow, writes an SDF file, scores it against the molecules it was trained on, prints the tables
# and writes a report to open in a browser. `make molecules MODEL=edm_qm9` does the same with the shipped EDM.
molecules: env
	$(BIN)/molgen sample checkpoints/$(MODEL) -n $(N) -o out/$(MODEL).sdf --overwrite $(SAMPLER_$(MODEL))
	$(BIN)/molgen score out/$(MODEL).sdf --protocol edm,explicit,xyz2mol,mmff94s --reference checkpoints/$(MODEL) --out out/$(MODEL)_rows.csv --overwrite
	$(BIN)/molgen report out/$(MODEL)_rows.csv -o out/$(MODEL)_report.html --overwrite

# New crystals from the shipped CrystalFlow with their scores and a report; then two structures of a given composition,
# which begin as known compounds that the repository carries, with other elements.
crystals: env
	$(BIN)/molgen sample checkpoints/crystalflow_mp20 -n $(CRYSTALS) -o out/crystals.extxyz --overwrite
	$(BIN)/molgen score out/crystals.extxyz --protocol cdvae-2021,strict,symmetry --out out/crystals_rows.csv --overwrite
	$(BIN)/molgen report out/crystals_rows.csv -o out/crystals_report.html --overwrite
	$(BIN)/molgen sample checkpoints/crystalflow_mp20 --formula Cs2AgBiBr6 --templates embedded-crystals -n 2 --symmetrise 0.1 -o out/Cs2AgBiBr6.cif --overwrite

# Symmetric crystals: genes from the shipped Wyckoff Transformer, each made a crystal whose space group holds by
# construction, and what the symmetry finder says of them.
genes: env
	$(BIN)/molgen sample checkpoints/wyformer_mp20 -n $(CRYSTALS) --max-atoms 12 -o out/symmetric.extxyz --overwrite
	$(BIN)/molgen score out/symmetric.genes.jsonl --protocol genes --out out/genes_rows.csv --overwrite
	$(BIN)/molgen score out/symmetric.extxyz --protocol strict,symmetry --out out/symmetric_rows.csv --overwrite

# Structures of a composition, relaxed by CHGNet, each once, the most stable first; the hull that they are compared with ships.
polymorphs: env
	$(BIN)/molgen sample checkpoints/crystalflow_mp20 --formula TiO2 --num-formula-units 1..2 -n 8 --steps 20 --rank hull --hull mp20_all_chgnet --symmetrise 0.1 --workers 2 -o out/TiO2/ --overwrite || [ $$? -eq 5 ]
	$(BIN)/molgen score out/TiO2.relaxed.extxyz --protocol sun --hull mp20_all_chgnet --out out/TiO2_rows.csv --overwrite
	$(BIN)/molgen report out/TiO2_rows.csv -o out/TiO2_report.html --hull mp20_all_chgnet --before out/TiO2.sampled.extxyz --overwrite

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
