#!/usr/bin/env bash
# Makes checkpoints/wyformer_mp20, crystalflow_mp20_genes and what docs/results.md says of genes: three hours of one core; continues when run again.
# Usage: scripts/reproduce_wyformer_mp20.sh [SOURCE]    SOURCE: a local copy of MP-20; without it MP-20 is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=PASSIVE
molgen=.venv/bin/molgen python=.venv/bin/python
run=runs/wyformer_mp20 published=checkpoints/wyformer_mp20 results=runs/wyformer_mp20/results
mkdir -p "$results"

[ -d data/mp20 ] || $molgen data prepare mp20 ${1:+--source "$1"}
if [ ! -f "$published/model.safetensors" ]; then
  resume=(); [ -f "$run/checkpoints/last.ckpt" ] && resume=(--resume)
  $molgen train wyformer_mp20 --out "$run" --precision bf16-mixed --seed 0 "${resume[@]}"
  $molgen publish "$run" "$published" --set sample_unbalanced=0.66
  $python scripts/gene_tables.py "$run"
fi

# Genes: with the data's share of unbalanced ones, from warmer site symmetries, as the network draws them, and balanced.
scores=()
genes() {  # name, options of molgen sample
  $molgen sample "$published" -n 10000 --seed 0 "${@:2}" -o "$results/$1.jsonl"
  [ -s "$results/$1.score.json" ] ||
    $molgen score "$results/$1.jsonl" --protocol genes --reference mp20 --json >"$results/$1.score.json"
}
genes genes
genes genes_site --set site_temperature=1.4
genes genes_raw --set unbalanced=1
genes genes_balanced --charge-balanced
for name in genes genes_site genes_raw; do scores+=(--scores "$results/$name.score.json"); done
$molgen publish "$published" "${scores[@]}"
$python scripts/fill_tables.py

# The property head, and the round trip of every gene.
$python scripts/gene_properties.py "$published" mp20:test
for part in train valid test; do $python scripts/gene_round_trip.py mp20:$part --workers 2; done

# The model that makes crystals of genes, from the weights of one that knows no space groups.
if [ ! -f checkpoints/crystalflow_mp20_genes/model.safetensors ]; then
  realiser=runs/crystalflow_mp20_genes
  more=(--init checkpoints/crystalflow_mp20); [ -f "$realiser/checkpoints/last.ckpt" ] && more=(--resume)
  $molgen train crystalflow_mp20_genes --out "$realiser" --precision bf16-mixed --seed 1 "${more[@]}"
  $molgen publish "$realiser" checkpoints/crystalflow_mp20_genes --bf16
fi

# From genes to crystals: 400 test crystals, and as many of validation, with their own cells, with those predicted, and
# without; and each made once, whether its atoms fall on each other or not.
realised() {  # name, genes, options
  $molgen sample checkpoints/crystalflow_mp20_genes --genes "$2" --precision bf16 "${@:3}" -o "$results/$1.extxyz"
}
for part in test valid; do
  parts=$results/$part.extxyz
  $python -c "import sys, numpy as np; from molgen import io; from molgen.datasets.find import open_dataset
d = open_dataset('mp20'); chosen = np.random.default_rng(0).permutation(d.indices(sys.argv[1]))[:400]
io.write(sys.argv[2], [d.structure(i) for i in chosen])" "$part" "$parts"
  for cells in true none "$published"; do
    name=${part}_$(basename "$cells")
    $python scripts/genes_of_crystals.py "$parts" "$results/$name.jsonl" --cells "$cells"
    realised "$name" "$results/$name.jsonl"
  done
  realised "${part}_one_try" "$results/${part}_true.jsonl" --set symmetric_tries=1
  for name in true none wyformer_mp20 one_try; do
    $molgen score "$results/${part}_$name.extxyz" --protocol match,strict --targets "$parts"
  done
done

# Crystals of the first 1,000 genes.
head -n 1000 "$results/genes.jsonl" >"$results/genes_1000.jsonl"
realised crystals_1000 "$results/genes_1000.jsonl"
$molgen score "$results/crystals_1000.extxyz" --protocol cdvae-2021,strict,symmetry --reference mp20 --json >"$results/crystals_1000.json"
$molgen publish checkpoints/crystalflow_mp20_genes --scores "$results/crystals_1000.json"
