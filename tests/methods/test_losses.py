import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from videossl.methods.losses import (
    EMPTY,
    accuracy,
    effective_rank,
    false_negatives,
    logits,
    looked_at,
    mixed_cross_entropy,
    multi_positive_cross_entropy,
    neighbours,
    spread,
)
from videossl.seeding import torch_rng


def naive(query, keys, queue, r, lam, temperature, mask) -> float:  # type: ignore[no-untyped-def]
    """P eq. 6 with plain numbers: one row, one target, one negative after the other."""
    total = 0.0
    for i in range(len(query)):
        columns = [*keys, *(queue.T if queue is not None else [])]
        kept = [j for j in range(len(columns)) if mask is None or not mask[i][j]]
        similar = {j: sum(a * b for a, b in zip(query[i].tolist(), columns[j].tolist(), strict=True)) for j in kept}
        scale = sum(math.exp(similar[j] / temperature) for j in kept)
        weight = lam if isinstance(lam, float) else lam[i].item()
        for target, share in ((i, weight), (int(r[i]), 1 - weight)):
            total -= share * math.log(math.exp(similar[target] / temperature) / scale)
    return total / len(query)


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 5),
    slots=st.integers(0, 4),
    a_sample=st.booleans(),
    masked=st.booleans(),
    temperature=st.sampled_from([0.07, 0.2, 1.0]),
)
def test_loss_equals_naive_loops(seed: int, batch: int, slots: int, a_sample: bool, masked: bool, temperature: float) -> None:
    rng = torch_rng(seed)
    query, keys = (normalize(torch.randn(batch, 6, generator=rng)) for _ in range(2))
    queue = normalize(torch.randn(6, slots, generator=rng), dim=0) if slots else None
    r = torch.randperm(batch, generator=rng)
    lam = torch.rand(batch, generator=rng, dtype=torch.float64) if a_sample else float(torch.rand((), generator=rng))
    mask = torch.rand(batch, batch + slots, generator=rng) < 0.5 if masked else None
    if mask is not None:  # a target is never masked
        mask[torch.arange(batch), torch.arange(batch)] = False
        mask[torch.arange(batch), r] = False
    loss = mixed_cross_entropy(logits(query, keys, queue, temperature, mask), r, lam)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(naive(query, keys, queue, r, lam, temperature, mask), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.07, 0.2])
def test_with_negatives_of_the_queue_alone_the_loss_is_lightlys(temperature: float) -> None:
    from lightly.loss import NTXentLoss

    rng = torch_rng(3)
    query, keys = (normalize(torch.randn(5, 16, generator=rng)) for _ in range(2))
    theirs = NTXentLoss(temperature, memory_bank_size=(7, 16))
    theirs(query.clone().requires_grad_(), keys)  # fills its bank
    queue = normalize(torch.randn(16, 7, generator=rng), dim=0)
    theirs.memory_bank.bank = queue.T
    others = torch.cat([~torch.eye(5, dtype=torch.bool), torch.zeros(5, 7, dtype=torch.bool)], dim=1)
    ours = mixed_cross_entropy(logits(query, keys, queue, temperature, others), torch.arange(5), 1.0)
    assert ours.item() == pytest.approx(theirs(query, keys).item(), abs=1e-6)


def test_worked_out_by_hand() -> None:
    e1, e2 = torch.eye(2)
    query, keys = torch.stack([e1, e2]), torch.stack([e1, e2])
    swap = torch.tensor([1, 0])
    hit, miss = math.log(1 + math.exp(-1)), math.log(1 + math.e)  # CE of the similar and of the other key
    assert mixed_cross_entropy(logits(query, keys, None, 1.0), swap, 1.0).item() == pytest.approx(hit)
    assert mixed_cross_entropy(logits(query, keys, None, 1.0), swap, 0.0).item() == pytest.approx(miss)
    assert mixed_cross_entropy(logits(query, keys, None, 1.0), swap, 0.75).item() == pytest.approx(0.75 * hit + 0.25 * miss)
    a_row = torch.tensor([1.0, 0.0])
    assert mixed_cross_entropy(logits(query, keys, None, 1.0), swap, a_row).item() == pytest.approx((hit + miss) / 2)


def test_without_information_the_loss_is_the_logarithm_of_the_number_of_keys() -> None:
    query = torch.zeros(4, 3)
    loss = mixed_cross_entropy(logits(query, torch.randn(4, 3), torch.randn(3, 12), 0.07), torch.tensor([1, 2, 3, 0]), 0.3)
    assert loss.item() == pytest.approx(math.log(16))


def test_gradient_reaches_the_query_and_no_key() -> None:
    query = torch.randn(3, 4, requires_grad=True)
    keys = torch.randn(3, 4, requires_grad=True)
    mask = torch.zeros(3, 5, dtype=torch.bool)
    mask[0, 4] = mask[1, 3] = True
    mixed_cross_entropy(logits(query, keys, torch.randn(4, 2), 0.07, mask), torch.tensor([2, 0, 1]), 0.6).backward()
    assert keys.grad is None
    assert query.grad is not None and query.grad.isfinite().all() and (query.grad.abs().sum(1) > 0).all()


def test_similarities_stay_in_single_precision_under_autocast() -> None:
    query, keys, queue = torch.randn(3, 8), torch.randn(3, 8), torch.randn(8, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = logits(query, keys, queue, 0.07)
    assert result.dtype == torch.float32
    assert torch.equal(result, logits(query, keys, queue, 0.07))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 6), st.booleans())
def test_false_negatives_equal_naive_loops(seed: int, batch: int, slots: int, mask_same: bool) -> None:
    rng = torch_rng(seed)
    sample = torch.randint(0, 4, (batch,), generator=rng)
    queue_ids = torch.randint(-1, 4, (slots,), generator=rng)
    r = torch.randperm(batch, generator=rng)
    mask = false_negatives(sample, r, queue_ids, mask_same)
    assert mask.shape == (batch, batch + slots)
    for i in range(batch):
        for j, video in enumerate([*sample.tolist(), *queue_ids.tolist()]):
            shown = mask_same and video in (sample[i], sample[r[i]])
            expected = j not in (i, int(r[i])) and (video == EMPTY or shown)
            assert bool(mask[i, j]) == expected, (i, j)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 5), st.integers(1, 6), st.integers(0, 2))
def test_neighbours_and_their_loss_equal_naive_loops(seed: int, rows: int, more: int, count: int, first: int) -> None:
    rng = torch_rng(seed)
    similar = torch.randn(rows, first + rows + more, generator=rng)
    similar[torch.rand(similar.shape, generator=rng) < 0.3] = -torch.inf
    similar.diagonal(first).normal_(generator=rng)
    found = neighbours(similar, count, first)
    own = torch.zeros_like(found)
    own.diagonal(first).fill_(True)
    total = 0.0
    for i, row in enumerate(similar.tolist()):
        candidates = [j for j in range(len(row)) if j != first + i and row[j] > -math.inf]
        wanted = sorted(candidates, key=lambda j: -row[j])[:count]
        assert sorted(wanted) == found[i].nonzero().flatten().tolist()
        whole = math.log(sum(math.exp(value) for value in row))
        total += sum(whole - row[j] for j in [first + i, *wanted]) / (1 + len(wanted))
    assert multi_positive_cross_entropy(similar, own | found).item() == pytest.approx(total / rows, rel=1e-4)


def test_neighbours_by_hand() -> None:
    similar = torch.tensor([[9.0, 1, 3, 2], [0, 9, -torch.inf, -torch.inf]])
    assert neighbours(similar, 1).tolist() == [[False, False, True, False], [True, False, False, False]]
    assert neighbours(similar, 2).tolist() == [[False, False, True, True], [True, False, False, False]], "fewer where there are fewer"
    assert neighbours(similar[1:], 1, first=1).tolist() == [[True, False, False, False]], "the second row of a batch, alone"
    assert neighbours(torch.tensor([[5.0]]), 3).tolist() == [[False]]


def test_several_positives_by_hand() -> None:
    """p = 1/2, 1/4, 1/4: alone ln 2; with the second the mean of ln 2 and ln 4."""
    scores = torch.tensor([[0.5, 0.25, 0.25, 0.0]]).log().requires_grad_()
    alone, two = torch.tensor([[True, False, False, False]]), torch.tensor([[True, True, False, False]])
    assert multi_positive_cross_entropy(scores, alone).item() == pytest.approx(math.log(2))
    assert multi_positive_cross_entropy(scores, two).item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    both = multi_positive_cross_entropy(torch.cat([scores, scores]), torch.cat([alone, two]))
    assert both.item() == pytest.approx((math.log(2) + (math.log(2) + math.log(4)) / 2) / 2), "each row counts the same"
    both.backward()
    assert scores.grad is not None and bool(scores.grad.isfinite().all()) and scores.grad[0, 3] == 0


def test_accuracy_counts_the_heavier_target() -> None:
    scores = torch.tensor([[3.0, 0, 0, 1], [3.0, 0, 0, 1], [0, 0, 0, 9.0]])
    r = torch.tensor([1, 0, 2])
    assert accuracy(scores, r, 1.0).item() == pytest.approx(1 / 3)  # row 0 finds itself
    assert accuracy(scores, r, 0.5).item() == pytest.approx(1 / 3)
    assert accuracy(scores, r, 0.4).item() == pytest.approx(1 / 3)  # row 1 finds its partner
    assert accuracy(scores, r, torch.tensor([0.9, 0.1, 0.5])).item() == pytest.approx(2 / 3)


def test_masked_logits_cost_nothing() -> None:
    scores = torch.tensor([[1.0, 2.0, -torch.inf], [0.5, 0.1, -torch.inf]])
    r = torch.tensor([1, 0])
    torch.testing.assert_close(mixed_cross_entropy(scores, r, 0.3), mixed_cross_entropy(scores[:, :2], r, 0.3))


def test_spread_by_hand() -> None:
    """None where all embeddings are one, a half where two are at right angles, near one for many that have nothing in common."""
    one = torch.tensor([[0.6, 0.8]])
    assert float(spread(one.repeat(5, 1))) == pytest.approx(0, abs=1e-6)
    assert float(spread(torch.eye(2))) == pytest.approx(0.5)
    assert float(spread(torch.cat([one, -one]))) == pytest.approx(1)
    assert float(spread(torch.eye(200))) == pytest.approx(1 - 1 / 200)


def test_the_effective_rank_counts_directions() -> None:
    """RankMe (Garrido et al., ICML 2023): equal rows are of rank 1, n orthogonal ones of rank n; else by the singular values."""
    rng = torch_rng(4)
    assert effective_rank(torch.ones(6, 4)).item() == pytest.approx(1, abs=1e-5)
    assert effective_rank(torch.eye(5, 8)).item() == pytest.approx(5, rel=1e-5)
    assert effective_rank(torch.cat([torch.eye(4)] * 3)).item() == pytest.approx(4, rel=1e-5), "more rows than numbers"
    for shape in ((7, 16), (16, 7)):
        z = normalize(torch.randn(*shape, generator=rng), dim=1)
        shares = torch.linalg.svdvals(z.double()) / torch.linalg.svdvals(z.double()).sum()
        assert effective_rank(z).item() == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares.tolist())), rel=1e-5)


@pytest.mark.parametrize("first", [0, 2])
def test_cosines_of_pairs_are_means_over_what_is_compared(first: int) -> None:
    rng = torch_rng(5)
    query, keys = (normalize(torch.randn(rows, 6, generator=rng)) for rows in (3, 5))
    queue = normalize(torch.randn(6, 2, generator=rng), dim=0)
    mask = torch.zeros(3, 7, dtype=torch.bool)
    mask[0, first + 1] = mask[2, 6] = True
    told = looked_at(logits(query, keys, queue, 0.2, mask), query, first, 0.2)
    cosines = (query @ torch.cat([keys.T, queue], dim=1)).tolist()
    own = [cosines[i][first + i] for i in range(3)]
    others = [[c for j, c in enumerate(row) if j != first + i and not mask[i, j]] for i, row in enumerate(cosines)]
    assert told["positive"].item() == pytest.approx(sum(own) / 3, abs=1e-6)
    assert told["negative"].item() == pytest.approx(sum(sum(row) / len(row) for row in others) / 3, abs=1e-6)
    assert torch.equal(told["spread"], spread(query)) and torch.equal(told["rank"], effective_rank(query))


def test_a_query_with_no_negatives_has_none_to_look_at() -> None:
    told = looked_at(torch.tensor([[5.0, -math.inf]]), torch.ones(1, 2), 0, 0.2)
    assert told["negative"].item() == 0 and told["positive"].item() == pytest.approx(1)
