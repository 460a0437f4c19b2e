"""TREC run and qrels files, so that any judge can score the same rankings.

A run's score column holds minus the rank: scores that are equal to a few decimals, or that a judge would break
by another rule, cannot then change the order. TREC's columns end at white space: in ids it is written as in addresses
(``a b`` as ``a%20b``), and then so is ``%``.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import numpy as np
import pandas as pd
import torch

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation.metrics import POOL
from hybridlib.retrieval.exact import columns_of, scores_of, top_of


def targets(corpus: RetrievalCorpus) -> list[tuple[str, str]]:
    """The settings' cells that have a query, as in metrics.json: (query language, candidate language or ``all``)."""
    query_lang = corpus.queries["lang"].to_numpy()[corpus.qrels["query"]]
    candidate_lang = corpus.candidates["lang"].to_numpy()[corpus.qrels["candidate"]]
    return sorted(set(zip(query_lang, candidate_lang))) + [
        (q, POOL) for q in sorted(set(query_lang))
    ]


def write_trec(
    folder: Path,
    corpus: RetrievalCorpus,
    query_vectors: np.ndarray,
    candidate_vectors: np.ndarray,
    depth: int | None = 100,
    block: int = 256,
    tag: str | None = None,
) -> list[Path]:
    """Write ``<query language>-<target>.run`` and ``.qrels`` for every cell of every setting.

    Args:
        folder: where to; made if need be.
        query_vectors, candidate_vectors: ``[n, d]`` in the corpus's order; they are held in memory as float32.
        depth: candidates per query. None writes all: only then are average precision and other figures without a
            cut-off the same as in metrics.json; figures at k are from depth k on.
        block: queries scored at a time, as in :func:`retrieval.rank`: the scores are then the same to the bit.
        tag: the run's name, TREC's last column; None: ``hybridlib-`` and what a candidate's text holds.

    Returns:
        The run files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tag, corpus = (
        tag or f"hybridlib-{corpus.candidate_text}",
        replace(
            corpus,
            queries=_plain_ids(corpus.queries, "query_id"),
            candidates=_plain_ids(corpus.candidates, "candidate_id"),
        ),
    )
    cells = targets(corpus)
    _write_qrels(folder, corpus, cells)
    asked = corpus.queries["lang"].to_numpy()
    columns = {
        target: torch.from_numpy(
            np.flatnonzero((corpus.candidates["lang"] == target) | (target == POOL))
        )
        for _, target in cells
    }
    queries, candidates = (
        torch.from_numpy(query_vectors),
        columns_of(candidate_vectors, np.arange(len(candidate_vectors)), len(candidate_vectors)),
    )
    answered = set(
        zip(corpus.qrels["query"], corpus.candidates["lang"].to_numpy()[corpus.qrels["candidate"]])
    )
    answered |= {(query, POOL) for query, _ in answered}
    with ExitStack() as stack:
        files = {
            cell: stack.enter_context(_path(folder, cell, "run").open("w", encoding="utf-8"))
            for cell in cells
        }
        for start in range(0, len(queries), block):
            scores = scores_of(queries[start : start + block], candidates)
            for query_lang, target in cells:
                rows = [
                    row
                    for row in range(len(scores))
                    if asked[start + row] == query_lang and (start + row, target) in answered
                ]
                if rows:
                    best, _ = top_of(
                        scores[rows][:, columns[target]],
                        min(depth or len(columns[target]), len(columns[target])),
                    )
                    _write_lists(
                        files[query_lang, target],
                        corpus,
                        [start + row for row in rows],
                        columns[target][best],
                        tag,
                    )
    return [_path(folder, cell, "run") for cell in cells]


def _plain_ids(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Ids without white space, still all different."""
    ids = frame[column]
    if not ids.str.contains(r"\s").any():
        return frame
    return frame.assign(
        **{column: [re.sub(r"[\s%]", lambda found: quote(found[0]), name) for name in ids]}
    )


def _path(folder: Path, cell: tuple[str, str], kind: str) -> Path:
    return folder / f"{cell[0]}-{cell[1]}.{kind}"


def _write_lists(
    file: TextIO, corpus: RetrievalCorpus, queries: list[int], candidates: torch.Tensor, tag: str
) -> None:
    """TREC run lines: query, Q0, candidate, rank, score (minus the rank), tag."""
    names, ids = (
        corpus.queries["query_id"].to_numpy()[queries],
        corpus.candidates["candidate_id"].to_numpy(),
    )
    for name, best in zip(names, candidates.numpy()):
        file.writelines(
            f"{name} Q0 {candidate} {place} {-place} {tag}\n"
            for place, candidate in enumerate(ids[best], 1)
        )


def _write_qrels(folder: Path, corpus: RetrievalCorpus, cells: list[tuple[str, str]]) -> None:
    """TREC qrels lines: query, 0, candidate, grade; one file per cell."""
    query, candidate = corpus.qrels["query"].to_numpy(), corpus.qrels["candidate"].to_numpy()
    query_lang, candidate_lang = (
        corpus.queries["lang"].to_numpy()[query],
        corpus.candidates["lang"].to_numpy()[candidate],
    )
    lines = (
        corpus.queries["query_id"].to_numpy()[query]
        + " 0 "
        + corpus.candidates["candidate_id"].to_numpy()[candidate]
        + " "
        + corpus.qrels["grade"].astype(str).to_numpy()
    )
    for asked, target in cells:
        chosen = lines[(query_lang == asked) & ((candidate_lang == target) | (target == POOL))]
        _path(folder, (asked, target), "qrels").write_text(
            "".join(line + "\n" for line in chosen), encoding="utf-8"
        )
