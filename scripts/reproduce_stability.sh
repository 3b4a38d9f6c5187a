#!/usr/bin/env bash
# S.U.N. rows of the shipped crystal models beside controls, as docs/results.md states them: about 1 CPU hour with CHGNet.
#
#     scripts/reproduce_stability.sh runs/stability [samples of each model] [crystals of each control]
#
# It needs data/mp20 (molgen data prepare mp20). Interrupted, the same command continues.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1
PATH=$PWD/.venv/bin:$PATH
out=${1:?folder}
n=${2:-250}
controls=${3:-200}
workers=${WORKERS:-2}
mkdir -p "$out"

# Exit code 5 says that some crystals are missing or did not converge: they count as what they are.
finished() { "$@" || [ $? -eq 5 ]; }
finished molgen sample checkpoints/crystalflow_mp20 -n "$n" -o "$out/crystalflow.extxyz"
finished molgen sample checkpoints/wyformer_mp20 -n "$n" -o "$out/wyformer.extxyz"
for part in train test; do
    [ -e "$out/$part/moved.extxyz" ] || python scripts/crystal_controls.py "mp20:$part" "$out/$part" --most "$controls"
done
# Few of these: far from any minimum, a relaxation takes ten times as long.
[ -e "$out/few/moved.extxyz" ] || python scripts/crystal_controls.py mp20:test "$out/few" --most $((controls / 4))

for name in train/real test/real test/moved few/uniform_coordinates crystalflow wyformer; do
    flat=${name//\//_}
    [ -e "$out/$flat.relaxed.extxyz" ] ||
        finished molgen relax "$out/$name.extxyz" -o "$out/$flat.relaxed.extxyz" --workers "$workers" --timeout 120
    for hull in mp20_chgnet mp20_all_chgnet; do
        finished molgen score "$out/$flat.relaxed.extxyz" --protocol sun --reference mp20 --hull $hull \
            --out "$out/$flat.$hull.csv" --overwrite --workers "$workers" --json > "$out/$flat.$hull.score.json"
    done
done
python scripts/stability_tables.py "$out"
