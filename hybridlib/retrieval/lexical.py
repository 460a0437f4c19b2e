"""BM25, a lexical baseline: it scores the subwords that a question and a candidate share.

Every collection that is searched has an index of its own, as in a search engine: each language has
one, and the pool of all languages another. How rare a subword is and how long a text is on average
is thus counted among the candidates that are searched. So a candidate may stand higher in the pool
than in its own language.

Source: Robertson and Zaragoza 2009; Lucene's formula as bm25s computes it (arXiv 2407.03618).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import bm25s
import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.retrieval.counts import Counts
from hybridlib.retrieval.ranking import Ranking

# The values of Anserini, with which MIRACL's BM25 was made.
K1 = 0.9
B = 0.4

Tokenize = Callable[[str], list[str]]


class LexicalScores:
    """BM25 scores of a corpus, for one block of queries after the other.

    Args:
        corpus: what is searched.
        tokenize: from a text in lower case to its tokens.
        k1: how soon a repeated token adds no more.
        b: how much long texts are marked down, 0 to 1.

    Raises:
        InputError: the tokenizer finds no token in the candidates of a language.
    """

    def __init__(
        self, corpus: RetrievalCorpus, tokenize: Tokenize, k1: float = K1, b: float = B
    ) -> None:
        self._queries = [tokenize(text.lower()) for text in corpus.queries["text"]]
        candidates = [tokenize(text.lower()) for text in corpus.candidates["text"]]
        self._pool = _index(corpus.name, candidates, k1, b)
        self._languages = []
        languages = corpus.candidates["lang"].to_numpy()
        for language in corpus.languages:
            of_language = [candidates[row] for row in np.flatnonzero(languages == language)]
            self._languages.append(_index(f"{corpus.name}, {language}", of_language, k1, b))

    def __call__(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the scores of some queries by the pool's index and by each language's own.

        Args:
            rows: of the queries.

        Returns:
            Two blocks ``[rows, candidates]``, float32. A candidate that shares no token with the
            query scores 0.
        """
        queries = self._queries[rows]
        # The candidates are sorted by language.
        own = np.hstack([_scores(index, queries) for index in self._languages])
        return torch.from_numpy(_scores(self._pool, queries)), torch.from_numpy(own)


def rank_lexical(
    scores: LexicalScores,
    corpus: RetrievalCorpus,
    top_k: int = 10,
    block: int = 256,
    progress: bool = False,
) -> Ranking:
    """Rank every relevant candidate of every query by its BM25 scores.

    Of equal scores the lower document index comes first, as everywhere. All candidates without a
    token of the query are equal.

    Args:
        scores: of the corpus.
        corpus: has the languages and what is relevant.
        top_k: depth of the top list; all candidates, if there are fewer.
        block: queries scored at a time.
        progress: show a progress bar.

    Returns:
        The ranks by two indexes: ``rank_pool`` and the top list by the pool's, ``rank_lang`` by
        that of the candidate's language.
    """
    starts = range(0, len(corpus.queries), block)
    blocks = [slice(start, start + block) for start in starts]
    depth = min(top_k, len(corpus.candidates))
    in_pool = Counts(corpus, blocks, depth)
    in_language = Counts(corpus, blocks, depth)
    for rows in tqdm(blocks, desc="ranking", unit="block", disable=not progress, mininterval=2):
        pooled, own = scores(rows)
        in_pool.add_scores(rows, pooled)
        in_language.add_scores(rows, own)
    ranking = in_pool.ranking(corpus)
    own_ranks = in_language.ranking(corpus).relevant["rank_lang"]
    return Ranking(ranking.relevant.assign(rank_lang=own_ranks), ranking.top, ranking.top_scores)


def _index(name: str, texts: Sequence[list[str]], k1: float, b: float) -> bm25s.BM25:
    """Return the index of a collection of tokenised texts."""
    if not any(texts):
        raise InputError(
            f"{name}: the tokenizer finds no token in the candidates; give one that knows their "
            "writing"
        )
    index = bm25s.BM25(k1=k1, b=b, method="lucene")
    index.index(list(texts), show_progress=False)
    return index


def _scores(index: bm25s.BM25, queries: Sequence[list[str]]) -> np.ndarray:
    """Return the scores of an index's texts for tokenised queries, ``[queries, texts]`` float32."""
    scores = np.zeros((len(queries), index.scores["num_docs"]), dtype=np.float32)
    for row, tokens in enumerate(queries):
        known = index.get_tokens_ids(tokens)
        if known:
            scores[row] = index.get_scores_from_ids(known)
    return scores
