"""The Wyckoff Transformer: sets without order, probabilities that add up to one, samples that follow them."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from molgen.models import wyformer_sampling
from molgen.models.gene_features import CELL_NUMBERS, cell_numbers, cells_of, element_marks
from molgen.models.gene_vocabulary import Placed
from molgen.models.wyformer_likelihood import log_prob, orbit_log_prob
from molgen.models.wyformer_sampling import distinct, draw, draws_per_gene
from molgen.networks.set_transformer import Dropout, SetTransformer
from molgen.randomness import NoiseBlock, NoiseSource
from molgen.sampling.wanted_genes import AtomsAndElements
from molgen.symmetry.batch import GeneBatch
from molgen.symmetry.gene import Gene
from tests.models.conftest import SUMMARY

GENES = [
    Gene(225, ((6, 0), (8, 1))),
    Gene(47, ((1, 3), (6, 0), (8, 8), (8, 8))),
    Gene(2, ((6, 8), (7, 0), (9, 8))),
    Gene(6, ((8, 0),)),
]


@pytest.fixture
def model(make):
    return make("wyformer", heads=3, expansion=2).eval()


def cells(count):
    lengths = torch.tensor([[4.0, 5.0, 6.0]]).expand(count, 3)
    return torch.cat([lengths, torch.full((count, 3), 90.0)], dim=1)


def batch_of(genes):
    batch = GeneBatch.from_genes(genes)
    return replace(batch, cells=cells(len(genes)), properties={"band_gap": torch.arange(len(genes)) * 0.3})


def toy(make, most_atoms=3, elements=(6, 8)):
    """A model whose genes can all be listed."""
    data = replace(
        SUMMARY, elements=elements, element_counts=(1,) * len(elements), size_histogram=(0, *[1] * most_atoms)
    )
    return make("wyformer", data=data, heads=3, expansion=2, layers=1).eval()


def all_genes(number, elements, most_atoms):
    """Every possible gene of a group: by brute force over multisets."""
    group = Gene(number, ()).group
    kinds = [(z, k) for z in elements for k in range(len(group.positions))]
    for count in range(1, most_atoms + 1):
        for orbits in itertools.combinations_with_replacement(kinds, count):
            gene = Gene(number, orbits)
            if not gene.problem() and len(gene.numbers) <= most_atoms:
                yield gene


def noise(size, width=40, seed=3):
    return NoiseSource.seeded(seed, size, width)


def test_order_of_orbits_never_changes_a_probability(model):
    placed = model.encode(batch_of([GENES[1]]))
    element, place = torch.tensor([2]), torch.tensor([9])
    with torch.no_grad():
        values = [
            orbit_log_prob(
                model,
                Placed(
                    groups=placed.groups,
                    mask=placed.mask,
                    elements=placed.elements[:, list(order)],
                    places=placed.places[:, list(order)],
                ),
                element,
                place,
            )
            for order in itertools.permutations(range(4))
        ]
    torch.testing.assert_close(torch.cat(values), values[0].expand(len(values)), rtol=0, atol=1e-12)


def test_padding_and_company_change_nothing(model):
    together, _ = log_prob(model, batch_of(GENES), noise(4))
    alone = [log_prob(model, batch_of([gene]), noise(1))[0] for gene in GENES]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-9)


@pytest.mark.parametrize("number", [2, 6, 47])
def test_probabilities_of_all_genes_add_up_to_one(make, number):
    most = 2 if number == 47 else 3
    model = toy(make, most)
    genes = list(all_genes(number, (6, 8), most))
    with torch.no_grad():
        values, exact = log_prob(model, GeneBatch.from_genes(genes), noise(len(genes)))
    assert exact.all()
    assert float(values.exp().sum()) == pytest.approx(1.0, abs=1e-9)


def test_samples_follow_the_probabilities(make):
    model = toy(make, most_atoms=2)
    genes = list(all_genes(2, (6, 8), 2))
    count = 40_000
    groups = torch.full((count,), 2)
    source = NoiseSource([NoiseBlock(torch.Generator().manual_seed(8), count, draws_per_gene(model))], torch.float64)
    with torch.inference_mode():
        expected = log_prob(model, GeneBatch.from_genes(genes), noise(len(genes)))[0].exp() * count
        drawn = draw(model, groups, AtomsAndElements(table=model.vocabulary, atoms=(1, 2)), source)
    assert not drawn.stuck.any()
    placed = drawn.placed
    made = GeneBatch(
        mask=placed.mask,
        groups=groups,
        elements=model.vocabulary.elements[placed.elements] * placed.mask,
        places=placed.places,
        cells=torch.zeros(count, 6),
    ).to_genes()
    counts = Counter(gene.orbits for gene in made)
    assert sum(counts.values()) == sum(counts[gene.orbits] for gene in genes) == count
    observed = torch.tensor([float(counts[gene.orbits]) for gene in genes], dtype=torch.float64)
    often = expected > 10
    chi2 = float(((observed - expected).square() / expected)[often].sum())
    degrees = int(often.sum())
    assert chi2 < degrees + 5 * (2 * degrees) ** 0.5


def test_the_bound_of_random_orders_is_near_and_the_loss_its_average(make, monkeypatch):
    model = toy(make, most_atoms=4)
    gene = Gene(2, ((6, 0), (8, 3), (8, 8)))
    batch = GeneBatch.from_genes([gene])
    with torch.no_grad():
        exact, _ = log_prob(model, batch, noise(1))
        monkeypatch.setattr("molgen.models.wyformer_likelihood.MOST_PARTS", 0)
        monkeypatch.setattr("molgen.models.wyformer_likelihood.ORDERS", 400)
        bound, is_exact = log_prob(model, batch, noise(1))
    assert not is_exact.any()
    assert float(bound) == pytest.approx(float(exact), abs=0.05)


def test_loss_is_an_unbiased_estimate_of_the_entropy_in_random_order(make):
    """Against the mean over all orders and stages, element by element."""
    model = toy(make, most_atoms=4)
    gene = Gene(2, ((6, 0), (8, 3), (8, 8)))
    placed = model.encode(GeneBatch.from_genes([gene]))
    totals = []
    for order in itertools.permutations(range(3)):
        total = 0.0
        for stage in range(4):
            taken = list(order[:stage])
            part = Placed(
                groups=placed.groups,
                mask=torch.ones(1, stage, dtype=torch.bool),
                elements=placed.elements[:, taken],
                places=placed.places[:, taken],
            )
            ends = stage == 3
            element = torch.tensor([model.vocabulary.end]) if ends else placed.elements[:, order[stage]]
            place = torch.tensor([0]) if ends else placed.places[:, order[stage]]
            with torch.no_grad():
                total -= float(orbit_log_prob(model, part, element, place))
        totals.append(total)
    batch = GeneBatch.from_genes([gene] * 6000)
    with torch.no_grad():
        losses = model.loss(batch, NoiseSource.seeded(1, 6000, 3))
    nats = sum(float(losses[f"{name}_loss"]) for name in ("element", "site", "enumeration"))
    assert nats == pytest.approx(sum(totals) / len(totals), rel=0.03)


def test_answers_to_a_query_do_not_depend_on_other_queries(generator):
    network = SetTransformer(12, 2, 2, 3, 2).double()
    tokens = torch.randn(2, 4, 12, generator=generator, dtype=torch.float64)
    queries = torch.randn(2, 3, 12, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    with torch.no_grad():
        together = network.read(queries, network.remember(tokens, mask, Dropout()), Dropout())
        alone = network.read(queries[:, 1:2], network.remember(tokens, mask, Dropout()), Dropout())
        padded = network.read(queries[:1], network.remember(tokens[:1, :2], mask[:1, :2], Dropout()), Dropout())
    torch.testing.assert_close(together[:, 1:2], alone)
    torch.testing.assert_close(together[:1], padded)


def test_dropout_repeats_with_its_generator_and_keeps_the_mean():
    x = torch.ones(200, 300)
    first, second = (Dropout(0.25, torch.Generator().manual_seed(4))(x) for _ in range(2))
    assert torch.equal(first, second)
    assert float(first.mean()) == pytest.approx(1.0, abs=0.01)
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.01)


def test_training_loss_repeats_and_differs_from_that_without_dropout(model):
    batch = batch_of(GENES)
    losses = [float(model.train(mode).loss(batch, noise(4, 4))["loss"]) for mode in (True, True, False)]
    assert losses[0] == losses[1] != losses[2]


def test_shifted_origins_have_the_same_cell_and_are_seen_in_training(model):
    clean = model.encode(batch_of([GENES[0]] * 50))
    places = model._described_anew(clean, noise(50, 2))
    assert {tuple(row) for row in places.tolist()} == {(0, 1), (1, 0)}


def test_cells_and_their_numbers():
    made = torch.tensor([[4.0, 5.0, 6.0, 80.0, 95.0, 100.0], [3.0, 3.0, 9.0, 90.0, 90.0, 120.0]], dtype=torch.float64)
    atoms, groups = torch.tensor([3, 7]), torch.tensor([2, 166])
    numbers = cell_numbers(made, atoms, groups)
    assert set(numbers) == set(CELL_NUMBERS)
    torch.testing.assert_close(cells_of(numbers, atoms, groups), made)
    volume = 3.0 * 3.0 * 9.0 * 3**0.5 / 2 / 3 / 7
    assert float(numbers["log_volume_per_atom"][1].exp()) == pytest.approx(volume)


def test_predicted_cells_are_those_of_three_vectors_that_the_group_allows():
    """Whatever the network says of the cosines."""
    numbers = {name: torch.full((2,), -2.0, dtype=torch.float64) for name in CELL_NUMBERS}
    triclinic, hexagonal = cells_of(numbers, torch.tensor([1, 1]), torch.tensor([1, 194])).tolist()
    assert hexagonal[0] == pytest.approx(hexagonal[1])
    assert hexagonal[3:] == pytest.approx([90, 90, 120])
    x, y, z = (math.cos(math.radians(angle)) for angle in triclinic[3:])
    skew = 1 - x * x - y * y - z * z + 2 * x * y * z
    assert math.prod(triclinic[:3]) * skew**0.5 == pytest.approx(math.exp(-2.0))


def test_what_is_read_where_a_gene_ends_is_what_is_predicted_of_the_whole(model):
    drawn = draw(
        model.eval(),
        torch.tensor([225, 1, 62, 225] * 5),
        AtomsAndElements(table=model.vocabulary, atoms=(1, 3)),
        noise(20, draws_per_gene(model)),
    )
    placed = drawn.placed
    expected = model.described(placed.groups, *model.remember(placed, Dropout()))
    torch.testing.assert_close(drawn.properties, expected.to(drawn.properties))


def test_properties_are_learned_from_complete_genes_only(model):
    """A gene of which orbits are missing says nothing of the whole."""
    batch = batch_of(GENES)
    model.train()
    losses = model.loss(batch, noise(4, 4))
    assert torch.isfinite(losses["loss"])
    unknown = replace(batch, properties={"band_gap": torch.full((4,), torch.nan)}, cells=torch.full((4, 6), torch.nan))
    assert float(model.loss(unknown, noise(4, 4))["property_loss"]) == 0.0


def test_predicted_properties_are_in_their_own_units(model):
    predicted = model.predict(batch_of(GENES))
    assert list(predicted) == list(model.data.property_names)
    assert all(value.shape == (4,) for value in predicted.values())


@pytest.mark.parametrize(
    ("z", "period", "group"),
    [
        (1, 1, 1),
        (2, 1, 18),
        (6, 2, 14),
        (17, 3, 17),
        (26, 4, 8),
        (57, 6, 19),
        (70, 6, 19),
        (71, 6, 3),
        (79, 6, 11),
        (92, 7, 19),
    ],
)
def test_periods_and_groups(z, period, group):
    (marks,) = element_marks([z]).tolist()
    assert [k for k, mark in enumerate(marks) if mark] == [period - 1, 6 + group]


def test_what_is_alike_is_asked_once(make, monkeypatch):
    """And what is drawn is the same as when every gene is asked about by itself."""
    model = toy(make)
    wanted = AtomsAndElements(table=model.vocabulary, atoms=(1, 3), elements=None)
    groups, asked = torch.tensor([2, 47, 47, 6] * 60), []
    remember = model.network.remember
    monkeypatch.setattr(model.network, "remember", lambda *given: asked.append(len(given[0])) or remember(*given))
    with torch.inference_mode():
        few = draw(model, groups, wanted, noise(len(groups), draws_per_gene(model)))
        sizes = list(asked)
        every = torch.arange(len(groups))
        monkeypatch.setattr(wyformer_sampling, "distinct", lambda keys: (every[: len(keys)], every[: len(keys)]))
        all_of_them = draw(model, groups, wanted, noise(len(groups), draws_per_gene(model)))
    assert sizes[0] == 3
    assert sizes[1] < 120
    assert torch.equal(few.placed.elements, all_of_them.placed.elements)
    assert torch.equal(few.placed.places, all_of_them.placed.places)
    torch.testing.assert_close(few.log_prob, all_of_them.log_prob)
    torch.testing.assert_close(few.properties, all_of_them.properties)


def test_distinct_rows():
    keys = torch.tensor([7, 3, 7, 7, 3, -1])
    first, which = distinct(keys)
    assert torch.equal(keys[first][which], keys)
    assert len(first) == 3
    first, which = distinct(torch.arange(5))
    assert torch.equal(first, which)
