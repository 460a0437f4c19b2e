"""InfoNCE over the batch, with false negatives masked and negatives gathered from every process."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def info_nce(queries: Tensor, passages: Tensor, query_groups: Tensor, passage_groups: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Mean over queries of ``-log( exp(s(q, p+)/t) / sum_p exp(s(q, p)/t) )`` (InfoNCE; arXiv 2408.10536, sec. 3).

    Args:
        queries: unit vectors ``[q, d]``.
        passages: unit vectors ``[p, d]``: the whole batch's passages.
        query_groups: ``[q]`` ids of each query's passage content.
        passage_groups: ``[p]`` ids of each passage's content. A passage with the query's own id, in whatever
            language, is no negative: it is left out of the sum, the positive excepted.
        positives: ``[q]`` column of each query's positive in ``passages``.
        temperature: t.

    Returns:
        A scalar.
    """
    scores = queries @ passages.T / temperature
    masked = query_groups[:, None] == passage_groups[None, :]
    masked[torch.arange(len(queries), device=scores.device), positives] = False
    return torch.nn.functional.cross_entropy(scores.masked_fill(masked, float("-inf")), positives)


def gather_with_gradient(values: Tensor) -> Tensor:
    """Rows of all processes, in process order, ``[sum of rows, d]``; every process must hold as many rows.

    The backward pass adds up what each process's loss says of the local rows. DDP then averages over
    processes, so a local loss that is a mean over local queries yields the gradient of the global mean.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return values
    return torch.cat(all_gather(values))
