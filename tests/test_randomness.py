import torch

from molgen.randomness import NoiseBlock, NoiseSource


def block(seed: int, size: int, atoms: int, rows: slice = slice(None)) -> NoiseBlock:
    return NoiseBlock(torch.Generator().manual_seed(seed), size, atoms, rows)


def draws(blocks: list[NoiseBlock], atoms: int) -> list[torch.Tensor]:
    """Normals, uniforms, normals of structures and atoms: order matters, because all come from the same streams."""
    source = NoiseSource(blocks)
    return [source.normal(atoms, 4), source.uniform(), source.normal_structures(9), source.normal(atoms, 2)]


def test_rows_of_a_block_are_rows_of_the_whole():
    whole = draws([block(1, 7, 5)], 5)
    for rows in (slice(0, 3), slice(3, 7), slice(1, None, 2)):
        for part, full in zip(draws([block(1, 7, 5, rows)], 5), whole, strict=True):
            assert torch.equal(part, full[rows])


def test_merging_blocks_changes_nothing_but_padding():
    first, second = draws([block(1, 3, 4)], 4), draws([block(2, 2, 6)], 6)
    merged = draws([block(1, 3, 4), block(2, 2, 6)], 6)
    for both, a, b in zip(merged, first, second, strict=True):
        assert torch.equal(both[3:], b)
        assert torch.equal(both[:3, :4] if both.dim() == 3 else both[:3], a)
        assert both.dim() < 3 or not both[:3, 4:].any()


def test_a_batch_split_in_two_is_the_batch():
    whole = draws([block(9, 6, 3)], 3)
    halves = [draws([block(9, 6, 3, rows)], 3) for rows in (slice(0, 2), slice(2, 6))]
    for full, a, b in zip(whole, *halves, strict=True):
        assert torch.equal(torch.cat([a, b]), full)


def test_uniform_is_float64_in_its_range_and_normal_has_the_dtype_asked_for():
    source = NoiseSource([block(0, 1000, 1)], dtype=torch.float64)
    uniform = source.uniform()
    assert uniform.dtype == torch.float64
    assert 0.0 <= float(uniform.min()) < 0.02
    assert 0.98 < float(uniform.max()) < 1.0
    assert source.normal(1, 3).dtype == torch.float64


def test_seeded_is_reproducible_and_len_counts_wanted_rows():
    a, b, c = (NoiseSource.seeded(seed, 4, 2).normal(2, 3) for seed in (5, 5, 6))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert len(block(0, 7, 1, slice(1, None, 3))) == 2


def class_draws(blocks: list[NoiseBlock], atoms: int) -> list[torch.Tensor]:
    """Per atom, per pair, normals, per atom: order matters here too."""
    source = NoiseSource(blocks)
    return [
        source.uniform_atoms(atoms),
        source.uniform_pairs(atoms),
        source.normal(atoms, 1),
        source.uniform_atoms(atoms),
    ]


def test_uniform_draws_of_atoms_and_pairs_do_not_depend_on_the_batch():
    whole = class_draws([block(3, 6, 4)], 4)
    for rows in (slice(0, 2), slice(2, 6), slice(1, None, 2)):
        for part, full in zip(class_draws([block(3, 6, 4, rows)], 4), whole, strict=True):
            assert torch.equal(part, full[rows])
    merged = class_draws([block(3, 6, 4), block(4, 2, 7)], 7)
    for both, alone in zip(merged, whole, strict=True):
        inner = both[:6, :4, :4] if both.dim() == 3 and both.shape[2] == 7 else both[:6, :4]
        assert torch.equal(inner, alone)
        outside = both[:6].clone()
        outside[:, :4] = 0
        assert not outside.any()
    for both, alone in zip(merged, class_draws([block(4, 2, 7)], 7), strict=True):
        assert torch.equal(both[6:], alone)


def test_uniform_draws_of_pairs_are_symmetric_and_uniform():
    u = NoiseSource([block(5, 400, 9)], dtype=torch.float64).uniform_pairs(9)
    assert torch.equal(u, u.mT)
    assert not u.diagonal(dim1=1, dim2=2).any()
    values = u[:, *torch.triu_indices(9, 9, 1)].flatten()
    assert 0.0 <= float(values.min()) <= float(values.max()) < 1.0
    shares = torch.histc(values, 10, 0.0, 1.0) / len(values)
    assert float((shares - 0.1).abs().max()) < 5 * 0.3 / len(values) ** 0.5  # five standard errors
    atoms = NoiseSource([block(5, 400, 9)]).uniform_atoms(9)
    assert atoms.dtype == torch.float32
    assert len(atoms.unique()) > 3500


def test_one_draw_for_all_is_the_same_for_every_part_and_moves_the_stream_on():
    sources = [NoiseSource([block(1, 7, 5, rows)]) for rows in (slice(None), slice(0, 3), slice(3, 7))]
    assert len({source.uniform_of_all() for source in sources}) == 1
    after = [source.uniform() for source in sources]
    assert torch.equal(torch.cat(after[1:]), after[0])
    fresh = NoiseSource([block(1, 7, 5)])
    assert fresh.uniform_of_all() == float(NoiseSource([block(1, 7, 5)]).uniform()[0])


def test_some_structures_get_what_they_would_get_in_the_whole():
    def source():
        return NoiseSource.seeded(3, 6, 4)

    rows = torch.tensor([4, 1])
    whole, part = source(), source().of(rows)
    for draw in (
        lambda s: s.normal(4, 3),
        lambda s: s.uniform(),
        lambda s: s.uniform_atoms(4),
        lambda s: s.normal_structures(2),
        lambda s: s.uniform_pairs(4),
    ):
        assert torch.equal(draw(part), draw(whole)[rows])
    assert torch.equal(source().of(rows).of(torch.tensor([1])).uniform(), source().uniform()[1:2])
