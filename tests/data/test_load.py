"""Evaluation corpora by their name."""

from __future__ import annotations

import pytest
from folder_files import make_folder
from set_files import write_table
from toys import pair_table

from hybridlib.config.params import Params
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.data.folder import load_folder
from hybridlib.data.load import load_corpus
from hybridlib.data.prepare import evaluation_corpus
from hybridlib.errors import InputError


def test_the_facts_are_those_of_the_parameters():
    corpus = load_corpus("facts", languages=["de", "en"])
    assert (corpus.name, corpus.languages) == ("facts", ["de", "en"])
    assert (len(corpus.queries), len(corpus.candidates)) == (360, 3590)
    assert evaluation_corpus(Params(eval_languages=["de", "en"])).hash == corpus.hash
    other = load_corpus("facts", languages=["de", "en"], data_seed=1, test_fraction=0.05)
    assert len(other.queries) == 180


def test_pairs_of_a_file(tmp_path):
    file = write_table(pair_table(5), tmp_path / "mine.parquet")
    params = Params(eval_corpus="pairs", eval_corpus_path=file, eval_languages=["zh", "ar"])
    corpus = evaluation_corpus(params)
    assert (corpus.name, corpus.languages, len(corpus.queries)) == ("mine", ["ar", "zh"], 10)
    assert load_corpus("pairs", file).hash == corpus_from_pairs("mine", pair_table(5)).hash
    with pytest.raises(InputError, match="no fr"):
        load_corpus("pairs", str(file), ["fr"])


def test_every_passage_of_a_file_is_a_candidate(tmp_path):
    """Also two texts of one passage_id, whatever the order of the records."""
    pairs = pair_table(3, ["de"]).assign(passage_id=["a", "a", "b"])
    corpus = load_corpus("pairs", write_table(pairs, tmp_path / "mine.jsonl"))
    assert corpus.candidates["text"].tolist() == [f"passage {number} in de" for number in range(3)]
    assert corpus.qrels[["query", "candidate"]].to_numpy().tolist() == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
        [2, 2],
    ]
    backwards = write_table(pairs[::-1], tmp_path / "other" / "mine.jsonl")
    assert load_corpus("pairs", backwards).hash == corpus.hash


def test_a_lareqa_set(small):
    corpus = load_corpus("mlqa-r", small(), ["en"], candidate_text="context")
    assert (corpus.name, corpus.candidate_text) == ("mlqa-r", "context")
    assert corpus.languages == ["en"]


def test_a_relative_path_starts_at_the_project_folder(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "data" / "mine")
    monkeypatch.setattr("hybridlib.files.project_root", lambda: tmp_path)
    corpus = load_corpus("folder", "data/mine", ["en"])
    assert corpus.hash == load_folder(folder, ["en"]).hash
    with pytest.raises(InputError, match="no such folder"):
        load_corpus("folder", "mine")


def test_miracl_takes_a_hub_id(monkeypatch):
    sources = []
    monkeypatch.setattr(
        "hybridlib.data.load.load_miracl", lambda source, languages: sources.append(source)
    )
    load_corpus("miracl", "mteb/Some@v2", ["sw"])
    assert sources == ["mteb/Some@v2"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("fact",), {}, "no corpus is called 'fact'; there are facts, pairs, xquad-r"),
        (("facts", "somewhere"), {}, "the built-in facts take no path, got 'somewhere'"),
        (("miracl",), {}, "'miracl' needs the path"),
        (("xquad-r", "x"), {"candidate_text": "passage"}, "'sentence' or 'context'"),
        (("facts", None, ["fr"]), {}, "not phrased in 'fr'"),
    ],
)
def test_arguments_that_are_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        load_corpus(*arguments, **options)


@pytest.mark.parametrize("languages", ["en", [], [None], [1]])
@pytest.mark.parametrize("name", ["facts", "pairs", "folder", "xquad-r", "miracl"])
def test_languages_are_a_list_of_names(name, languages, tmp_path):
    path = None if name == "facts" else tmp_path
    with pytest.raises(InputError, match="must be a list of names, such as"):
        load_corpus(name, path, languages)


def test_a_language_that_is_asked_for_twice_counts_once(small):
    folder = small()
    once = load_corpus("xquad-r", folder, ["en"])
    assert load_corpus("xquad-r", folder, ["en", "en"]).hash == once.hash
