"""TREC run and qrels files, so that any other program can score the same rankings.

The score column of a run holds minus the rank. Scores that are equal to a few decimals, or whose
ties another program would break by another rule, then cannot change the order. TREC's columns end
at white space. In ids it is written as in web addresses (``a b`` as ``a%20b``), and then so is
``%``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.files import written_aside
from hybridlib.retrieval.exact import columns_of, scores_of, top_of
from hybridlib.retrieval.ranking import POOL, Cell, cell_name

# From a block of queries to its scores in the pool, and by language.
Scores = Callable[[slice], tuple[Tensor, Tensor]]


def targets(corpus: RetrievalCorpus) -> list[Cell]:
    """Return the cells of all settings that have a query, as in metrics.json.

    A cell is a query language and a candidate language, or ``all`` for the candidates of all
    languages together.
    """
    query_lang = corpus.queries["lang"].to_numpy()[corpus.qrels["query"]]
    candidate_lang = corpus.candidates["lang"].to_numpy()[corpus.qrels["candidate"]]
    pooled = [(language, POOL) for language in sorted(set(query_lang))]
    return sorted(set(zip(query_lang, candidate_lang))) + pooled


def check_depth(depth: int | None) -> None:
    """Refuse a depth of run files below 1.

    Raises:
        InputError: the depth is a number below 1.
    """
    if depth is not None and depth < 1:
        raise InputError(f"the depth of run files is {depth}; it must be 1 or more")


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

    Hyphens within a language's name are written ``%2D``, see :func:`cell_name`. The files are
    written aside, and then replace those of an earlier run.

    Args:
        folder: where to; made if need be. It must not hold files of other cells: those of two runs
            would lie side by side.
        corpus: has the ids and what is relevant.
        query_vectors: ``[queries, d]`` in the corpus's order.
        candidate_vectors: ``[candidates, d]``, likewise; held in memory as float32.
        depth: candidates per query; None: all. Figures at k are those of metrics.json from depth k
            on, average precision and others without a cut-off only if all are written.
        block: queries scored at a time, as in :func:`rank`: the scores are then equal to the bit.
        tag: the run's name, TREC's last column; None: ``hybridlib-`` and what candidates hold.

    Returns:
        The run files.

    Raises:
        InputError: depth is below 1, or the folder holds files of other cells.
    """
    scores = vector_scores(query_vectors, candidate_vectors)
    return write_scores(folder, corpus, scores, depth, block, tag)


def write_scores(
    folder: Path,
    corpus: RetrievalCorpus,
    scores: Scores,
    depth: int | None = 100,
    block: int = 256,
    tag: str | None = None,
) -> list[Path]:
    """Write the files of :func:`write_trec` from scores of any kind.

    Args:
        folder: as in :func:`write_trec`.
        corpus: likewise.
        scores: from a block of queries to its scores in the pool and by language, both
            ``[rows, candidates or more]``.
        depth: as in :func:`write_trec`.
        block: queries scored at a time.
        tag: as in :func:`write_trec`.

    Returns:
        The run files.

    Raises:
        InputError: depth is below 1, or the folder holds files of other cells.
    """
    check_depth(depth)
    cells = targets(corpus)
    _check_folder(folder, cells)
    tag = tag or f"hybridlib-{corpus.candidate_text}"
    query_ids = _plain_ids(corpus.queries["query_id"])
    candidate_ids = _plain_ids(corpus.candidates["candidate_id"])

    # The candidates of each target, and the queries of each cell.
    columns = {target: _columns(corpus, target) for _, target in cells}
    queries = {cell: _queries(corpus, cell) for cell in cells}
    with written_aside(folder) as aside, ExitStack() as stack:
        _write_qrels(aside, corpus, cells, query_ids, candidate_ids)
        files = {}
        for cell in cells:
            path = _path(aside, cell, "run")
            files[cell] = stack.enter_context(path.open("w", encoding="utf-8"))
        for start in range(0, len(corpus.queries), block):
            pooled, by_language = scores(slice(start, start + block))
            for cell in cells:
                rows = queries[cell]
                rows = rows[(rows >= start) & (rows < start + block)]
                if len(rows):
                    target = columns[cell[1]]
                    of_cell = pooled if cell[1] == POOL else by_language
                    cell_scores = of_cell[rows - start][:, target]
                    best, _ = top_of(cell_scores, min(depth or len(target), len(target)))
                    ids = candidate_ids[target[best.numpy()]]
                    files[cell].writelines(_run_lines(query_ids[rows], ids, tag))
    return [_path(folder, cell, "run") for cell in cells]


def files_of_cells(folder: Path) -> list[Path]:
    """Return the files in a folder whose names are those that :func:`write_trec` gives."""
    return sorted([*folder.glob("*-*.run"), *folder.glob("*-*.qrels")])


def _check_folder(folder: Path, cells: list[Cell]) -> None:
    """Refuse a folder that holds files of other cells.

    Raises:
        InputError: one of them.
    """
    names = {cell_name(*cell) for cell in cells}
    for file in files_of_cells(folder):
        if file.stem not in names:
            raise InputError(
                f"{file}: a TREC file of another run, with a pair of languages that this one does "
                "not have; remove it, or write to another folder"
            )


def vector_scores(query_vectors: np.ndarray, candidate_vectors: np.ndarray) -> Scores:
    """Return what scores blocks of queries by their vectors: alike in the pool and by language."""
    count = len(candidate_vectors)
    queries = torch.from_numpy(query_vectors)
    candidates = columns_of(candidate_vectors, np.arange(count), count)

    def scores(rows: slice) -> tuple[Tensor, Tensor]:
        block = scores_of(queries[rows], candidates)
        return block, block

    return scores


def _columns(corpus: RetrievalCorpus, target: str) -> np.ndarray:
    """Return the row numbers of a target's candidates."""
    return np.flatnonzero((corpus.candidates["lang"] == target) | (target == POOL))


def _queries(corpus: RetrievalCorpus, cell: Cell) -> np.ndarray:
    """Return the row numbers of a cell's queries: those with a relevant candidate in its target."""
    language, target = cell
    candidate_lang = corpus.candidates["lang"].to_numpy()[corpus.qrels["candidate"]]
    in_target = (candidate_lang == target) | (target == POOL)
    query = np.unique(corpus.qrels["query"].to_numpy()[in_target])
    return query[corpus.queries["lang"].to_numpy()[query] == language]


def _plain_ids(ids: pd.Series) -> np.ndarray:
    """Return ids without white space, still all different."""
    if not ids.str.contains(r"\s").any():
        return ids.to_numpy()

    def plain(name: str) -> str:
        return re.sub(r"[\s%]", lambda match: quote(match[0]), name)

    return np.array([plain(name) for name in ids], dtype=object)


def _path(folder: Path, cell: Cell, kind: str) -> Path:
    """Return the file of a cell; the kind is ``run`` or ``qrels``."""
    return folder / f"{cell_name(*cell)}.{kind}"


def _run_lines(query_ids: np.ndarray, candidate_ids: np.ndarray, tag: str) -> Iterator[str]:
    """Yield TREC run lines: query, Q0, candidate, rank, score (minus the rank), tag."""
    for query_id, ids in zip(query_ids, candidate_ids):
        for rank, candidate_id in enumerate(ids, 1):
            yield f"{query_id} Q0 {candidate_id} {rank} {-rank} {tag}\n"


def _write_qrels(
    folder: Path,
    corpus: RetrievalCorpus,
    cells: list[Cell],
    query_ids: np.ndarray,
    candidate_ids: np.ndarray,
) -> None:
    """Write TREC qrels lines (query, 0, candidate, grade), one file per cell."""
    query = corpus.qrels["query"].to_numpy()
    candidate = corpus.qrels["candidate"].to_numpy()
    query_lang = corpus.queries["lang"].to_numpy()[query]
    candidate_lang = corpus.candidates["lang"].to_numpy()[candidate]
    grades = corpus.qrels["grade"].astype(str).to_numpy()
    lines = query_ids[query] + " 0 " + candidate_ids[candidate] + " " + grades + "\n"
    for cell in cells:
        language, target = cell
        in_cell = (query_lang == language) & ((candidate_lang == target) | (target == POOL))
        text = "".join(lines[in_cell])
        _path(folder, cell, "qrels").write_text(text, encoding="utf-8")
