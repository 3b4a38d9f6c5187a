#!/usr/bin/env bash
# Makes the scoring tables of docs/results.md: real molecules and samples under every protocol. Hours on two cores; continues when run again.
# Usage: scripts/reproduce_scoring.sh SAMPLES.sdf DRUGS.extxyz [WORKERS]
#   SAMPLES.sdf: of `molgen sample checkpoints/edm_qm9 -n 10000 --steps 100 --solver dpm_sde --spacing 2 --precision bf16 -o SAMPLES.sdf`
#   DRUGS.extxyz: the drug-like conformers
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
molgen=.venv/bin/molgen out=runs/scoring workers=${3:-2}
mkdir -p "$out"
GRAPH=edm,explicit,explicit-sulfoxide,explicit-legacy,xyz2mol,openbabel

score() { # name, protocols, further arguments
  local name=$1 code=0; shift
  [ -f "$out/$name.csv.json" ] && return
  { time $molgen score --workers "$workers" --out "$out/$name.csv" --protocol "$@" >"$out/$name.txt"; } 2>"$out/$name.log" || code=$?
  [ "$code" = 0 ] || [ "$code" = 5 ]
}
# The first structures of a set; the slow protocols take seconds each, so they see a part.
part() { [ -f "$3" ] || .venv/bin/python scripts/draw_structures.py "$1" -n "$2" --seed 0 -o "$3"; }

part qm9:test 1000 "$out/qm9_test_1000.extxyz"
part "$1" 1000 "$out/samples_1000.sdf"
part "$2" 50 "$out/drugs_50.extxyz"
score qm9_test "$GRAPH" qm9:test --reference qm9 --distributions
score samples "$GRAPH" "$1" --reference qm9 --distributions
score qm9_test_xyz2mol explicit,explicit-legacy qm9:test --bonds xyz2mol
score drugs "$GRAPH" "$2" --bonds xyz2mol
score qm9_test_slow posebusters,mmff94s "$out/qm9_test_1000.extxyz" --bonds xyz2mol
score samples_slow posebusters,mmff94s "$out/samples_1000.sdf"
score drugs_slow posebusters,mmff94s "$out/drugs_50.extxyz" --bonds xyz2mol
for name in qm9_test_1000.extxyz samples_1000.sdf drugs_50.extxyz; do
  part "$out/$name" "$([ "${name/_*/}" = drugs ] && echo 20 || echo 100)" "$out/xtb_${name/_*/}.${name##*.}"
  score "xtb_${name/_*/}" gfn2-xtb "$out/xtb_${name/_*/}.${name##*.}" --bonds "$([ "${name##*.}" = sdf ] && echo auto || echo xyz2mol)" --timeout 300
done
