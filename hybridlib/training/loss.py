"""InfoNCE over the batch, with false negatives masked and negatives gathered from every process."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hybridlib.distributed import rank_and_world

# The content id of a passage that fills a place and is never a negative.
IGNORE = -1
# The lowest value of a learned temperature, as in CLIP (arXiv 2103.00020).
LOWEST_TEMPERATURE = 0.01


def info_nce(
    queries: Tensor,
    passages: Tensor,
    query_contents: Tensor,
    passage_contents: Tensor,
    positives: Tensor,
    temperature: float | Tensor,
) -> Tensor:
    """Return the mean over queries of ``-log( exp(s(q, p+)/t) / sum_p exp(s(q, p)/t) )``.

    Source: InfoNCE as in arXiv 2408.10536, sec. 3; s is the cosine.

    Args:
        queries: unit vectors ``[q, d]``.
        passages: unit vectors ``[p, d]``: the whole batch's passages.
        query_contents: ids of the passage content that each query asks for, ``[q]``.
        passage_contents: ids of each passage's content, ``[p]``.
        positives: column of each query's positive in ``passages``, ``[q]``.
        temperature: t.

    Returns:
        A scalar.
    """
    logits = queries @ passages.T / temperature
    mask = ignore_mask(query_contents, passage_contents, positives)
    return nn.functional.cross_entropy(logits.masked_fill(mask, float("-inf")), positives)


def ignore_mask(query_contents: Tensor, passage_contents: Tensor, positives: Tensor) -> Tensor:
    """Return where a passage is neither the query's positive nor a negative of it, ``[q, p]``.

    A passage with the content that the query asks for is no negative, in whatever language it is
    written; nor is one whose content is IGNORE. Arguments as in :func:`info_nce`.
    """
    same_content = query_contents[:, None] == passage_contents[None, :]
    mask = same_content | (passage_contents == IGNORE)[None, :]
    mask[torch.arange(len(query_contents), device=mask.device), positives] = False
    return mask


def score_divergence(
    queries: Tensor, translations: Tensor, passages: Tensor, temperature: float | Tensor
) -> Tensor:
    """Return how unlike each query and its translation score the passages, ``[q]``.

    It is the Jensen-Shannon divergence of ``softmax(s(query, .)/t)`` and
    ``softmax(s(translation, .)/t)``, in nats: 0 where all scores differ by a constant, log 2 at
    most. s is the cosine.

    Args:
        queries: unit vectors ``[q, d]``.
        translations: unit vectors ``[q, d]``.
        passages: unit vectors ``[p, d]``: the whole batch's passages.
        temperature: t.
    """
    log_p = (queries @ passages.T / temperature).log_softmax(-1)
    log_q = (translations @ passages.T / temperature).log_softmax(-1)
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    from_p = (log_p.exp() * (log_p - log_mean)).sum(-1)
    from_q = (log_q.exp() * (log_q - log_mean)).sum(-1)
    return (from_p + from_q) / 2


def distillation(kind: str, scores: Tensor, teacher: Tensor) -> Tensor:
    """Return how far each query's scores of some passages are from a teacher's, ``[q]``.

    Sources: ``kl`` is the divergence of softmax(scores) from softmax(teacher), in nats (arXiv
    1503.02531); ``margin``, the mean squared error of the first score's margins over the others
    (arXiv 2010.02666).

    Args:
        kind: ``kl`` or ``margin``.
        scores: divided by their temperature, ``[q, p]``; the first is the positive's.
        teacher: divided by its own, ``[q, p]``; NaN where a query has no such passage, but not in
            the first two places.
    """
    is_missing = teacher.isnan()
    if kind == "margin":
        errors = (scores[:, :1] - scores) - (teacher[:, :1] - teacher)
        squares = errors.masked_fill(is_missing, 0.0)[:, 1:].square()
        return squares.sum(-1) / (~is_missing[:, 1:]).sum(-1)
    log_p = teacher.masked_fill(is_missing, float("-inf")).log_softmax(-1)
    log_q = scores.masked_fill(is_missing, float("-inf")).log_softmax(-1)
    return (log_p.exp() * (log_p - log_q).masked_fill(is_missing, 0.0)).sum(-1)


class ContrastiveLoss(nn.Module):
    """InfoNCE of a batch that is shared by the processes, in one direction or both.

    Args:
        temperature: t, or where it starts.
        learned: t is a parameter (its logarithm is), kept at or above LOWEST_TEMPERATURE.
        bidirectional: take the mean of query to passage and passage to query; explicit negatives
            take part in the first only.
    """

    def __init__(
        self, temperature: float, learned: bool = False, bidirectional: bool = False
    ) -> None:
        super().__init__()
        start = torch.tensor(math.log(temperature))
        self.log_temperature = nn.Parameter(start, requires_grad=learned)
        self.fixed = None if learned else temperature
        self.bidirectional = bidirectional

    @property
    def temperature(self) -> float | Tensor:
        """The temperature: a number, or a tensor with a gradient where it is learned."""
        if self.fixed is not None:
            return self.fixed
        return self.log_temperature.exp().clamp(min=LOWEST_TEMPERATURE)

    def forward(
        self,
        queries: Tensor,
        passages: Tensor,
        query_contents: Tensor,
        passage_contents: Tensor,
        negatives: Tensor | None = None,
        negative_contents: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of this process's queries against every process's passages.

        Args:
            queries: unit vectors of this process's rows, ``[rows, d]``.
            passages: unit vectors of this process's rows, ``[rows, d]``.
            query_contents: content ids that the whole batch's queries ask for, ``[batch]``.
            passage_contents: content ids of the whole batch's passages, ``[batch]``.
            negatives: unit vectors of this process's explicit negatives ``[n, d]``, as many in
                every process.
            negative_contents: content ids of the whole batch's explicit negatives.
        """
        # Which rows of the batch are this process's.
        process, _ = rank_and_world()
        first = process * len(queries)
        positives = torch.arange(first, first + len(queries), device=queries.device)
        rows = slice(first, first + len(queries))

        # Query to passage: against the passages of all processes, then the explicit negatives.
        candidates = gather_with_gradient(passages)
        contents = passage_contents
        if negatives is not None and negative_contents is not None:
            candidates = torch.cat([candidates, gather_with_gradient(negatives)])
            contents = torch.cat([passage_contents, negative_contents])
        loss = info_nce(
            queries, candidates, query_contents[rows], contents, positives, self.temperature
        )
        if not self.bidirectional:
            return loss

        # Passage to query: the same with the sides exchanged.
        reverse = info_nce(
            passages,
            gather_with_gradient(queries),
            passage_contents[rows],
            query_contents,
            positives,
            self.temperature,
        )
        return (loss + reverse) / 2


def gather_with_gradient(values: Tensor) -> Tensor:
    """Return the rows of all processes, in process order, ``[sum of rows, d]``.

    Every process must hold as many rows. The backward pass adds up what each process's loss says
    of the local rows. DDP then averages over processes, so a local loss that is a mean over local
    queries yields the gradient of the global mean.
    """
    _, world = rank_and_world()
    if world == 1:
        return values
    from torch.distributed.nn.functional import all_gather  # takes long to import

    return torch.cat(all_gather(values))
