"""What each query got, read for a comparison: cells and queries are those of metrics.json."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import corpus_of, rank_scores

from hybridlib.config.params import Params
from hybridlib.evaluation import significance
from hybridlib.evaluation.evaluate import Evaluation, summarise_correction
from hybridlib.evaluation.metrics import of_pair, summarise
from hybridlib.study.folder import Study
from hybridlib.study.per_query import (
    CORRECTED,
    RANK_DISTANCE,
    cells_of,
    clustered_mean,
    corrected_by_question,
)

LANGUAGES = ("hi", "en", "hi-en", "en-hi")  # joined by a hyphen, hi to en-hi is hi-en to hi


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A run whose queries have answers in all languages, or two in one alone."""
    queries = []
    candidates = []
    relevance = []
    for lang in LANGUAGES:
        candidates += [(f"{lang}:{number}", lang) for number in range(6)]
        queries += [(f"{lang}:q{number}", lang) for number in range(3)]
        relevance += [(f"{lang}:q0", f"{other}:0", 1) for other in LANGUAGES]
        relevance += [(f"{lang}:q1", f"{other}:1", 1) for other in LANGUAGES[:2]]
        relevance += [(f"{lang}:q2", f"{lang}:{number}", 1) for number in (2, 3)]
    corpus = corpus_of(queries, candidates, relevance)
    rng = np.random.default_rng(4)
    rankings = [rank_scores(rng.random((12, 24)), corpus) for _ in range(2)]
    metrics = summarise(rankings[0], corpus)
    metrics["corrections"] = {"lir": summarise_correction(rankings[1], corpus, "candidates")}
    vectors = np.empty((0, 0), dtype=np.float32)
    result = Evaluation(corpus, metrics, rankings[0], {"lir": rankings[1]}, vectors, vectors)
    folder: Path = tmp_path_factory.mktemp("runs")
    study = Study(Params(output_dir=folder, strategies=["hybrid"], seeds=[0]))
    result.save(study.runs()[0].run)
    return study.runs()[0]


@pytest.mark.parametrize("setting", ["monolingual", "cross-lingual", "multilingual"])
def test_no_two_cells_are_one(setting, run):
    metrics = run.metrics()
    cells = cells_of(run)[setting]
    assert len(cells) == cells["cell"].nunique() == metrics["settings"][setting]["cells"]
    mean = clustered_mean([run], setting)
    assert mean.mean() == pytest.approx(metrics["settings"][setting]["map"])
    if setting == "cross-lingual":
        for cell, query_lang, target in cells.itertuples(index=False):
            expected = of_pair(metrics, query_lang, target)["map"]
            assert mean.within([cell]).mean() == pytest.approx(expected)


@pytest.mark.parametrize("correction", ["none", "lir"])
def test_rank_distance_is_of_the_queries_that_metrics_json_counts(correction, run):
    metrics = run.metrics()
    part = metrics if correction == "none" else metrics["corrections"][correction]
    mean = clustered_mean([run], RANK_DISTANCE, correction)
    assert mean.mean() == pytest.approx(part["bias"]["rank_distance"])
    for lang, expected in part["bias"]["rank_distance_per_language"].items():
        assert mean.within([lang]).mean() == pytest.approx(expected)


def test_exported_results_are_read_alike(run, tmp_path):
    """An export keeps one value for each question under a correction."""
    copy = Study(run.params.but(output_dir=tmp_path))
    copy.run.mkdir(parents=True)
    shutil.copyfile(run.run / "per_query.parquet", copy.run / "per_query.parquet")
    corrected_by_question(run).to_parquet(copy.run / CORRECTED)
    for measure in ("monolingual", "cross-lingual", "multilingual", RANK_DISTANCE):
        whole = clustered_mean([run], measure, "lir")
        kept = clustered_mean([copy], measure, "lir")
        assert kept.mean() == pytest.approx(whole.mean())
        assert kept.shares == pytest.approx(whole.shares)
        # A system that is kept so is compared with one of which all is known.
        plain = clustered_mean([run], measure)
        expected = significance.compare(whole, plain)
        found = significance.compare(kept, plain)
        assert found.mean == pytest.approx(expected.mean)
        assert found.standard_error == pytest.approx(expected.standard_error)


def test_results_of_an_earlier_export_are_read(run, tmp_path):
    """It kept the pool alone, query by query."""
    for name in ("per_query.parquet", CORRECTED):
        table = pd.read_parquet(run.run / name).drop(columns="query")
        if name == CORRECTED:
            table = table[table["setting"] == "multilingual"]
        copy = Study(run.params.but(output_dir=tmp_path))
        copy.run.mkdir(parents=True, exist_ok=True)
        table.to_parquet(copy.run / name)
    for correction in ("none", "lir"):
        expected = clustered_mean([run], RANK_DISTANCE, correction).mean()
        assert clustered_mean([copy], RANK_DISTANCE, correction).mean() == expected
