"""InfoNCE with mixed targets (P eq. 2, 3, 6; i-mix, Lee et al., ICLR 2021; docs/methods/moco.md), and with several.

Columns of the logits: the B keys of the batch, then the K keys of the queue. Row i's targets are columns i,
with weight lam, and r(i), with weight 1 - lam; or its own key and those that were mined, equally. Everything
here runs in float32, also under autocast: at temperature 0.07 half precision is too coarse.
"""

from __future__ import annotations

import torch
from torch import Tensor

EMPTY = -1  # the id of a queue slot that holds no key yet


def logits(query: Tensor, keys: Tensor, queue: Tensor | None, temperature: float, mask: Tensor | None = None) -> Tensor:
    """Similarities of each query to all keys, over the temperature: (B, B + K) float32.

    query, keys: (B, D), normalised, keys without gradient; queue: (D, K), normalised, or None; mask: (B, B +
    K) bool, true where a key is no negative: -inf there.
    """
    with torch.autocast(query.device.type, enabled=False):
        columns = keys.detach().float().T
        if queue is not None:
            columns = torch.cat([columns, queue], dim=1)
        result = query.float() @ columns / temperature
    return result if mask is None else result.masked_fill(mask, -torch.inf)


def mixed_cross_entropy(logits: Tensor, r: Tensor, lam: float | Tensor, first: int = 0) -> Tensor:
    """The mean over rows of lam CE(row i, target i) + (1 - lam) CE(row i, target r(i)) (P eq. 6; Algorithm 1,
    line 13).

    logits: (B, B + K); r: (B,) int64; lam: a number, or (B,); both may be on the CPU. Of a part of a batch the logits
    have all columns, `first` is the column of its first row's own key, and r(i) counts in the whole batch.
    """
    log_p = logits.log_softmax(dim=1)
    own = log_p.diagonal(first)
    partner = log_p.gather(1, r.to(logits.device, non_blocking=True)[:, None]).squeeze(1)
    weight = lam.to(logits.device, logits.dtype, non_blocking=True) if isinstance(lam, Tensor) else lam
    return -(weight * own + (1 - weight) * partner).mean()


def neighbours(similarities: Tensor, count: int, first: int = 0) -> Tensor:
    """The `count` most similar keys of each row, its own left out: (B, B + K) bool, true at them (CrosSCLR, Li et al., CVPR 2021).

    similarities: (B, B + K), -inf where a key is no candidate; of a part of a batch `first` is the column of its first row's
    own key. Where a row has fewer candidates than `count`, those there are.
    """
    others = similarities.detach().clone()
    others.diagonal(first).fill_(-torch.inf)
    values, columns = others.topk(min(count, others.shape[1]), dim=1)
    return torch.zeros_like(others, dtype=torch.bool).scatter_(1, columns, values > -torch.inf)


def multi_positive_cross_entropy(logits: Tensor, positives: Tensor) -> Tensor:
    """The mean over rows of -log softmax, itself the mean over the row's positives: -sum(mask log p) / sum(mask), the form of the code
    that Li et al. (CVPR 2021) released.

    logits: (B, B + K), in float32; positives: (B, B + K) bool, at least one a row, none where a logit is -inf.
    """
    log_p = logits.log_softmax(dim=1).masked_fill(~positives, 0)  # 0 times -inf would be no number
    return -(log_p.sum(dim=1) / positives.sum(dim=1)).mean()


def accuracy(logits: Tensor, r: Tensor, lam: float | Tensor, first: int = 0) -> Tensor:
    """The share of rows whose largest logit is the target of the larger weight: own key i if lam >= 0.5, else
    r(i). logits, r, lam, first: as of `mixed_cross_entropy`."""
    own, r = torch.arange(first, first + len(logits), device=logits.device), r.to(logits.device, non_blocking=True)
    if isinstance(lam, Tensor):
        target = torch.where(lam.to(logits.device, logits.dtype, non_blocking=True) >= 0.5, own, r)
    else:
        target = own if lam >= 0.5 else r
    return (logits.detach().argmax(dim=1) == target).float().mean()


def spread(embeddings: Tensor) -> Tensor:
    """The mean squared distance of normalised embeddings (B, D) from their mean: 0 if all are one, near 1 if no two agree."""
    return 1 - embeddings.detach().float().mean(0).square().sum()


def effective_rank(embeddings: Tensor) -> Tensor:
    """RankMe of embeddings (B, D): exp of the entropy of their singular values' shares (Garrido et al., ICML 2023, eq. 1), from 1 to min(B, D)."""
    z = embeddings.detach().double()
    gram = z @ z.T if len(z) <= z.shape[1] else z.T @ z
    values = torch.linalg.eigvalsh(gram.nan_to_num(0, 0, 0)).clamp_min(0).sqrt()  # a loss that is no number is noticed elsewhere
    shares = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    rank: Tensor = torch.special.entr(shares).sum().exp()
    return rank.float()


def looked_at(logits: Tensor, queries: Tensor, first: int, temperature: float) -> dict[str, Tensor]:
    """Scalars that tell how a training goes: "spread" and "rank" of the embeddings, and the mean cosines of "positive" and "negative" pairs.

    logits: (rows, B + K), -inf where a key is no negative; queries: (B, D) of the whole batch; first: the column of the first row's own key.
    """
    logits = logits.detach()
    own = logits.diagonal(first)
    others = logits.nan_to_num(neginf=0).sum(dim=1) - own
    count = (logits > -torch.inf).float().sum(dim=1) - 1  # in float: a sum of bool takes three times as long on the CPU
    return {
        "spread": spread(queries),
        "rank": effective_rank(queries),
        "positive": own.mean() * temperature,
        "negative": (others / count.clamp_min(1)).mean() * temperature,
    }


def false_negatives(sample: Tensor, r: Tensor, queue_ids: Tensor, mask_same: bool = True, mask_batch: bool = False) -> Tensor:
    """The keys that are no negatives of a row: (B, B + K) bool.

    sample: (B,) int64 >= 0, what each row is of: a number for its video, or for the group of videos that were
    cut from one recording; r: (B,) int64; queue_ids: (K,) int64, `EMPTY` for empty slots. Masked are empty
    slots, if `mask_batch` the keys of the batch and, if `mask_same`, keys of the row's number or of its partner's, targets i and r(i) always excepted: a
    mixed query shows both, so other clips of either would be pushed away from themselves.
    """
    ids = torch.cat([sample, queue_ids])
    mask = (ids == EMPTY).expand(len(sample), -1).clone()
    if mask_same:
        mask |= (ids == sample[:, None]) | (ids == sample[r][:, None])
    mask[:, : len(sample)] |= mask_batch
    mask.diagonal().fill_(False)
    return mask.scatter_(1, r[:, None], False)  # both without a wait for the device, which an assignment by index would be
