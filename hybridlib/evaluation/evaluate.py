"""The evaluation of an encoder: three settings, language bias and training-free corrections."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.pairs import load_parallel
from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import check_judged, headline, per_query, summarise
from hybridlib.files import resolve, write_json, written_aside
from hybridlib.retrieval.corrections import CORRECTIONS, Correction, CorrectionError, fit
from hybridlib.retrieval.rank import encode_corpus, rank, rank_corrected
from hybridlib.retrieval.ranking import Ranking

if TYPE_CHECKING:
    from hybridlib.config.params import Params
    from hybridlib.model.encoder import DualEncoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`evaluate`.

    Attributes:
        corpus: what was searched.
        metrics: the content of metrics.json.
        ranking: ranks and top lists of the encoder as it is.
        corrected: those under each correction, by its name.
        query_vectors: ``[queries, d]`` float32.
        candidate_vectors: ``[candidates, d]`` float32, or float16 on disk.
    """

    corpus: RetrievalCorpus
    metrics: dict[str, Any]
    ranking: Ranking
    corrected: dict[str, Ranking]
    query_vectors: np.ndarray
    candidate_vectors: np.ndarray

    def save(self, folder: Path, about: dict[str, Any] | None = None) -> None:
        """Write ranks and per-query metrics, and metrics.json last.

        The files are ranks.parquet, top.npz, per_query.parquet, corrected.parquet (the same as
        per_query.parquet under each correction) and metrics.json. They are written aside, and then
        replace those of an earlier evaluation: files of two never lie beside a metrics.json.

        Args:
            folder: where to; made if need be.
            about: what metrics.json begins with, such as the name of the encoder.
        """
        with written_aside(folder, "metrics.json", [folder / "corrected.parquet"]) as aside:
            self._write(aside, about or {})

    def _write(self, folder: Path, about: dict[str, Any]) -> None:
        """Write all files into an empty folder."""
        self.ranking.save(folder)
        self._per_query(self.ranking).to_parquet(folder / "per_query.parquet", index=False)
        if self.corrected:
            tables = []
            for name, ranking in self.corrected.items():
                tables.append(self._per_query(ranking).assign(correction=name))
            corrected = pd.concat(tables, ignore_index=True)
            corrected.to_parquet(folder / "corrected.parquet", index=False)
        write_json(folder / "metrics.json", {**about, **self.metrics})

    def headline(self) -> pd.DataFrame:
        """Return the main figures, a column for the encoder as it is and for each correction."""
        columns = {"as it is": headline(self.metrics)}
        for name, metrics in self.metrics["corrections"].items():
            columns[name] = headline(metrics)
        return pd.DataFrame(columns)

    def _per_query(self, ranking: Ranking) -> pd.DataFrame:
        """Return the metrics of every query, with its question_id."""
        table = per_query(ranking)
        question_ids = self.corpus.queries["question_id"].to_numpy()
        table.insert(1, "question_id", question_ids[table["query"]])
        return table


def evaluate(
    encoder: DualEncoder,
    corpus: RetrievalCorpus,
    *,
    top_k: int = 10,
    corrections: Sequence[str] = (),
    lir_directions: int = 1,
    parallel_path: str | Path | None = None,
    parallel_passages: int | None = None,
    token_budget: int = 8192,
    score_block: int = 256,
    vectors_folder: Path | None = None,
    progress: bool = True,
) -> Evaluation:
    """Encode a corpus, rank it, and summarise the ranks in three settings.

    Several connected processes share the work, and each has the whole result. A correction that
    leaves nothing of a vector has no figures; ``corrections_left_out`` in the metrics says why.

    Args:
        encoder: makes the vectors.
        corpus: what is searched.
        top_k: depth of the top lists and of the bias figures.
        corrections: of language bias, each evaluated beside the encoder as it is: ``centering``
            and ``lir`` are estimated from the candidates, ``shift`` from parallel passages.
        lir_directions: directions per language that ``lir`` removes.
        parallel_path: the parallel passages of ``shift``, see :func:`load_parallel`.
        parallel_passages: only the first so many of them; None: all.
        token_budget: tokens of a micro-batch at most, padding included.
        score_block: queries scored at a time.
        vectors_folder: keep the candidates' vectors in this folder, for a corpus larger than
            memory; see :class:`VectorStore`. A killed evaluation resumes from it.
        progress: show progress bars.

    Raises:
        InputError: before anything is encoded, a corpus without a relevant passage, an option that
            is out of range or a correction that cannot be estimated; later, a vector that is zero
            or not finite.

    Example:
        >>> from hybridlib import DualEncoder, evaluate, load_corpus
        >>> corpus = load_corpus("facts", languages=["de", "en"])
        >>> result = evaluate(DualEncoder.load(tiny), corpus, corrections=["centering"])
        >>> list(result.headline())
        ['as it is', 'centering']
        >>> 0 <= result.metrics["settings"]["multilingual"]["map"] <= 1
        True
    """
    _check_numbers(top_k, lir_directions, parallel_passages, token_budget, score_block)
    check_judged(corpus)
    check_corrections(corpus, corrections, parallel_path, parallel_passages, vectors_folder)
    queries, candidates = encode_corpus(encoder, corpus, token_budget, progress, vectors_folder)
    ranking = rank(queries, candidates, corpus, top_k, score_block, progress)
    metrics = summarise(ranking, corpus, top_k)

    sources = {name: _Source("candidates", corpus.candidates, candidates) for name in corrections}
    if parallel_path is not None and "shift" in corrections:
        parallel = _load_parallel(corpus, parallel_path, parallel_passages)
        vectors = encoder.encode(parallel["text"], "passage", token_budget, progress)
        sources["shift"] = _Source(resolve(parallel_path).name, parallel, vectors)
    plain = Evaluation(corpus, metrics, ranking, {}, queries, candidates)
    return _with_corrections(plain, sources, lir_directions, top_k, score_block)


def _with_corrections(
    plain: Evaluation, sources: dict[str, _Source], directions: int, top_k: int, block: int
) -> Evaluation:
    """Return an evaluation with the figures under each correction, or why one has none."""
    vectors = (plain.query_vectors, plain.candidate_vectors)
    rankings = {}
    figures: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, source in sources.items():
        try:
            correction = source.fit(name, directions)
            ranking = rank_corrected(*vectors, plain.corpus, correction, top_k, block)
        except CorrectionError as error:
            logger.warning("left out: %s", error)
            reasons[name] = str(error)
        else:
            rankings[name] = ranking
            figures[name] = summarise_correction(ranking, plain.corpus, source.name, top_k)
    metrics = {**plain.metrics, "corrections": figures}
    if reasons:
        metrics["corrections_left_out"] = reasons
    return replace(plain, metrics=metrics, corrected=rankings)


def _check_numbers(
    top_k: int,
    lir_directions: int,
    parallel_passages: int | None,
    token_budget: int,
    score_block: int,
) -> None:
    """Refuse options of :func:`evaluate` below 1."""
    numbers = (
        ("top_k", top_k),
        ("lir_directions", lir_directions),
        ("parallel_passages", parallel_passages),
        ("token_budget", token_budget),
        ("score_block", score_block),
    )
    for name, value in numbers:
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; it must be 1 or more")


def evaluation_options(params: Params) -> dict[str, Any]:
    """Return the parameters of a study as the options of :func:`evaluate`."""
    return {
        "top_k": params.top_k,
        "corrections": params.corrections,
        "lir_directions": params.lir_directions,
        "parallel_path": params.parallel_path,
        "parallel_passages": params.parallel_passages,
        "token_budget": params.encode_tokens,
        "score_block": params.score_block,
    }


def check_corrections(
    corpus: RetrievalCorpus,
    corrections: Sequence[str],
    parallel_path: str | Path | None = None,
    parallel_passages: int | None = None,
    vectors_folder: Path | None = None,
) -> None:
    """Refuse corrections that could not be estimated after hours of encoding.

    The arguments are those of :func:`evaluate`.

    Raises:
        InputError: a correction that does not exist, a language of the queries without candidates
            or without parallel passages, or vectors on disk, which are not corrected.
    """
    check_correction_names(corrections, vectors_folder)
    if "shift" in corrections:
        _check_parallel(corpus, parallel_path, parallel_passages)
    from_candidates = [name for name in corrections if name != "shift"]
    without_candidates = sorted(set(corpus.queries["lang"]) - set(corpus.languages))
    if from_candidates and without_candidates:
        raise InputError(
            f"corrections: {from_candidates[0]} is estimated from candidates, and {corpus.name} "
            f"has none in {', '.join(without_candidates)}, only queries; leave it out"
        )


def check_correction_names(corrections: Sequence[str], vectors_folder: Path | None = None) -> None:
    """Refuse corrections for what they are called, or because vectors are on disk.

    Raises:
        InputError: a correction that does not exist, or vectors on disk, which are not corrected.
    """
    if vectors_folder is not None and corrections:
        raise InputError(
            "corrections: corrected vectors are held in memory, so they do not go with vectors "
            "in a folder; leave one of them out"
        )
    for name in corrections:
        if name not in CORRECTIONS:
            raise InputError(
                f"no correction is called {name!r}; there are {', '.join(CORRECTIONS)}"
            )


def _check_parallel(
    corpus: RetrievalCorpus, parallel_path: str | Path | None, parallel_passages: int | None
) -> None:
    """Refuse parallel passages that lack a pair of languages."""
    if parallel_path is None:
        raise InputError(
            "corrections: 'shift' is estimated from parallel passages: give parallel_path"
        )
    parallel = _load_parallel(corpus, parallel_path, parallel_passages)
    groups = parallel.groupby("lang")["group"].agg(set)
    for x, y in product(sorted(set(corpus.queries["lang"])), corpus.languages):
        if not groups.get(x, set()) & groups.get(y, set()):
            raise InputError(
                f"corrections: shift needs passages in both {x!r} and {y!r}, and "
                f"{resolve(parallel_path)} has none; name a set that has, or leave shift out"
            )


def summarise_correction(
    ranking: Ranking, corpus: RetrievalCorpus, fitted_on: str, top_k: int = 10
) -> dict[str, Any]:
    """Return the entry of one correction in metrics.json.

    Args:
        ranking: under the correction.
        corpus: what was ranked.
        fitted_on: what the correction was estimated from.
        top_k: as in :func:`evaluate`.
    """
    metrics = summarise(ranking, corpus, top_k)
    return {"fitted_on": fitted_on, "settings": metrics["settings"], "bias": metrics["bias"]}


@dataclass(frozen=True)
class _Source:
    """What a correction is estimated from.

    Attributes:
        name: in metrics.json.
        passages: columns lang and group.
        vectors: theirs, ``[passages, d]``.
    """

    name: str
    passages: pd.DataFrame
    vectors: np.ndarray

    def fit(self, correction: str, directions: int) -> Correction:
        """Return the correction of that name."""
        languages = self.passages["lang"].to_numpy()
        groups = self.passages["group"].to_numpy()
        return fit(correction, self.vectors, languages, groups, directions)


def _load_parallel(corpus: RetrievalCorpus, path: str | Path, passages: int | None) -> pd.DataFrame:
    """Load parallel passages in the languages of a corpus."""
    languages = sorted({*corpus.languages, *corpus.queries["lang"]})
    return load_parallel(resolve(path), languages, passages)
