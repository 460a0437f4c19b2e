"""The evaluation of an encoder: three settings, language bias and training-free corrections."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.config.corrections import CorrectionName
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation import fitting
from hybridlib.evaluation.metrics import (
    check_judged,
    headline,
    per_query,
    summarise,
    truncated_name,
)
from hybridlib.evaluation.translate_test import translate_test
from hybridlib.files import write_json, written_aside
from hybridlib.model.layers import check_widths
from hybridlib.retrieval.corrections import Correction, fit
from hybridlib.retrieval.fitting_texts import FittingSet
from hybridlib.retrieval.rank import encode_corpus, rank, rank_corrected
from hybridlib.retrieval.ranking import Ranking
from hybridlib.retrieval.unit import CorrectionError, shortened, unit

if TYPE_CHECKING:
    from hybridlib.config.params import Params
    from hybridlib.model.encoder import DualEncoder

logger = logging.getLogger(__name__)

# The files of an evaluation that depend on its options, or on translated questions.
NOT_ALWAYS = ("corrected.parquet", "truncated.parquet", "fitting.npz", "translate_test.csv")


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
        fitting: what corrections are fitted on; None where there is none, or it is the candidates.
        truncated: ranks and top lists of vectors cut to so many first components.
    """

    corpus: RetrievalCorpus
    metrics: dict[str, Any]
    ranking: Ranking
    corrected: dict[str, Ranking]
    query_vectors: np.ndarray
    candidate_vectors: np.ndarray
    fitting: FittingSet | None = None
    truncated: dict[int, Ranking] = field(default_factory=dict)

    def save(self, folder: Path, about: dict[str, Any] | None = None) -> None:
        """Write ranks and per-query metrics, and metrics.json last.

        The files are ranks.parquet, top.npz, per_query.parquet, corrected.parquet (the same as
        per_query.parquet under each correction), truncated.parquet (the same of vectors that are
        cut), fitting.npz (the vectors that the corrections are fitted on, unless these are the
        candidates'), translate_test.csv (where questions are translated) and metrics.json. They are
        written aside, and then replace those of an earlier evaluation: files of two never lie
        beside a metrics.json.

        Args:
            folder: where to; made if need be.
            about: what metrics.json begins with, such as the name of the encoder.
        """
        earlier = [folder / name for name in NOT_ALWAYS]
        with written_aside(folder, "metrics.json", earlier) as aside:
            self._write(aside, about or {})

    def _write(self, folder: Path, about: dict[str, Any]) -> None:
        """Write all files into an empty folder."""
        self.ranking.save(folder)
        self._per_query(self.ranking).to_parquet(folder / "per_query.parquet", index=False)
        for name, column, rankings in (
            ("corrected.parquet", "correction", self.corrected),
            ("truncated.parquet", "dimensions", self.truncated),
        ):
            tables = []
            for value, ranking in rankings.items():
                tables.append(self._per_query(ranking).assign(**{column: value}))
            if tables:
                pd.concat(tables, ignore_index=True).to_parquet(folder / name, index=False)
        if self.fitting is not None:
            self.fitting.save(folder / "fitting.npz")
        with suppress(InputError):  # of a corpus without translations
            self.translate_test().to_csv(folder / "translate_test.csv", index=False)
        write_json(folder / "metrics.json", {**about, **self.metrics})

    def headline(self) -> pd.DataFrame:
        """Return the main figures: of the encoder as it is, cut, and under each correction."""
        columns = {"as it is": headline(self.metrics)}
        for width, metrics in self.metrics.get("truncated", {}).items():
            columns[truncated_name(width)] = headline(metrics)
        for name, metrics in self.metrics["corrections"].items():
            columns[name] = headline(metrics)
        return pd.DataFrame(columns)

    def translate_test(self) -> pd.DataFrame:
        """Return what perfect translations of the questions would find.

        See :func:`hybridlib.evaluation.translate_test.translate_test`.
        """
        return translate_test(self._per_query(self.ranking))

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
    training_pairs: pd.DataFrame | None = None,
    correction_texts: int | None = 4000,
    data_seed: int = 0,
    parallel_path: str | Path | None = None,
    parallel_passages: int | None = None,
    lir_directions: int = 1,
    filter_k: float = 0.1,
    filter_shrinkage: float = 0.1,
    token_budget: int | None = None,
    score_block: int = 256,
    vectors_folder: Path | None = None,
    replace_vectors: bool = False,
    progress: bool = True,
    truncate_dims: Sequence[int] = (),
) -> Evaluation:
    """Encode a corpus, rank it, and summarise the ranks in three settings.

    Several connected processes share the work, and each has the whole result. A correction that
    leaves nothing of a vector has no figures; ``corrections_left_out`` in the metrics says why.

    Args:
        encoder: makes the vectors.
        corpus: what is searched.
        top_k: depth of the top lists and of the bias figures.
        corrections: of language bias, each evaluated beside the encoder as it is; their names:
            :mod:`hybridlib.config.corrections`. They are fitted on the training pairs and the
            parallel text, and with ``@candidates`` on the candidates.
        training_pairs: questions and passages, as a study keeps them in ``data/train.parquet``.
        correction_texts: only so many of them, see :func:`fitting.fitting_table`; None: all.
        data_seed: of that draw.
        parallel_path: parallel text, see :func:`hybridlib.data.pairs.load_parallel`.
        parallel_passages: only the first so many of it; None: all.
        lir_directions: directions per language that ``lir`` removes.
        filter_k: how much ``filter`` damps what translations differ by, see
            :class:`hybridlib.retrieval.language_filter.LanguageFilter`.
        filter_shrinkage: likewise.
        token_budget: as in :meth:`DualEncoder.encode`.
        score_block: queries scored at a time.
        vectors_folder: keep the candidates' vectors in this folder, for a corpus larger than
            memory; see :class:`VectorStore`. A killed evaluation resumes from it.
        replace_vectors: take the place of other vectors in that folder, instead of refusing it.
        progress: show progress bars.
        truncate_dims: evaluate vectors cut to so many first components, too: as
            sentence-transformers cuts them (``truncate_dim``), at length 1, without a correction.

    Raises:
        InputError: before anything is encoded, a corpus without a relevant passage, an option that
            is out of range or a correction that cannot be estimated; later, a vector that is zero
            or not finite.

    Example:
        >>> from hybridlib import DualEncoder, evaluate, load_corpus
        >>> corpus = load_corpus("facts", languages=["de", "en"])
        >>> result = evaluate(DualEncoder.load(tiny), corpus, corrections=["centering@candidates"])
        >>> list(result.headline())
        ['as it is', 'centering@candidates']
        >>> 0 <= result.metrics["settings"]["multilingual"]["map"] <= 1
        True
    """
    _check_numbers(
        top_k=top_k,
        lir_directions=lir_directions,
        correction_texts=correction_texts,
        parallel_passages=parallel_passages,
        token_budget=token_budget,
        score_block=score_block,
    )
    check_judged(corpus)
    if truncate_dims:
        check_widths("truncate_dims", truncate_dims, encoder.dimension)
    fitting.check_correction_names(corrections, vectors_folder)
    needed = fitting.fitted_on_texts(corrections)
    parallel = (parallel_path, parallel_passages)
    texts = (training_pairs, *parallel, correction_texts, data_seed)
    table = fitting.checked_table(corpus, corrections, *texts)

    queries, candidates = encode_corpus(
        encoder, corpus, token_budget, progress, vectors_folder, replace_vectors
    )
    scoring: dict[str, Any] = {"block": score_block, "device": encoder.device}
    ranking = rank(queries, candidates, corpus, top_k, progress=progress, **scoring)
    metrics = summarise(ranking, corpus, top_k)
    plain = Evaluation(corpus, metrics, ranking, {}, queries, candidates)
    plain = _with_widths(plain, truncate_dims, top_k, scoring)
    if needed:
        if all(name.steps == ("shift",) for name in needed):
            table = table[table["side"] == "passage"]  # all that it reads
        own = fitting.encode_fitting_set(encoder, table, token_budget, progress)
        plain = replace(plain, fitting=own)
    options = {"directions": lir_directions, "k": filter_k, "shrinkage": filter_shrinkage}
    return _with_corrections(plain, corrections, options, top_k, scoring)


def check_fitting(params: Params, corpus: RetrievalCorpus, pairs: pd.DataFrame) -> None:
    """Refuse corrections of a study that could not be estimated after training and encoding.

    Args:
        params: of the study.
        corpus: what is searched.
        pairs: its training pairs.

    Raises:
        InputError: there is nothing to fit a correction on, or nothing in a language of the corpus.
    """
    parallel = (params.parallel_path, params.parallel_passages)
    texts = (pairs, *parallel, params.correction_texts, params.data_seed)
    fitting.checked_table(corpus, params.corrections, *texts)


def _with_widths(
    plain: Evaluation, widths: Sequence[int], top_k: int, scoring: dict[str, Any]
) -> Evaluation:
    """Return an evaluation with the figures of its vectors cut to each width."""
    if not widths:
        return plain
    rankings = {}
    figures = {}
    for width in widths:
        queries = unit(plain.query_vectors[:, :width])
        candidates: Any = shortened(plain.candidate_vectors, width)
        rankings[width] = rank(queries, candidates, plain.corpus, top_k, **scoring)
        metrics = summarise(rankings[width], plain.corpus, top_k)
        figures[str(width)] = {"settings": metrics["settings"], "bias": metrics["bias"]}
    return replace(plain, metrics={**plain.metrics, "truncated": figures}, truncated=rankings)


def _with_corrections(
    plain: Evaluation,
    corrections: Sequence[str],
    options: dict[str, Any],
    top_k: int,
    scoring: dict[str, Any],
) -> Evaluation:
    """Return an evaluation with the figures under each correction, or why one has none."""
    vectors = (plain.query_vectors, plain.candidate_vectors)
    rankings = {}
    figures: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name in corrections:
        try:
            correction, fitted_on = _fitted(plain, name, options)
            ranking = rank_corrected(*vectors, plain.corpus, correction, top_k, **scoring)
        except CorrectionError as error:
            logger.warning("left out: %s", error)
            reasons[name] = str(error)
        else:
            rankings[name] = ranking
            figures[name] = summarise_correction(ranking, plain.corpus, fitted_on, top_k)
    metrics = {**plain.metrics, "corrections": figures}
    if reasons:
        metrics["corrections_left_out"] = reasons
    return replace(plain, metrics=metrics, corrected=rankings)


def _fitted(plain: Evaluation, name: str, options: dict[str, Any]) -> tuple[Correction, str]:
    """Return a fitted correction, and what it is fitted on."""
    if plain.fitting is not None and not CorrectionName.parse(name).on_candidates:
        texts = plain.fitting
        return fit(name, texts.passages, texts.queries, **options), texts.name
    texts = fitting.of_candidates(plain.corpus, plain.candidate_vectors)
    passages = texts.passages.one_each() if "shift" in name else texts.passages
    return fit(name, passages, **options, plain_means=True), texts.name


def _check_numbers(**numbers: int | None) -> None:
    """Refuse options of :func:`evaluate` below 1."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; it must be 1 or more")


def evaluation_options(params: Params) -> dict[str, Any]:
    """Return the parameters of a study as the options of :func:`evaluate`."""
    return {
        "top_k": params.top_k,
        "corrections": params.corrections,
        "correction_texts": params.correction_texts,
        "data_seed": params.data_seed,
        "parallel_path": params.parallel_path,
        "parallel_passages": params.parallel_passages,
        "lir_directions": params.lir_directions,
        "filter_k": params.filter_k,
        "filter_shrinkage": params.filter_shrinkage,
        "truncate_dims": params.truncate_dims,
        "token_budget": params.encode_tokens,
        "score_block": params.score_block,
    }


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
