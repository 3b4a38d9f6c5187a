#!/usr/bin/env bash
# Makes checkpoints/wyformer_mp20 and the tables on genes from MP-20: two hours of one busy core; continues when run again.
# Usage: scripts/reproduce_wyformer_mp20.sh [SOURCE]    SOURCE: a local copy of MP-20; without it MP-20 is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=PASSIVE
molgen=.venv/bin/molgen
run=runs/wyformer_mp20 published=checkpoints/wyformer_mp20 results=runs/wyformer_mp20/results
mkdir -p "$results"

[ -d data/mp20 ] || $molgen data prepare mp20 ${1:+--source "$1"}
if [ ! -f "$published/model.safetensors" ]; then
  resume=(); [ -f "$run/checkpoints/last.ckpt" ] && resume=(--resume)
  $molgen train wyformer_mp20 --out "$run" --precision bf16-mixed --seed 0 "${resume[@]}"
  $molgen publish "$run" "$published"
fi

scores=()
for temperature in 1.0 0.8 0.7; do
  name=genes_$temperature
  $molgen sample "$published" -n 10000 --seed 0 --set element_temperature=$temperature -o "$results/$name.jsonl"
  [ -s "$results/$name.score.json" ] ||
    $molgen score "$results/$name.jsonl" --protocol genes --reference mp20 --json >"$results/$name.score.json"
  scores+=(--scores "$results/$name.score.json")
done
$molgen publish "$published" "${scores[@]}"
.venv/bin/python scripts/fill_tables.py

# The property head, the round trip, and crystals of 1,000 genes.
.venv/bin/python scripts/gene_properties.py "$published" mp20:test
.venv/bin/python scripts/gene_round_trip.py mp20 --workers 2
head -n 1000 "$results/genes_1.0.jsonl" >"$results/genes_1000.jsonl"
$molgen sample checkpoints/crystalflow_mp20 --genes "$results/genes_1000.jsonl" --precision bf16 -o "$results/crystals_1000.extxyz"
$molgen score "$results/crystals_1000.extxyz" --protocol cdvae-2021,strict,symmetry --reference mp20
