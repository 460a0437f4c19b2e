"""Every figure of metrics.json on random corpora, against plain loops and ir-measures.

The corpora are what real ones may be: languages whose names hold hyphens, questions in some
languages only, grades, ties, languages of queries or of passages alone, queries without an answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from plain_figures import Plain
from toys import corpus_of, rank_scores

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation.evaluate import evaluate, summarise_correction
from hybridlib.evaluation.metrics import of_pair, summarise
from hybridlib.retrieval.corrections import fit
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.rank import rank_corrected

# Joined by a hyphen, hi and en-hi are what hi-en and hi are.
ON_CANDIDATES = ["centering@candidates", "lir@candidates"]
NAMES = ("hi", "en", "hi-en", "en-hi", "zh-Hans", "pt_BR", "nan", "1")
FEW = range(6)
MANY = range(6, 150)


def seeds() -> list[Any]:
    """Return a few seeds for every run of the tests, and many for the long one."""
    return [*FEW, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MANY)]


def odd_corpus(rng: np.random.Generator, least: int = 0) -> RetrievalCorpus:
    """Return a partly parallel corpus in one to six languages, ``least`` passages in each."""
    count = int(rng.integers(1, 7))
    languages = [str(name) for name in rng.choice(NAMES, count, replace=False)]
    presence = rng.choice([0.4, 0.8, 1.0])
    answers_at_most = int(rng.integers(1, 4))
    asking = [lang for lang in languages if rng.random() < 0.85] or languages[:1]
    telling = [lang for lang in languages if rng.random() < 0.85] or languages[-1:]
    queries = []
    candidates = []
    relevance = []
    for question in range(int(rng.integers(2, 12))):
        answers = []
        for lang in telling:
            parts = range(int(rng.integers(0, answers_at_most + 1)))
            answers += [(f"{lang}:{question}.{n}", lang) for n in parts if rng.random() < presence]
        candidates += answers
        for lang in asking:
            if rng.random() < presence:
                queries.append((f"{lang}:{question}", lang))
                # Judgments differ between the copies of a question; some have none.
                judged = [name for name, _ in answers if rng.random() < 0.9]
                relevance += [(f"{lang}:{question}", name, rng.integers(0, 4)) for name in judged]
    for lang in telling:
        count = int(rng.integers(max(1, least), 12))
        candidates += [(f"{lang}:x{n}", lang) for n in range(count)]
    queries += [(f"{asking[0]}:none", asking[0])]
    return corpus_of(queries, candidates, relevance or [(queries[0][0], candidates[0][0], 1)])


def assert_same(ours: Any, expected: Any, at: str = "") -> None:
    """Compare two trees of figures: the same names, and values to nine digits."""
    if isinstance(expected, dict):
        assert isinstance(ours, dict), at
        assert set(ours) == set(expected), at
        for name, value in expected.items():
            assert_same(ours[name], value, f"{at}/{name}")
    elif isinstance(expected, float):
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-9), at
    else:
        assert ours == expected, at


def assert_plain(metrics: dict[str, Any], plain: Plain) -> None:
    """Compare a metrics.json with the figures of plain loops."""
    expected = plain.metrics()
    # The pairs by their languages, whatever their keys are.
    pairs = {}
    for cell in expected["per_pair"]:
        pairs[cell] = of_pair(metrics, *cell)
    assert len(metrics["per_pair"]) == len(pairs)
    ours = {**metrics, "per_pair": pairs}
    reasons = metrics["bias"]["left_out"]
    assert all(reason.startswith("needs ") for reason in reasons.values())
    ours["bias"] = {**metrics["bias"], "left_out": set(reasons)}
    assert_same(ours, expected)


@pytest.mark.parametrize("seed", seeds())
def test_every_figure_of_given_scores(seed):
    """With ties, in blocks and chunks that do not divide, to a depth from 1 to all."""
    rng = np.random.default_rng(seed)
    corpus = odd_corpus(rng)
    shape = (len(corpus.queries), len(corpus.candidates))
    levels = rng.choice([2, 5, 10_000])
    scores = rng.integers(0, levels, shape).astype(np.float32)
    for k in {1, int(rng.integers(1, shape[1] + 1)), shape[1], shape[1] + 5}:
        ranking = rank_scores(scores, corpus, top_k=k, block=7, chunk=int(rng.integers(3, 40)))
        metrics = json.loads(json.dumps(summarise(ranking, corpus, k)))
        assert_plain(metrics, Plain(corpus, scores, k))


class Lookup:
    """An encoder that looks vectors up by the text."""

    device = torch.device("cpu")

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def encode(self, texts: pd.Series, *_: Any) -> np.ndarray:
        """Return the vectors of the texts."""
        return np.stack([self.vectors[text] for text in texts])


def unit_vectors(rng: np.random.Generator, languages: pd.Series) -> np.ndarray:
    """Return random unit vectors; a language adds a vector of its own."""
    voices = {name: rng.standard_normal(12) for name in NAMES}
    vectors = rng.standard_normal((len(languages), 12))
    vectors += np.stack([voices[name] for name in languages])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def corrected_by_hand(
    name: str, vectors: np.ndarray, langs: list[str], fitted: np.ndarray, fitted_langs: list[str]
) -> np.ndarray:
    """Return vectors as corrected by centering or by lir with two directions, in float64."""
    result = []
    for vector, lang in zip(vectors.astype(float), langs):
        own = np.array([v for v, name in zip(fitted, fitted_langs) if name == lang], dtype=float)
        if name.startswith("centering"):
            vector = vector - own.mean(0)
        else:
            # The first directions are the eigenvectors of the largest eigenvalues.
            _, directions = np.linalg.eigh(own.T @ own)
            for direction in directions.T[-2:]:
                vector = vector - (vector @ direction) * direction
        result.append(vector / np.sqrt((vector**2).sum()))
    return np.stack(result)


@pytest.mark.parametrize("seed", seeds()[::2])
def test_every_figure_of_an_evaluation_with_corrections(seed, tmp_path: Path):
    """From texts to metrics.json: the encoder as it is, and under centering and lir."""
    rng = np.random.default_rng([seed, 1])
    corpus = odd_corpus(rng, least=4)
    asked = corpus.queries["lang"].isin(corpus.languages).to_numpy()
    if not asked.any():
        pytest.skip("the only queries are in a language without candidates")
    corpus = corpus.keep(asked, np.ones(len(corpus.candidates), dtype=bool))
    if corpus.qrels.empty:
        pytest.skip("nothing is relevant, so an evaluation is refused")
    queries = unit_vectors(rng, corpus.queries["lang"])
    candidates = unit_vectors(rng, corpus.candidates["lang"])
    texts = [*corpus.queries["text"], *corpus.candidates["text"]]
    encoder = Lookup(dict(zip(texts, np.concatenate([queries, candidates]))))
    k = int(rng.integers(1, 20))
    options = {"top_k": k, "corrections": ON_CANDIDATES, "lir_directions": 2}
    evaluate(encoder, corpus, **options, progress=False).save(tmp_path)

    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    corrections = metrics.pop("corrections")
    assert_plain(metrics, Plain(corpus, queries.astype(float) @ candidates.T.astype(float), k))
    langs = corpus.queries["lang"].tolist()
    candidate_langs = corpus.candidates["lang"].tolist()
    for name in ON_CANDIDATES:
        fitted = (candidates, candidate_langs)
        scores = (
            corrected_by_hand(name, queries, langs, *fitted)
            @ corrected_by_hand(name, candidates, candidate_langs, *fitted).T
        )
        expected = Plain(corpus, scores, k).metrics()
        ours = corrections[name]
        assert ours["fitted_on"] == "candidates"
        assert_same(ours["settings"], expected["settings"], name)
        ours["bias"]["left_out"] = set(ours["bias"]["left_out"])
        assert_same(ours["bias"], expected["bias"], name)


@pytest.mark.parametrize("seed", seeds()[::2])
def test_every_figure_under_shift(seed):
    """Candidates move by the mean difference of parallel passages, anew for each query language."""
    rng = np.random.default_rng([seed, 2])
    corpus = odd_corpus(rng)
    queries = unit_vectors(rng, corpus.queries["lang"])
    candidates = unit_vectors(rng, corpus.candidates["lang"])
    languages = sorted({*corpus.queries["lang"], *corpus.languages})
    passages = pd.DataFrame(
        [(lang, f"g{n}") for lang in languages for n in range(9) if n < 4 or rng.random() < 0.5],
        columns=["lang", "group"],
    )
    vectors = unit_vectors(rng, passages["lang"])
    k = int(rng.integers(1, 20))
    texts = FittingTexts(vectors, passages["lang"].to_numpy(), passages["group"].to_numpy())
    shift = fit("shift", texts)
    ranking = rank_corrected(queries, candidates, corpus, shift, k)
    ours = summarise_correction(ranking, corpus, "parallel", k)

    by_key = {key: v.astype(float) for key, v in zip(passages.itertuples(index=False), vectors)}
    scores = np.zeros((len(queries), len(candidates)))
    for column, (vector, lang) in enumerate(zip(candidates, corpus.candidates["lang"])):
        for row, asked in enumerate(corpus.queries["lang"]):
            shared = [g for name, g in by_key if name == lang and (asked, g) in by_key]
            moved = vector - np.mean([by_key[lang, g] - by_key[asked, g] for g in shared], axis=0)
            scores[row, column] = queries[row].astype(float) @ moved / np.sqrt((moved**2).sum())
    expected = Plain(corpus, scores, k).metrics()
    assert_same(ours["settings"], expected["settings"])
    ours["bias"]["left_out"] = set(ours["bias"]["left_out"])
    assert_same(ours["bias"], expected["bias"])
