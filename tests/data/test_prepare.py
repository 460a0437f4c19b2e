"""What a study trains, validates and evaluates on: the split of one set and of several."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from set_files import add_article, long_pairs, write_table
from toys import pair_table

from hybridlib.config.params import Params
from hybridlib.data import lareqa, load
from hybridlib.data import prepare as prepare_module
from hybridlib.data.facts import all_facts
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError

FACT_LANGUAGES = ["de", "en", "th"]


@pytest.fixture
def few_facts(monkeypatch):
    """Every sixth fact: enough for the split."""
    some = all_facts()[::6]
    for module in (load, prepare_module):
        monkeypatch.setattr(module, "all_facts", lambda: list(some))
    return some


def test_facts_are_split_by_passage(few_facts):
    params = Params(
        languages=FACT_LANGUAGES,
        eval_languages=FACT_LANGUAGES,
        variants=2,
        validation_fraction=0.1,
        test_fraction=0.1,
    )
    data = prepare(params)
    train = set(data.train["passage_id"])
    validation = set(_asked(data.validation))
    evaluation = set(_asked(data.evaluation))
    assert not train & validation
    assert not train & evaluation
    assert not validation & evaluation
    assert len(train | validation | evaluation) == len(few_facts)
    assert min(len(evaluation), len(validation)) > 10
    # Every fact is a candidate of the evaluation; of the validation a part of the training facts.
    assert set(data.evaluation.candidates["group"]) == train | validation | evaluation
    near_misses = set(data.validation.candidates["group"]) - validation
    assert near_misses < train
    assert len(near_misses) >= len(train) / 4
    counts = data.train["lang"].value_counts().to_dict()
    assert counts == dict.fromkeys(FACT_LANGUAGES, 2 * len(train))
    assert data.validation.languages == FACT_LANGUAGES
    assert data.evaluation.languages == FACT_LANGUAGES


def _asked(corpus):
    """The content of each relevant candidate."""
    return corpus.candidates["group"].iloc[corpus.qrels["candidate"].unique()]


def test_facts_are_searched_in_a_wording_that_is_not_trained_on(few_facts):
    data = prepare(Params(languages=FACT_LANGUAGES, variants=2))
    trained = set(zip(data.train["lang"], data.train["passage"]))
    for corpus in (data.validation, data.evaluation):
        searched = set(zip(corpus.candidates["lang"], corpus.candidates["text"]))
        assert not trained & searched
        assert len(searched) == len(corpus.candidates)


def test_a_wording_is_kept_from_training_where_the_facts_are_evaluated(few_facts):
    message = "variants: all 3 phrasings of a fact are trained on.*take 1 to 2"
    with pytest.raises(InputError, match=message):
        prepare(Params(languages=FACT_LANGUAGES, variants=3))


def test_test_facts_are_the_same_for_every_training_set(few_facts):
    """The seed of the data decides the split; languages, variants and the run's seed do not."""
    one = Params(languages=["de", "en"], eval_languages=FACT_LANGUAGES, variants=1, seed=5)
    other = Params(languages=FACT_LANGUAGES, eval_languages=FACT_LANGUAGES, variants=2)
    other_seed = Params(languages=["de", "en"], eval_languages=FACT_LANGUAGES, data_seed=1)
    expected = prepare(one).evaluation.hash
    assert prepare(other).evaluation.hash == expected
    assert prepare(other_seed).evaluation.hash != expected


def test_facts_in_untrained_languages_can_be_evaluated(few_facts):
    data = prepare(Params(languages=["de", "en"], eval_languages=["th", "vi"]))
    assert set(data.train["lang"]) == {"de", "en"}
    assert data.evaluation.languages == ["th", "vi"]
    assert prepare(Params(languages=["de", "en"])).evaluation.languages == ["de", "en"]


def test_pairs_of_a_file_are_split_by_passage(tmp_path):
    pairs = pair_table(40)
    # Ten pairs to a passage.
    pairs["passage_id"] = "c" + pairs["pair_id"].str[-2:-1]
    params = Params(
        train_corpus="pairs",
        train_corpus_path=write_table(pairs, tmp_path / "mine.jsonl"),
        languages=["de", "en", "zh"],
        validation_fraction=0.25,
        eval_corpus="pairs",
        eval_corpus_path=write_table(pair_table(3, ["ar"]), tmp_path / "other.jsonl"),
    )
    data = prepare(params)
    assert set(data.train["lang"]) == {"de", "en", "zh"}
    held_out = _answers(data.validation)
    assert len(held_out) == 1
    assert not held_out & set(data.train["passage_id"])
    assert len(data.train) + len(data.validation.queries) == 3 * 40
    # The training passages, which are few, are candidates too.
    near_misses = set(data.validation.candidates["group"]) - held_out
    assert near_misses == set(data.train["passage_id"])


def test_few_of_many_training_passages_are_near_misses(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "_MOST_NEAR_MISSES", 12)
    params = Params(
        train_corpus="pairs",
        train_corpus_path=write_table(pair_table(40), tmp_path / "mine.jsonl"),
        languages=["de", "en", "zh"],
        validation_fraction=0.25,
    )
    candidates = prepare(params).validation.candidates
    near_misses = candidates[~candidates["group"].isin(_answers(prepare(params).validation))]
    # Four passages in three languages; others with another seed.
    assert len(near_misses) == 12
    assert near_misses["group"].nunique() == 4
    other = prepare(params.but(data_seed=1)).validation.candidates
    assert set(other["group"]) != set(candidates["group"])


def _answers(corpus):
    """Return the contents that a question asks for."""
    return set(corpus.candidates["group"].iloc[corpus.qrels["candidate"]])


def test_a_language_without_pairs_is_named(tmp_path):
    file = write_table(pair_table(40), tmp_path / "mine.csv")
    params = Params(train_corpus="pairs", train_corpus_path=file, languages=["de", "ru", "fr"])
    message = "no pairs in fr, ru; change languages to those it has: ar, de, en, zh"
    with pytest.raises(InputError, match=message):
        prepare(params)


def test_lareqa_sets_train_and_evaluate(small):
    folder = small(add_article)
    params = Params(
        train_corpus="xquad-r",
        train_corpus_path=folder,
        languages=["de", "en"],
        validation_fraction=0.4,
        eval_corpus="mlqa-r",
        eval_corpus_path=folder,
        eval_languages=["en"],
        candidate_text="context",
    )
    data = prepare(params)
    # The article on animals in both languages, and the one on dogs.
    assert sorted([len(data.train), len(data.validation.queries)]) == [1, 4]
    assert not set(data.train["passage_id"]) & set(data.validation.candidates["group"])
    assert (data.evaluation.name, data.evaluation.candidate_text) == ("mlqa-r", "context")
    assert data.evaluation.languages == ["en"]
    # Training passages are the sentences alone.
    assert data.train["passage"].str.len().max() < 12
    # Negatives are added where they are asked for.
    assert "negative" not in data.train
    with_negatives = prepare(params.but(paragraph_negatives=True)).train
    pd.testing.assert_frame_equal(with_negatives.drop(columns="negative"), data.train)
    assert with_negatives["negative"].str.len().between(5, 11).all()


def test_validation_articles_are_not_trained_on(shared_data):
    folder = shared_data("mlqa-r")
    params = Params(
        train_corpus="mlqa-r",
        train_corpus_path=folder,
        languages=["de", "es"],
        validation_fraction=0.3,
    )
    data = prepare(params)
    article = lareqa.articles(folder, lareqa.LAREQA_LANGUAGES["mlqa-r"]).of_question
    trained = {article[name] for name in data.train["pair_id"]}
    held_out = {article[name] for name in data.validation.queries["question_id"]}
    assert not trained & held_out
    assert len(held_out) > 50
    assert list(data.train) == PAIR_COLUMNS

    # The candidates are the sentences of the held-out articles, and no others.
    sentences = []
    for lang in ("de", "es"):
        content = json.loads((folder / f"{lang}.json").read_text(encoding="utf-8"))
        for paragraph in content["data"]:
            for part in paragraph["paragraphs"]:
                ids = {article.get(question["id"]) for question in part["qas"]}
                if ids & held_out:
                    text = part["context"]
                    sentences += [(lang, text[a:b]) for a, b in part["sentence_breaks"]]
    candidates = data.validation.candidates
    assert set(zip(candidates["lang"], candidates["text"], strict=True)) >= set(sentences)
    assert len(candidates) > 2 * len(_answers(data.validation))
    trained_texts = set(data.train["passage"])
    long = candidates["text"].str.len() > 40
    assert not trained_texts & set(candidates["text"][long])


# Several sets.


def test_several_sets_in_one_table(tmp_path):
    one = long_pairs().assign(dataset="one", negative="no")
    two = pair_table(20, ["de", "zh"]).assign(dataset="two")
    params = Params(
        train_corpus=["facts", "pairs", "pairs"],
        train_corpus_path=[
            None,
            write_table(one, tmp_path / "one.jsonl"),
            write_table(two, tmp_path / "two.jsonl"),
        ],
        languages=["de", "en", "zh"],
        validation_fraction=0.2,
    )
    data = prepare(params)
    train = data.train
    assert set(train["dataset"]) == {"facts", "one", "two"}
    assert set(train["lang"]) == {"de", "en", "zh"}
    for column in ("pair_id", "passage_id"):
        sets = train[column].str.split("/").str[0]
        assert sets.tolist() == train["dataset"].tolist()
    assert not train.duplicated(["pair_id", "lang"]).any()
    assert set(train.loc[train["dataset"] == "one", "negative"]) == {"no"}
    assert set(train.loc[train["dataset"] != "one", "negative"]) == {""}
    validation_sets = data.validation.queries["question_id"].str.split("/").str[0]
    assert set(validation_sets) == {"facts", "one", "two"}


def test_two_sets_of_one_name_are_refused(tmp_path):
    file = write_table(pair_table(20, ["de", "zh"]), tmp_path / "two.jsonl")
    params = Params(
        train_corpus=["pairs", "pairs"], train_corpus_path=[file, file], languages=["de", "zh"]
    )
    with pytest.raises(InputError, match="two sets are called 'toy'"):
        prepare(params)


def test_sets_whose_ids_could_become_one_are_refused(few_facts, tmp_path):
    """a/b with the id c, and a with the id b/c, would be the same pair."""
    pairs = pair_table(20, ["de", "zh"]).assign(dataset="a/b")
    params = Params(
        train_corpus=["facts", "pairs"],
        train_corpus_path=[None, write_table(pairs, tmp_path / "two.jsonl")],
        languages=["de", "zh"],
    )
    with pytest.raises(InputError, match="a set is called 'a/b'"):
        prepare(params)


def test_a_language_that_is_in_no_set_is_named(few_facts, tmp_path):
    file = write_table(pair_table(20, ["de", "zh"]), tmp_path / "two.jsonl")
    params = Params(
        train_corpus=["facts", "pairs"], train_corpus_path=[None, file], languages=["de", "fr"]
    )
    with pytest.raises(InputError, match="no training pairs in fr"):
        prepare(params)


@pytest.mark.parametrize(
    ("corpus", "paths", "message"),
    [
        (["facts", "pairs"], [None], "give one path \\(null for facts\\) for each corpus"),
        (["facts", "pairs"], "FILE", "give one path \\(null for facts\\) for each corpus"),
        (["facts"], [None, "FILE"], "give one path \\(null for facts\\) for each corpus"),
        (["facts", "pairs"], ["FILE", None], "take no path"),
        (["facts", "pairs"], None, "'pairs' needs the path"),
        (["facts", "pears"], [None, "FILE"], "did you mean 'pairs'"),
    ],
)
def test_sets_and_paths_that_do_not_match(corpus, paths, message):
    with pytest.raises(InputError, match=message):
        Params.check({"train_corpus": corpus, "train_corpus_path": paths})


def test_the_fingerprint_knows_every_set(tmp_path):
    from hybridlib.study.fingerprint import fingerprint
    from hybridlib.study.folder import Study

    files = [write_table(pair_table(20), tmp_path / f"{name}.jsonl") for name in "ab"]
    params = Params(train_corpus=["pairs", "pairs"], train_corpus_path=files, output_dir=tmp_path)
    before = fingerprint(Study(params), "data")
    write_table(pair_table(21), files[1])
    assert fingerprint(Study(params), "data") != before
