"""What of a molecule is given: how often and what in training, and that it is kept and placed."""

import pytest
import torch

from molgen.models.graph import GraphVocabulary
from molgen.models.known import Known
from molgen.randomness import NoiseSource
from tests.models.conftest import SUMMARY, random_molecules

SHARES = {"formulas": 0.3, "fragments": 0.4}


@pytest.fixture
def clean(generator):
    sizes = torch.randint(1, 9, (1500,), generator=generator).tolist()
    return GraphVocabulary(SUMMARY).encode(random_molecules(sizes, generator))


@pytest.fixture
def known(clean):
    return Known.draw(clean, NoiseSource.seeded(4, *clean.mask.shape), **SHARES)


def test_shares_of_the_tasks(clean, known):
    """To five standard errors of 1,500 draws."""
    mask = clean.mask
    whole = ((known.elements == mask).all(1) & ~known.atoms.any(1)).float().mean()
    part = known.atoms.any(1).float().mean()
    nothing = (~known.elements.any(1)).float().mean()
    assert float(whole) == pytest.approx(0.3, abs=0.06)
    assert float(part) == pytest.approx(0.4, abs=0.065)
    assert float(whole + part + nothing) == pytest.approx(1.0)
    assert not known.atoms[~mask].any()
    assert not known.elements[~mask].any()
    assert torch.equal(known.elements[known.atoms.any(1)], known.atoms[known.atoms.any(1)])


def test_fragments_are_neighbourhoods_of_all_sizes(clean, known):
    counts = {}
    for row in known.atoms.any(1).nonzero().flatten().tolist():
        n, given = int(clean.mask[row].sum()), known.atoms[row].nonzero().flatten()
        counts.setdefault(n, set()).add(len(given))
        distances = torch.cdist(clean.positions[row, :n], clean.positions[row, :n])
        nearest = [set(distances[centre].argsort()[: len(given)].tolist()) for centre in range(n)]
        assert set(given.tolist()) in nearest
    assert counts == {1: {1}, **{n: set(range(1, n)) for n in range(2, 9)}}


def test_every_atom_can_be_the_centre(generator):
    clean = GraphVocabulary(SUMMARY).encode(random_molecules([6] * 600, generator))
    clean = clean.replace(positions=clean.positions[:1].expand(600, -1, -1))
    known = Known.draw(clean, NoiseSource.seeded(0, 600, 6), 0.0, 1.0)
    alone = known.atoms[known.atoms.sum(1) == 1].float().argmax(1)
    assert set(alone.tolist()) == set(range(6))


def test_a_molecules_task_does_not_depend_on_its_batch(clean, known):
    rows = slice(700, 900)
    noise = NoiseSource.seeded(4, *clean.mask.shape, rows=rows)
    part = clean.replace(**{name: value[rows] for name, value in vars(clean).items()})
    again = Known.draw(part, noise, **SHARES)
    assert torch.equal(again.atoms, known.atoms[rows])
    assert torch.equal(again.elements, known.elements[rows])


def test_nothing(clean):
    known = Known.nothing(clean.mask)
    assert not known.atoms.any()
    assert not known.elements.any()
    assert not Known.draw(clean, NoiseSource.seeded(0, *clean.mask.shape), 0.0, 0.0).elements.any()
    assert known.keep(clean, clean.replace(charges=clean.charges * 0)).charges.sum() == 0


def test_keep_puts_the_given_values_in_place(clean, known, generator):
    other = clean.replace(
        positions=torch.randn(clean.positions.shape, generator=generator, dtype=torch.float64),
        elements=clean.elements + 10,
        charges=clean.charges + 10,
        bonds=clean.bonds + 10,
    )
    kept = known.keep(clean, other)
    for name, given in (
        ("positions", known.atoms),
        ("elements", known.elements),
        ("charges", known.atoms),
        ("bonds", known.atoms[:, :, None] & known.atoms[:, None, :]),
    ):
        assert torch.equal(getattr(kept, name)[given], getattr(clean, name)[given]), name
        assert torch.equal(getattr(kept, name)[~given], getattr(other, name)[~given]), name


def test_place_puts_given_atoms_where_they_are_on_average_and_centres_the_rest(clean, known, generator):
    moved = torch.randn(clean.positions.shape, generator=generator, dtype=torch.float64) + 4
    placed = known.place(moved, clean.positions, clean.mask)
    for row in range(60):
        n, given = int(clean.mask[row].sum()), known.atoms[row]
        shift = placed[row, :n] - moved[row, :n]
        torch.testing.assert_close(shift, shift[:1].expand(n, 3))
        if given.any():
            torch.testing.assert_close(placed[row, given].mean(0), clean.positions[row, given].mean(0))
        else:
            assert float(placed[row, :n].mean(0).abs().max()) < 1e-12
        assert not placed[row, n:].any()


def test_restricted_logits_never_choose_what_is_not_allowed(generator):
    logits = torch.randn(2, 3, 4, generator=generator)
    mask = torch.ones(2, 3, dtype=torch.bool)
    assert Known.nothing(mask).restrict(logits) is logits
    allowed = torch.tensor([[True, False, True, False], [False, True, True, True]])
    shares = Known(atoms=~mask, elements=~mask, allowed=allowed).restrict(logits).softmax(-1)
    assert torch.equal(shares > 0, allowed.unsqueeze(1).expand(2, 3, 4))
    kept = logits[0][:, [0, 2]].softmax(-1)
    torch.testing.assert_close(shares[0][:, [0, 2]], kept)
