"""The evaluation of BM25, with the figures and files that an encoder has."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import Evaluation
from hybridlib.evaluation.metrics import check_judged, summarise
from hybridlib.retrieval.lexical import K1, B, LexicalScores, rank_lexical

ABOUT: dict[str, Any] = {"k1": K1, "b": B}  # what metrics.json says of the formula


def evaluate_lexical(
    corpus: RetrievalCorpus,
    scores: LexicalScores,
    *,
    top_k: int = 10,
    score_block: int = 256,
    progress: bool = True,
) -> Evaluation:
    """Rank a corpus by BM25, and summarise the ranks in three settings.

    Args:
        corpus: what is searched.
        scores: of this corpus.
        top_k: depth of the top lists and of the bias figures.
        score_block: queries scored at a time.
        progress: show a progress bar.

    Returns:
        As of an encoder, without corrections. There are no vectors: they have no columns.

    Raises:
        InputError: a corpus without a relevant passage, or an option below 1.

    Example:
        >>> from hybridlib import load_corpus
        >>> from hybridlib.retrieval.lexical import LexicalScores
        >>> corpus = load_corpus("facts", languages=["de", "en"])
        >>> result = evaluate_lexical(corpus, LexicalScores(corpus, str.split), progress=False)
        >>> sorted(result.metrics["settings"])
        ['cross-lingual', 'monolingual', 'multilingual']
    """
    for name, value in {"top_k": top_k, "score_block": score_block}.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it must be 1 or more")
    check_judged(corpus)
    ranking = rank_lexical(scores, corpus, top_k, score_block, progress)
    metrics = {**summarise(ranking, corpus, top_k), "corrections": {}}
    queries = np.empty((len(corpus.queries), 0), dtype=np.float32)
    candidates = np.empty((len(corpus.candidates), 0), dtype=np.float32)
    return Evaluation(corpus, metrics, ranking, {}, queries, candidates)
