#!/usr/bin/env bash
# Makes checkpoints/crystalflow_mp20 and the tables on CrystalFlow from MP-20: four hours on two cores; continues when run again.
# Usage: scripts/reproduce_crystalflow_mp20.sh [SOURCE]    SOURCE: a local copy of MP-20; without it MP-20 is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=PASSIVE
molgen=.venv/bin/molgen
run=runs/crystalflow_mp20_long published=checkpoints/crystalflow_mp20 results=runs/crystalflow_mp20_long/results
mkdir -p "$results"

[ -d data/mp20 ] || $molgen data prepare mp20 ${1:+--source "$1"}
# Weights are rounded to bfloat16, so they are published first: what is scored is what is published.
if [ ! -f "$published/model.safetensors" ]; then
  resume=(); [ -f "$run/checkpoints/last.ckpt" ] && resume=(--resume)
  $molgen train crystalflow_mp20 training.steps=17000 --out "$run" --precision bf16-mixed --seed 0 "${resume[@]}"
  $molgen publish "$run" "$published" --bf16
fi

sample() { # name, further arguments
  local name=$1 code=0; shift
  $molgen sample "$published" --precision bf16 --seed 0 -o "$results/$name.extxyz" "$@" || code=$?
  [ "$code" = 0 ] || [ "$code" = 5 ] # 5: a few crystals could not be written and are listed in the sidecar
}
score() { # name, protocols, further arguments
  local name=$1 protocols=$2; shift 2
  [ -s "$results/$name.score.json" ] && return
  $molgen score "$results/$name.extxyz" --protocol "$protocols" "$@" --out "$results/$name.csv" --json >"$results/$name.part"
  mv "$results/$name.part" "$results/$name.score.json"
}
# Prediction of the whole test part: from noise, and from templates.
for steps in 10 50; do
  sample "match_$steps" --targets mp20:test --steps "$steps"
  score "match_$steps" match,strict --targets mp20:test
done
sample templates --targets mp20:test --templates mp20 --steps 12
score templates match,strict --targets mp20:test
# Generation.
sample free -n 5000
score free cdvae-2021,strict,symmetry --reference mp20 --distributions
sample free_1000 -n 1000
score free_1000 novelty --reference mp20

scores=()
for file in "$results"/*.score.json; do scores+=(--scores "$file"); done
$molgen publish "$published" "${scores[@]}"
.venv/bin/python scripts/fill_tables.py
