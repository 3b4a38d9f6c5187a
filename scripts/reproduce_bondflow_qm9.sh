#!/usr/bin/env bash
# Makes checkpoints/bondflow_qm9 and the tables on BondFlow from the QM9 data set: three hours on two cores; continues when run again.
# Usage: scripts/reproduce_bondflow_qm9.sh [SOURCE]    SOURCE: a local copy of QM9; without it QM9 is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=PASSIVE
molgen=.venv/bin/molgen
first=runs/bondflow_qm9 run=runs/bondflow_qm9_fine published=checkpoints/bondflow_qm9
# Two runs, because the first showed that Muon without weight decay lets the matrices grow: the second goes on from its weights.
train_first="molgen train bondflow_qm9 training.steps=9400 training.muon_weight_decay=0 --out $first --precision bf16-mixed --seed 0"
train="molgen train bondflow_qm9 --init $first training.steps=8000 training.muon_learning_rate=2e-3 training.learning_rate=5e-4 training.decay=cosine --out $run --precision bf16-mixed --seed 1"
results=$run/results
mkdir -p "$results"

[ -d data/qm9-bonds ] || $molgen data prepare qm9 --bonds ${1:+--source "$1"}
go_on() { # run folder, command to begin with
  if [ -f "$1/checkpoints/last.ckpt" ]; then .venv/bin/${2/--init $first /} --resume; else .venv/bin/$2; fi
}
go_on "$first" "$train_first"
go_on "$run" "$train"

# Weights are rounded to bfloat16, so they are published first: what is scored is what is published.
[ -f "$published/model.safetensors" ] || $molgen publish "$run" "$published" --bf16 --command "$train_first && $train"

sample() { # name, number, steps
  local code=0
  $molgen sample "$published" -n "$2" --steps "$3" --seed 0 --precision bf16 -o "$results/$1.sdf" || code=$?
  [ "$code" = 0 ] || [ "$code" = 5 ] # 5: a few molecules were not finite and are listed in the sidecar
}
score() { # name, protocols, further arguments
  local name=$1 protocols=$2; shift 2
  [ -s "$results/$name.score.json" ] && return
  $molgen score "$results/$name.sdf" --protocol "$protocols" "$@" --out "$results/$name.csv" --json >"$results/$name.part"
  mv "$results/$name.part" "$results/$name.score.json"
}
for steps in 5 10 20 50 100; do
  sample "steps_$steps" 10000 "$steps"
  score "steps_$steps" edm,explicit,explicit-legacy,xyz2mol --reference qm9-bonds --distributions
done
# Relaxing is slow, so it sees fewer molecules, in a file of their own.
sample strain 1000 50
score strain mmff94s,posebusters

scores=()
for file in "$results"/*.score.json; do scores+=(--scores "$file"); done
$molgen publish "$published" "${scores[@]}"
.venv/bin/python scripts/fill_tables.py --run "$first" "$run"
