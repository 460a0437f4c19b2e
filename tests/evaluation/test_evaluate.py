"""The one entry: what it returns, what it writes, and what it refuses before it encodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import corpus_of

from hybridlib.config.names import RUN_VECTORS
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import (
    Evaluation,
    check_fitting,
    evaluate,
    evaluation_options,
)
from hybridlib.evaluation.fitting import check_corrections, fitting_table
from hybridlib.evaluation.metrics import headline, per_query, summarise
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.corrections import fit
from hybridlib.retrieval.fitting_texts import FittingTexts
from hybridlib.retrieval.rank import CHUNK, rank, rank_corrected
from hybridlib.retrieval.ranking import Ranking
from hybridlib.retrieval.vector_store import read_run_vectors, save_run_vectors

BOTH = ["centering@candidates", "lir@candidates"]

ALWAYS = {
    "metrics.json",
    "per_query.parquet",
    "ranks.parquet",
    "top.npz",
    "translate_test.csv",
}


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
        corrections=["shift", "centering", *BOTH],
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
    assert list(corrections) == list(result.corrected) == ["shift", "centering", *BOTH]


@pytest.mark.parametrize("name", BOTH)
def test_corrections_are_fitted_to_the_candidates(name, result, corpus):
    """Plain means, as though no candidate were a translation of another."""
    candidates = result.candidate_vectors
    languages = corpus.candidates["lang"].to_numpy()
    own_groups = [str(number) for number in range(len(candidates))]
    correction = fit(name, FittingTexts(candidates, languages, own_groups), directions=2)
    ranking = rank_corrected(result.query_vectors, candidates, corpus, correction, 20)
    assert_same(result.corrected[name], ranking)
    assert not result.corrected[name].relevant.equals(result.ranking.relevant)
    metrics = summarise(ranking, corpus, 20)
    assert result.metrics["corrections"][name] == {
        "fitted_on": "candidates",
        "settings": metrics["settings"],
        "bias": metrics["bias"],
    }


def test_corrections_are_fitted_to_the_first_parallel_passages(result, encoder, corpus, parallel):
    """Queries to the passages as queries, and passages to them as passages."""
    passages = pd.read_parquet(parallel)
    first = passages["passage_id"].unique()[:15]
    passages = passages[passages["passage_id"].isin(first)]
    sides = {}
    for side in ("query", "passage"):
        vectors = encoder.encode(passages["passage"], side)
        groups = passages["passage_id"].to_numpy()
        sides[side] = FittingTexts(vectors, passages["lang"].to_numpy(), groups)
    vectors = (result.query_vectors, result.candidate_vectors)
    for name in ("shift", "centering"):
        correction = fit(name, sides["passage"], sides["query"])
        assert_same(result.corrected[name], rank_corrected(*vectors, corpus, correction, 20))
        assert result.metrics["corrections"][name]["fitted_on"] == "passages.parquet"


def test_headline_has_a_column_for_each_correction(result):
    table = result.headline()
    assert list(table.columns) == ["as it is", "shift", "centering", *BOTH]
    assert table["as it is"].to_dict() == headline(result.metrics)
    assert table[BOTH[1]].to_dict() == headline(result.metrics["corrections"][BOTH[1]])


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
    assert files == ALWAYS
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


def test_vectors_on_disk_are_corrected_when_they_are_read(
    encoder, corpus, parallel, tmp_path, monkeypatch
):
    """In chunks of fewer candidates than a language has; the figures are nearly those in memory."""
    options = {"corrections": ["centering", "shift"], "parallel_path": parallel}
    in_memory = evaluate(encoder, corpus, **options, progress=False)
    monkeypatch.setattr(rank, "__defaults__", chunks_of(40))
    on_disk = evaluate(encoder, corpus, **options, vectors_folder=tmp_path, progress=False)
    assert isinstance(on_disk.candidate_vectors, np.memmap)
    for name in options["corrections"]:
        expected = headline(in_memory.metrics["corrections"][name])
        assert headline(on_disk.metrics["corrections"][name]) == pytest.approx(expected, rel=2e-2)
        assert np.allclose(
            on_disk.corrected[name].top_scores, in_memory.corrected[name].top_scores, atol=2e-3
        )


def chunks_of(size: int) -> tuple[object, ...]:
    """Return the defaults of rank with another number of candidates scored at a time."""
    return tuple(size if value == CHUNK else value for value in rank.__defaults__)


def test_a_run_replaces_the_vectors_of_another_encoder(encoder, tiny_encoder, corpus, tmp_path):
    other = DualEncoder.load(tiny_encoder, max_length=16)
    evaluate(other, corpus, vectors_folder=tmp_path, progress=False)
    with pytest.raises(InputError, match="max_length is 16 there"):
        evaluate(encoder, corpus, vectors_folder=tmp_path, progress=False)
    expected = evaluate(encoder, corpus, vectors_folder=tmp_path / "new", progress=False)
    options = {"vectors_folder": tmp_path, "replace_vectors": True, "progress": False}
    replaced = evaluate(encoder, corpus, **options)
    assert np.array_equal(replaced.candidate_vectors, expected.candidate_vectors)
    # The same vectors are not made again.
    written = (tmp_path / "vectors.npy").stat().st_mtime_ns
    evaluate(encoder, corpus, **options)
    assert (tmp_path / "vectors.npy").stat().st_mtime_ns == written


def test_the_vectors_of_a_run_are_those_of_its_last_evaluation(result, encoder, corpus, tmp_path):
    """In memory, then on disk, then in memory again."""
    folder = tmp_path / RUN_VECTORS
    in_memory = (result.query_vectors, result.candidate_vectors)
    save_run_vectors(tmp_path, *in_memory)
    assert read_run_vectors(tmp_path)[1].dtype == np.float32
    on_disk = evaluate(encoder, corpus, vectors_folder=folder, progress=False)
    save_run_vectors(tmp_path, on_disk.query_vectors, on_disk.candidate_vectors)
    queries, candidates = read_run_vectors(tmp_path)
    assert np.array_equal(queries, on_disk.query_vectors)
    assert candidates.filename == folder / "vectors.npy"
    save_run_vectors(tmp_path, *in_memory)
    assert np.array_equal(read_run_vectors(tmp_path)[1], result.candidate_vectors)
    assert not folder.exists()


def test_the_options_are_parameters_of_a_study(tmp_path):
    params = Params(
        top_k=7,
        corrections=["shift"],
        correction_texts=100,
        data_seed=4,
        lir_directions=3,
        filter_k=0.2,
        filter_shrinkage=0.5,
        parallel_path=tmp_path,
        parallel_passages=9,
        truncate_dims=[16],
        encode_tokens=1000,
        score_block=64,
    )
    assert evaluation_options(params) == {
        "top_k": 7,
        "corrections": ["shift"],
        "correction_texts": 100,
        "data_seed": 4,
        "lir_directions": 3,
        "truncate_dims": [16],
        "filter_k": 0.2,
        "filter_shrinkage": 0.5,
        "parallel_path": tmp_path,
        "parallel_passages": 9,
        "token_budget": 1000,
        "score_block": 64,
    }


def test_what_is_saved_replaces_an_earlier_evaluation(result, encoder, corpus, tmp_path):
    result.save(tmp_path)
    plain = evaluate(encoder, corpus, progress=False)
    plain.save(tmp_path)
    files = {file.name for file in tmp_path.iterdir()}
    assert files == ALWAYS


def test_an_evaluation_that_cannot_be_written_leaves_the_earlier_one(
    result, encoder, corpus, tmp_path, monkeypatch
):
    result.save(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hybridlib.evaluation.evaluate.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        evaluate(encoder, corpus, progress=False).save(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("moves", range(4))
def test_a_kill_while_results_are_put_in_place_leaves_no_metrics(
    result, encoder, corpus, tmp_path, monkeypatch, moves
):
    result.save(tmp_path)
    replace = Path.replace
    left = iter([True] * moves)

    def replace_some(file: Path, target: Path) -> Path:
        if target.parent == tmp_path and not next(left, False):
            raise KeyboardInterrupt
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", replace_some)
    with pytest.raises(KeyboardInterrupt):
        evaluate(encoder, corpus, progress=False).save(tmp_path)
    assert not (tmp_path / "metrics.json").exists()
    assert not (tmp_path / "corrected.parquet").exists()


# ------------------------------------------------------------------------------------ nothing left


@pytest.fixture(scope="module")
def one_french(corpus) -> RetrievalCorpus:
    """One passage in French, and what is relevant to it, beside those in the other languages."""
    queries = [*corpus.queries["query_id"], "fr:q"]
    candidates = [*corpus.candidates["candidate_id"], "fr:p"]
    langs = [*corpus.queries["lang"], "fr"]
    relevance = [("fr:q", "fr:p", 1)]
    rows = corpus.qrels.itertuples()
    relevance += [(queries[row.query], candidates[row.candidate], 1) for row in rows]
    names = zip(candidates, [*corpus.candidates["lang"], "fr"])
    return corpus_of(zip(queries, langs), names, relevance)


def test_a_correction_that_leaves_nothing_is_left_out(one_french, encoder, tmp_path, caplog):
    result = evaluate(encoder, one_french, corrections=BOTH, progress=False)
    assert result.metrics["corrections"] == result.corrected == {}
    left_out = result.metrics["corrections_left_out"]
    assert list(left_out) == BOTH
    for name, reason in left_out.items():
        step = name.partition("@")[0]
        assert reason.startswith(f"{step}: nothing would be left of the passages in fr (1)")
        assert f"left out: {reason}" in caplog.text
    assert list(result.headline().columns) == ["as it is"]
    result.save(tmp_path)
    assert not (tmp_path / "corrected.parquet").exists()
    saved = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert saved == result.metrics


def test_a_correction_may_be_left_out_beside_another(one_french, encoder, parallel, tmp_path):
    """SHIFT needs no second passage in a language."""
    write_lines(tmp_path, **dict.fromkeys([*one_french.languages], "one\ntwo\n"))
    options = {"corrections": [BOTH[1], "shift"], "parallel_path": tmp_path, "progress": False}
    metrics = evaluate(encoder, one_french, **options).metrics
    assert list(metrics["corrections"]) == ["shift"]
    assert list(metrics["corrections_left_out"]) == [BOTH[1]]


class Spoilt:
    """An encoder that gives one text of a side no direction."""

    def __init__(self, side: str, value: float) -> None:
        self.side = side
        self.value = value

    def encode(self, texts: pd.Series, side: str, *_: object) -> np.ndarray:
        """Return vectors of ones, but for the second of the side."""
        vectors = np.full((len(texts), 4), 0.5, dtype=np.float32)
        if side == self.side:
            vectors[1] = self.value
        return vectors


@pytest.mark.parametrize("value", [0, 1e-9, np.nan, np.inf])
@pytest.mark.parametrize(("side", "name"), [("query", "query b"), ("passage", "candidate y")])
def test_a_text_whose_vector_has_no_direction_is_named(side, name, value):
    relevance = [("a", "x", 1), ("b", "y", 1)]
    corpus = corpus_of([("a", "en"), ("b", "en")], [("x", "en"), ("y", "en")], relevance)
    message = f"the vector of {name} is (zero|not finite)"
    with pytest.raises(InputError, match=message):
        evaluate(Spoilt(side, value), corpus, progress=False)


# ----------------------------------------------------------------------------------------- refusals


@pytest.fixture
def without_german() -> RetrievalCorpus:
    """A German query over English and Chinese passages."""
    return corpus_of([("de:q", "de")], [("a", "en"), ("b", "zh")], [("de:q", "a", 1)])


def write_lines(folder: Path, **files: str) -> None:
    """Write ``<lang>.txt`` files of parallel passages."""
    for lang, lines in files.items():
        (folder / f"{lang}.txt").write_text(lines, encoding="utf-8")


def test_a_corpus_in_which_nothing_is_relevant_is_refused():
    corpus = corpus_of([("q", "de")], [("c", "de")], [("q", "c", 0)])
    with pytest.raises(InputError, match="toy: no query has a relevant passage in it"):
        evaluate(None, corpus, progress=False)


def check(corpus: RetrievalCorpus, name: str, **fitting: object) -> None:
    """Check one correction against the texts that it is fitted on."""
    check_corrections(corpus, [name], fitting_table(corpus, **fitting))


def test_corrections_need_candidates_in_the_languages_of_the_queries(without_german):
    check_corrections(without_german, [], fitting_table(without_german))
    message = "centering@candidates is estimated from candidates, and toy has none in de"
    with pytest.raises(InputError, match=message):
        check(without_german, "centering@candidates")
    check(without_german, "filter@candidates")  # needs no language


def test_corrections_need_texts_in_the_languages_of_the_corpus(without_german, tmp_path):
    with pytest.raises(InputError, match="or write lir@candidates to fit it on the candidates"):
        check(without_german, "lir")
    write_lines(tmp_path, de="eins", en="one")
    message = "there are none in zh: give parallel_path with these languages"
    with pytest.raises(InputError, match=message):
        check(without_german, "centering+filter", parallel_path=tmp_path)
    check(without_german, "filter", parallel_path=tmp_path)

    # Training pairs and parallel text count together.
    columns = ["pair_id", "lang", "question", "passage", "passage_id"]
    pairs = pd.DataFrame([("1", "zh", "q", "p", "1")], columns=columns)
    check(without_german, "centering", parallel_path=tmp_path, pairs=pairs)


def test_a_study_says_before_training_what_cannot_be_fitted(without_german, tmp_path):
    write_lines(tmp_path, de="eins", en="one")
    pairs = pd.DataFrame(columns=["pair_id", "lang", "question", "passage", "passage_id"])
    params = Params(corrections=["centering"], parallel_path=tmp_path)
    with pytest.raises(InputError, match="there are none in zh"):
        check_fitting(params, without_german, pairs)
    check_fitting(params.but(corrections=["filter"]), without_german, pairs)
    check_fitting(params.but(corrections=[]), without_german, pairs)


def test_shift_needs_parallel_passages_in_every_pair_of_languages(without_german, tmp_path):
    with pytest.raises(InputError, match="shift is fitted on training pairs or parallel text"):
        check(without_german, "shift")
    write_lines(tmp_path, de="eins\n\n", en="one\ntwo\n", zh="\n\u4e8c\n")
    with pytest.raises(InputError, match="shift needs passages in both 'de' and 'zh'"):
        check(without_german, "shift", parallel_path=tmp_path)
    write_lines(tmp_path, zh="\u4e00\n\u4e8c\n")
    check(without_german, "shift", parallel_path=tmp_path)
    (tmp_path / "zh.txt").unlink()
    with pytest.raises(InputError, match="shift needs passages in both 'de' and 'zh'"):
        check(without_german, "shift", parallel_path=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corrections": ["centering@candidates"]}, "has none in de"),
        ({"corrections": ["centring"]}, "no correction is called 'centring'"),
        ({"corrections": ["shift"]}, "give parallel_path"),
        ({"corrections": ["filter"]}, "give parallel_path"),
        (
            {"corrections": ["lir@candidates"], "vectors_folder": Path("vectors")},
            "lir@candidates is fitted on the vectors of all candidates in memory",
        ),
        ({"correction_texts": 0}, "correction_texts is 0"),
        ({"top_k": 0}, "top_k is 0; it must be 1 or more"),
        ({"lir_directions": -1}, "lir_directions is -1"),
        ({"parallel_passages": 0}, "parallel_passages is 0"),
        ({"token_budget": 0}, "token_budget is 0"),
        ({"score_block": -5}, "score_block is -5"),
    ],
)
def test_nothing_is_encoded_before_the_options_are_checked(options, message, without_german):
    with pytest.raises(InputError, match=message):
        evaluate(None, without_german, **options)
    assert not Path("vectors").exists()
