"""mteb evaluates a corpus in the three settings, and its numbers are ours."""

from __future__ import annotations

import numpy as np
import pytest
from toys import corpus_of, random_corpus, random_scores, rank_scores

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation import bias
from hybridlib.evaluation.evaluate import evaluate
from hybridlib.evaluation.mteb_task import mteb_task
from hybridlib.model.encoder import DualEncoder

# mteb takes seven seconds to import, and as long to evaluate a toy.
slow = pytest.mark.slow


def small(lang: str = "de") -> RetrievalCorpus:
    return corpus_of([("q", lang)], [("c", lang)], [("q", "c", 1)])


def test_without_mteb_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install '\.\[mteb\]'"):
        mteb_task(small())


def test_a_depth_below_one_is_refused():
    with pytest.raises(InputError, match="depth is 0"):
        mteb_task(small(), depth=0)


@slow
@pytest.mark.parametrize(
    ("lang", "code"), [("de", "deu-Latn"), ("zh-Hant", "cmn-Hant"), ("tha", "tha-Thai")]
)
def test_languages_have_mteb_s_codes(lang, code):
    (codes,) = {tuple(names) for names in mteb_task(small(lang)).metadata.eval_langs.values()}
    assert codes == (code,)


@slow
def test_a_language_without_a_code_is_named():
    with pytest.raises(InputError, match="'klingonish' is no language that mteb has a code for"):
        mteb_task(small("klingonish"))


@slow
def test_bias_of_partly_parallel_queries_is_ours(rng):
    from hybridlib.evaluation.mteb_pooled import language_bias

    corpus = random_corpus(rng, top_grade=1)
    scores = random_scores(rng, corpus)
    expected = bias.by_language(rank_scores(scores, corpus, top_k=10), corpus, 10)
    ids = corpus.candidates["candidate_id"]
    relevant: dict[str, dict[str, int]] = {}
    for query, candidate, grade in corpus.qrels.itertuples(index=False):
        relevant.setdefault(str(query), {})[ids[candidate]] = grade
    languages = dict(zip(ids, corpus.candidates["lang"]))
    for lang in expected.index:
        rows = np.flatnonzero(corpus.queries["lang"] == lang)
        results = {str(row): dict(zip(ids, scores[row].tolist())) for row in rows}
        found = language_bias(results, relevant, languages, lang)
        assert len(found) == 5
        for name, value in found.items():
            assert value == pytest.approx(expected.loc[lang, name.replace("_at_", "@")]), name


@slow
def test_ranks_that_a_short_list_does_not_have_are_no_figure():
    from hybridlib.evaluation.mteb_pooled import language_bias

    relevant = {"q": {"a": 1, "b": 1}}
    found = language_bias({"q": {"a": 0.5}}, relevant, {"a": "de", "b": "en"}, "de")
    assert set(found) == {
        "same_language_share_at_10",
        "other_language_recall_at_10",
        "language_preference_rate",
    }


@slow
def test_mteb_s_numbers_are_ours(fact_pairs, tiny_encoder):
    import mteb
    from sentence_transformers import SentenceTransformer

    pairs = fact_pairs[fact_pairs["lang"].isin(["de", "th"])].groupby("lang").head(40)
    corpus = corpus_from_pairs("facts", pairs)
    ours = evaluate(DualEncoder.load(str(tiny_encoder)), corpus, progress=False).metrics
    results = mteb.evaluate(
        SentenceTransformer(str(tiny_encoder), device="cpu"),
        mteb_task(corpus),
        cache=None,
        co2_tracker=False,
        show_progress_bar=False,
    )
    (scores,) = [part.scores["test"] for part in results.task_results]
    theirs = {part["hf_subset"]: part for part in scores}
    assert set(theirs) == {"de-de", "de-th", "th-de", "th-th", "de-all", "th-all"}

    cells = {}
    for lang, other in (("de", "th"), ("th", "de")):
        cells[f"{lang}-{lang}"] = ours["per_language"][lang]["monolingual"]
        cells[f"{lang}-all"] = ours["per_language"][lang]["multilingual"]
        cells[f"{lang}-{other}"] = ours["per_pair"][f"{lang}-{other}"]
    for subset, expected in cells.items():
        for name in ("map", "ndcg@10", "recall@10"):
            found = theirs[subset][name.replace("@", "_at_")]
            assert found == pytest.approx(expected[name], abs=1e-5), (subset, name)
    for lang, figures in ours["bias"]["per_language"].items():
        for name in ("rank_distance", "max_rank", "same_language_share@10"):
            found = theirs[f"{lang}-all"][name.replace("@", "_at_")]
            assert found == pytest.approx(figures[name], abs=1e-5), (lang, name)
