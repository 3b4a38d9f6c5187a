"""How well a Wyckoff Transformer predicts properties and cells from genes alone, beside the training mean.

python scripts/gene_properties.py checkpoints/wyformer_mp20 mp20:test
"""

import argparse

import torch

from molgen.checkpoint import Checkpoint
from molgen.datasets.find import open_dataset, split_spec
from molgen.datasets.genes import GeneSet
from molgen.models.gene_features import CELL_NUMBERS, cell_numbers

BATCH = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data", help="a data set of crystals, NAME:split")
    given = parser.parse_args()
    checkpoint = Checkpoint.load(given.checkpoint)
    model = checkpoint.build("cpu").eval()
    name, split = split_spec(given.data)
    genes = GeneSet.open(open_dataset(name))
    indices = genes.indices(split or "test")
    predicted: dict[str, list[torch.Tensor]] = {key: [] for key in checkpoint.data.property_names}
    actual: dict[str, list[torch.Tensor]] = {key: [] for key in checkpoint.data.property_names}
    with torch.inference_mode():
        for at in range(0, len(indices), BATCH):
            batch = genes.batch(indices[at : at + BATCH])
            own = cell_numbers(batch.cells, batch.num_atoms, batch.groups)
            made = model.predict(batch)
            for key in predicted:
                predicted[key].append(made[key].double())
                actual[key].append({**batch.properties, **own}[key].double())
    print("| property | genes | MAE | of the training mean | R2 |\n|---|---|---|---|---|")
    for key, mean in zip(checkpoint.data.property_names, checkpoint.data.property_mean, strict=True):
        made, true = torch.cat(predicted[key]), torch.cat(actual[key])
        known = torch.isfinite(true)
        made, true = made[known], true[known]
        residual = 1 - (made - true).square().sum() / (true - true.mean()).square().sum()
        error, baseline = (made - true).abs().mean(), (true - mean).abs().mean()
        print(f"| {key} | {len(true):,} | {error:.4f} | {baseline:.4f} | {residual:.3f} |")
    if set(CELL_NUMBERS) <= set(predicted):
        volume = torch.cat(predicted["log_volume_per_atom"]) - torch.cat(actual["log_volume_per_atom"])
        print(
            f"\nvolumes: |log ratio| median {volume.abs().median():.3f}, worst tenth {volume.abs().quantile(0.9):.3f}"
        )


if __name__ == "__main__":
    main()
