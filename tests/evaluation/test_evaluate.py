"""The one entry: what it returns, what it writes, and what it refuses before it encodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import corpus_of

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import (
    Evaluation,
    check_corrections,
    evaluate,
    evaluation_options,
)
from hybridlib.evaluation.metrics import headline, per_query, summarise
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.corrections import fit
from hybridlib.retrieval.rank import rank, rank_corrected
from hybridlib.retrieval.ranking import Ranking


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> DualEncoder:
    """The tiny encoder, loaded."""
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(scope="module")
def corpus(fact_pairs: pd.DataFrame) -> RetrievalCorpus:
    """Questions and passages in three languages, 50 in each."""
    return corpus_from_pairs("facts", fact_pairs.groupby("lang").head(50))


@pytest.fixture(scope="module")
def parallel(fact_pairs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parallel passages as a table of pairs: none of the corpus."""
    file = tmp_path_factory.mktemp("parallel") / "passages.parquet"
    fact_pairs.groupby("lang").tail(20).to_parquet(file)
    return file


@pytest.fixture(scope="module")
def result(encoder, corpus, parallel) -> Evaluation:
    """An evaluation with every correction."""
    return evaluate(
        encoder,
        corpus,
        top_k=20,
        corrections=["shift", "centering", "lir"],
        lir_directions=2,
        parallel_path=parallel,
        parallel_passages=15,
        progress=False,
    )


def assert_same(ranking: Ranking, expected: Ranking) -> None:
    """Compare two rankings to the bit."""
    pd.testing.assert_frame_equal(ranking.relevant, expected.relevant)
    assert np.array_equal(ranking.top, expected.top)
    assert np.array_equal(ranking.top_scores, expected.top_scores)


def test_it_encodes_ranks_and_summarises(result, encoder, corpus):
    queries = encoder.encode(corpus.queries["text"], "query")
    candidates = encoder.encode(corpus.candidates["text"], "passage")
    assert result.corpus is corpus
    assert np.array_equal(result.query_vectors, queries)
    assert np.array_equal(result.candidate_vectors, candidates)
    ranking = rank(queries, candidates, corpus, top_k=20)
    assert_same(result.ranking, ranking)
    corrections = result.metrics["corrections"]
    assert result.metrics == {**summarise(ranking, corpus, 20), "corrections": corrections}
    assert list(corrections) == list(result.corrected) == ["shift", "centering", "lir"]


@pytest.mark.parametrize("name", ["centering", "lir"])
def test_corrections_are_fitted_to_the_candidates(name, result, corpus):
    candidates = result.candidate_vectors
    languages = corpus.candidates["lang"].to_numpy()
    correction = fit(name, candidates, languages, languages, directions=2)
    ranking = rank_corrected(result.query_vectors, candidates, corpus, correction, 20)
    assert_same(result.corrected[name], ranking)
    assert not result.corrected[name].relevant.equals(result.ranking.relevant)
    metrics = summarise(ranking, corpus, 20)
    assert result.metrics["corrections"][name] == {
        "fitted_on": "candidates",
        "settings": metrics["settings"],
        "bias": metrics["bias"],
    }


def test_shift_is_fitted_to_the_first_parallel_passages(result, encoder, corpus, parallel):
    passages = pd.read_parquet(parallel)
    first = passages["passage_id"].unique()[:15]
    passages = passages[passages["passage_id"].isin(first)]
    vectors = encoder.encode(passages["passage"], "passage")
    groups = passages["passage_id"].to_numpy()
    correction = fit("shift", vectors, passages["lang"].to_numpy(), groups)
    vectors = (result.query_vectors, result.candidate_vectors)
    assert_same(result.corrected["shift"], rank_corrected(*vectors, corpus, correction, 20))
    assert result.metrics["corrections"]["shift"]["fitted_on"] == "passages.parquet"


def test_headline_has_a_column_for_each_correction(result):
    table = result.headline()
    assert list(table.columns) == ["as it is", "shift", "centering", "lir"]
    assert table["as it is"].to_dict() == headline(result.metrics)
    assert table["lir"].to_dict() == headline(result.metrics["corrections"]["lir"])


def test_what_is_saved_is_the_result(result, corpus, tmp_path):
    result.save(tmp_path / "results", {"encoder": "tiny", "seed": 3})
    saved = json.loads((tmp_path / "results" / "metrics.json").read_text(encoding="utf-8"))
    assert saved == {"encoder": "tiny", "seed": 3, **result.metrics}
    assert list(saved)[:3] == ["encoder", "seed", "corpus"]
    assert list(saved)[-1] == "corrections"
    assert_same(Ranking.load(tmp_path / "results"), result.ranking)

    table = pd.read_parquet(tmp_path / "results" / "per_query.parquet")
    pd.testing.assert_frame_equal(table.drop(columns="question_id"), per_query(result.ranking))
    question_ids = corpus.queries["question_id"].iloc[table["query"]]
    assert table["question_id"].tolist() == question_ids.tolist()

    table = pd.read_parquet(tmp_path / "results" / "corrected.parquet")
    pooled = table[table["setting"] == "multilingual"]
    by_cell = pooled.groupby(["correction", "query_lang"])["ap"].mean()
    for name, metrics in result.metrics["corrections"].items():
        expected = metrics["settings"]["multilingual"]["map"]
        assert by_cell[name].mean() == pytest.approx(expected)


def test_without_corrections_no_file_of_them_is_written(encoder, corpus, tmp_path):
    result = evaluate(encoder, corpus, progress=False)
    assert result.metrics["corrections"] == {}
    result.save(tmp_path)
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {"metrics.json", "per_query.parquet", "ranks.parquet", "top.npz"}
    saved = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert saved == result.metrics


def test_vectors_in_a_folder_are_float16_on_disk(encoder, corpus, tmp_path):
    in_memory = evaluate(encoder, corpus, progress=False)
    on_disk = evaluate(encoder, corpus, vectors_folder=tmp_path, progress=False)
    assert isinstance(on_disk.candidate_vectors, np.memmap)
    assert on_disk.candidate_vectors.dtype == np.float16
    assert np.array_equal(on_disk.query_vectors, in_memory.query_vectors)
    for setting, values in in_memory.metrics["settings"].items():
        expected = pytest.approx(values["map"], abs=5e-3)
        assert on_disk.metrics["settings"][setting]["map"] == expected


def test_the_options_are_parameters_of_a_study(tmp_path):
    params = Params(
        top_k=7,
        corrections=["shift"],
        lir_directions=3,
        parallel_path=tmp_path,
        parallel_passages=9,
        encode_tokens=1000,
        score_block=64,
    )
    assert evaluation_options(params) == {
        "top_k": 7,
        "corrections": ["shift"],
        "lir_directions": 3,
        "parallel_path": tmp_path,
        "parallel_passages": 9,
        "token_budget": 1000,
        "score_block": 64,
    }


# ----------------------------------------------------------------------------------------- refusals


@pytest.fixture
def without_german() -> RetrievalCorpus:
    """A German query over English and Chinese passages."""
    return corpus_of([("de:q", "de")], [("a", "en"), ("b", "zh")], [("de:q", "a", 1)])


def write_lines(folder: Path, **files: str) -> None:
    """Write ``<lang>.txt`` files of parallel passages."""
    for lang, lines in files.items():
        (folder / f"{lang}.txt").write_text(lines, encoding="utf-8")


def test_corrections_need_candidates_in_the_languages_of_the_queries(without_german):
    check_corrections(without_german, [])
    message = "centering is estimated from candidates, and toy has none in de"
    with pytest.raises(InputError, match=message):
        check_corrections(without_german, ["centering"])


def test_shift_needs_parallel_passages_in_every_pair_of_languages(without_german, tmp_path):
    with pytest.raises(InputError, match="'shift' is estimated from parallel passages"):
        check_corrections(without_german, ["shift"])
    write_lines(tmp_path, de="eins\n\n", en="one\ntwo\n", zh="\n\u4e8c\n")
    with pytest.raises(InputError, match="shift needs passages in both 'de' and 'zh'"):
        check_corrections(without_german, ["shift"], tmp_path)
    write_lines(tmp_path, zh="\u4e00\n\u4e8c\n")
    check_corrections(without_german, ["shift"], tmp_path)
    (tmp_path / "zh.txt").unlink()
    with pytest.raises(InputError, match=r"zh.txt: cannot be read"):
        check_corrections(without_german, ["shift"], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corrections": ["centering"]}, "has none in de"),
        ({"corrections": ["centring"]}, "no correction is called 'centring'"),
        ({"corrections": ["shift"]}, "give parallel_path"),
        (
            {"corrections": ["lir"], "vectors_folder": Path("vectors")},
            "corrected vectors are held in memory",
        ),
    ],
)
def test_nothing_is_encoded_before_the_corrections_are_checked(options, message, without_german):
    with pytest.raises(InputError, match=message):
        evaluate(None, without_german, **options)
    assert not Path("vectors").exists()
