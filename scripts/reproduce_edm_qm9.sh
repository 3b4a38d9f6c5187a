#!/usr/bin/env bash
# Makes checkpoints/edm_qm9 and the rows of docs/results.md from the QM9 data set: hours on two cores.
# Usage: scripts/reproduce_edm_qm9.sh [SOURCE]    SOURCE: a local copy of QM9; without it QM9 is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
molgen=.venv/bin/molgen
run=runs/edm_qm9_small
train="molgen train edm_qm9_small --out $run --precision bf16-mixed --seed 0"
mkdir -p "$run/results"

[ -d data/qm9 ] || $molgen data prepare qm9 ${1:+--source "$1"}
if [ -f "$run/checkpoints/last.ckpt" ]; then resume=--resume; else resume=; fi
.venv/bin/$train $resume
sample() { # solver steps molecules
  local name="$run/results/$1_$2"
  $molgen sample "$run" -n "$3" --solver "$1" --steps "$2" --seed 0 --precision bf16 -o "$name.sdf"
  $molgen score "$name.sdf" --reference qm9 --out "$name.csv" --json >"$name.json"
}
for steps in 50 100 250 1000; do sample ancestral "$steps" 10000; done
for steps in 50 100; do sample ddim "$steps" 10000; sample dpm "$steps" 10000; done
$molgen likelihood "$run" --data qm9:test --json >"$run/results/likelihood.json"
scores=()
for file in "$run"/results/*_*.json; do case "$file" in *.sdf.json) ;; *) scores+=(--scores "$file") ;; esac; done
$molgen publish "$run" checkpoints/edm_qm9 "${scores[@]}" --likelihood "$run/results/likelihood.json" \
  --command "$train" --overwrite
