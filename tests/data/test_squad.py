"""SQuAD files as training data."""

from __future__ import annotations

from pathlib import Path

import pytest
from set_files import squad_file

from hybridlib.config.params import Params
from hybridlib.data import training_sets
from hybridlib.data.pairs import PAIR_COLUMNS
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError


@pytest.fixture
def squad(tmp_path) -> Path:
    """Two articles in two languages, and a file of another split."""
    folder = tmp_path / "my-squad"
    english = {
        "Foxes": [("All of the foxes.", [("q1", "Which?"), ("q2", "Who?")])],
        "Dogs": [("All of the dogs.", [("q3", "What?")])],
    }
    german = {
        "Hunde": [("Alle Hunde.", [("q3", "Was?")])],
        "Füchse": [("Alle Füchse.", [("q2", "Wer?")])],
    }
    squad_file(folder, "train-en.json", english)
    squad_file(folder, "de.json", german)
    squad_file(folder, "dev-en.json", {"Never": [("Never read.", [("q9", "Why?")])]})
    return folder


def test_squad_pairs_are_questions_with_their_paragraph(squad):
    training_set = training_sets.find("squad", squad)
    assert training_set.languages == ["de", "en"]
    pairs = training_set.load(["de", "en"]).set_index(["lang", "pair_id"])
    assert pairs.loc[("en", "q1"), "passage"] == "All of the foxes."
    assert pairs.loc[("de", "q3"), "question"] == "Was?"
    assert set(pairs["dataset"]) == {"my-squad"}

    # Translations share the passage, and so do the questions of one paragraph.
    dogs = pairs.loc[[("en", "q3"), ("de", "q3")]]
    foxes = pairs.loc[[("en", "q1"), ("en", "q2"), ("de", "q2")]]
    assert dogs["passage_id"].nunique() == 1
    assert foxes["passage_id"].nunique() == 1
    assert set(dogs["passage_id"]) != set(foxes["passage_id"])
    assert foxes["article"].nunique() == 1
    assert pairs["article"].nunique() == 2


def test_squad_through_prepare_holds_out_an_article(squad):
    data = prepare(Params(train_corpus="squad", train_corpus_path=squad, languages=["de", "en"]))
    assert len(data.train) + len(data.validation.queries) == 5
    assert list(data.train) == PAIR_COLUMNS
    asked_for = data.validation.candidates["group"].iloc[data.validation.qrels["candidate"]]
    assert not set(data.train["passage_id"]) & set(asked_for)


def test_squad_folders_that_are_refused(squad, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        training_sets.find("squad", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no <lang>.json or <split>-<lang>.json"):
        training_sets.find("squad", tmp_path / "empty")
    squad_file(squad, "dev-es.json", {})
    squad_file(squad, "test-es.json", {})
    with pytest.raises(InputError, match=r"dev-es.json, test-es.json: which of them"):
        training_sets.find("squad", squad)


def test_unanswerable_questions_are_dropped_and_double_ids_refused(tmp_path):
    folder = tmp_path / "s"
    squad_file(folder, "en.json", {"A": [("One.", [("q1", "Which?")])]}, is_impossible=True)
    with pytest.raises(InputError, match="holds no record"):
        training_sets.find("squad", folder).load(["en"])
    squad_file(folder, "en.json", {"A": [("One.", [("q1", "Which?"), ("q1", "Who?")])]})
    with pytest.raises(InputError, match="'q1' stands twice"):
        training_sets.find("squad", folder).load(["en"])
