"""InfoNCE over the batch, with false negatives masked and negatives gathered from every process."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather

NOBODY = -1  # the group of a passage that is there for the shape only: never a negative


LOWEST_TEMPERATURE = 0.01  # of a learned temperature, as in CLIP (arXiv 2103.00020)


def info_nce(
    queries: Tensor,
    passages: Tensor,
    query_groups: Tensor,
    passage_groups: Tensor,
    positives: Tensor,
    temperature: float | Tensor,
) -> Tensor:
    """Mean over queries of ``-log( exp(s(q, p+)/t) / sum_p exp(s(q, p)/t) )`` (InfoNCE; arXiv 2408.10536, sec. 3).

    Args:
        queries: unit vectors ``[q, d]``.
        passages: unit vectors ``[p, d]``: the whole batch's passages.
        query_groups: ``[q]`` ids of each query's passage content.
        passage_groups: ``[p]`` ids of each passage's content. A passage with the query's own id, in whatever
            language, is no negative: it is left out of the sum, the positive excepted; and so is NOBODY's.
        positives: ``[q]`` column of each query's positive in ``passages``.
        temperature: t.

    Returns:
        A scalar.
    """
    scores = queries @ passages.T / temperature
    return nn.functional.cross_entropy(
        scores.masked_fill(left_out(query_groups, passage_groups, positives), float("-inf")),
        positives,
    )


def left_out(query_groups: Tensor, passage_groups: Tensor, positives: Tensor) -> Tensor:
    """``[q, p]``: where a passage is neither the query's positive nor a negative of it. Arguments as in :func:`info_nce`."""
    masked = (query_groups[:, None] == passage_groups[None, :]) | (passage_groups == NOBODY)[
        None, :
    ]
    masked[torch.arange(len(query_groups), device=masked.device), positives] = False
    return masked


class ContrastiveLoss(nn.Module):
    """InfoNCE of a batch that is shared by the processes, in one direction or both.

    Args:
        temperature: t, or where it starts.
        learned: t is a parameter (its logarithm is), kept at or above 0.01.
        bidirectional: the mean of query-to-passage and passage-to-query; explicit negatives take part in the first only.
    """

    def __init__(
        self, temperature: float, learned: bool = False, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(temperature)), requires_grad=learned
        )
        self.fixed, self.bidirectional = None if learned else temperature, bidirectional

    @property
    def temperature(self) -> float | Tensor:
        return (
            self.log_temperature.exp().clamp(min=LOWEST_TEMPERATURE)
            if self.fixed is None
            else self.fixed
        )

    def forward(
        self,
        queries: Tensor,
        passages: Tensor,
        groups: tuple[Tensor, Tensor],
        negatives: Tensor | None = None,
        negative_groups: Tensor | None = None,
    ) -> Tensor:
        """The loss of this process's queries against every process's passages.

        Args:
            queries, passages: unit vectors of this process's rows, ``[rows, d]`` each.
            groups: content ids of the passages that the whole batch's questions ask for, and of its passages, ``[batch]`` each.
            negatives: unit vectors of this process's explicit negatives ``[n, d]``, as many in every process.
            negative_groups: content ids of the whole batch's explicit negatives.
        """
        first = (dist.get_rank() if _distributed() else 0) * len(queries)
        mine = slice(first, first + len(queries))
        own = torch.arange(first, first + len(queries), device=queries.device)
        everything, everything_groups = gather_with_gradient(passages), groups[1]
        if negatives is not None:
            everything, everything_groups = (
                torch.cat([everything, gather_with_gradient(negatives)]),
                torch.cat([groups[1], negative_groups]),
            )
        loss = info_nce(
            queries, everything, groups[0][mine], everything_groups, own, self.temperature
        )
        if not self.bidirectional:
            return loss
        return (
            loss
            + info_nce(
                passages,
                gather_with_gradient(queries),
                groups[1][mine],
                groups[0],
                own,
                self.temperature,
            )
        ) / 2


def gather_with_gradient(values: Tensor) -> Tensor:
    """Rows of all processes, in process order, ``[sum of rows, d]``; every process must hold as many rows.

    The backward pass adds up what each process's loss says of the local rows. DDP then averages over
    processes, so a local loss that is a mean over local queries yields the gradient of the global mean.
    """
    return torch.cat(all_gather(values)) if _distributed() else values


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
