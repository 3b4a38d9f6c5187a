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
sample() { # solver steps spacing
  local name="$run/results/$1_$2" code=0
  $molgen sample "$run" -n 10000 --solver "$1" --steps "$2" --spacing "$3" --seed 0 --precision bf16 -o "$name.sdf" || code=$?
  [ "$code" = 0 ] || [ "$code" = 5 ] # 5: a few molecules were not finite and are listed in the sidecar
  $molgen score "$name.sdf" --reference qm9 --out "$name.csv" --json >"$name.score.json"
}
for steps in 50 100 250; do sample dpm_sde "$steps" 2; done
for steps in 250 1000; do sample ancestral "$steps" 1; done
$molgen likelihood "$run" --data qm9:test --repeats 3 --json >"$run/results/likelihood.json"
scores=()
for file in "$run"/results/*.score.json; do scores+=(--scores "$file"); done
$molgen publish "$run" checkpoints/edm_qm9 "${scores[@]}" --likelihood "$run/results/likelihood.json" --overwrite
