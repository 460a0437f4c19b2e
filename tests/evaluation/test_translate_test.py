"""Translate-test: a question has the result of its translation, by plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toys import corpus_of, random_corpus, random_scores, rank_scores

from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import Evaluation
from hybridlib.evaluation.metrics import summarise
from hybridlib.evaluation.translate_test import PASSAGE, translate_test


def evaluation(rng, corpus) -> Evaluation:
    scores = random_scores(rng, corpus)
    ranking = rank_scores(scores, corpus)
    metrics = {**summarise(ranking, corpus), "corrections": {}}
    return Evaluation(corpus, metrics, ranking, {}, scores, np.eye(scores.shape[1]))


@pytest.fixture
def partly(rng) -> Evaluation:
    """A corpus of which some questions lack a translation."""
    return evaluation(rng, random_corpus(rng))


def by_loops(table: pd.DataFrame, setting: str, into: str) -> tuple[float, float, int, int]:
    """Return mAP as asked and translated, and how many queries have and lack the translation."""
    aps = {}
    for row in table.itertuples():
        aps[row.question_id, row.query_lang, row.target] = row.ap
    cells: dict[tuple[str, str], list[tuple[float, float]]] = {}
    missing = 0
    for row in table[table["setting"] == setting].itertuples():
        language = row.target if into == PASSAGE else into
        other = aps.get((row.question_id, language, row.target))
        if other is None:
            missing += 1
        else:
            cells.setdefault((row.query_lang, row.target), []).append((row.ap, other))
    means = np.mean([np.mean(values, axis=0) for values in cells.values()], axis=0)
    return means[0], means[1], sum(len(values) for values in cells.values()), missing


def test_a_question_has_the_result_of_its_translation(partly):
    table = partly._per_query(partly.ranking)
    found = partly.translate_test()
    kinds = list(zip(found["setting"], found["translated_into"]))
    assert kinds == [
        ("cross-lingual", PASSAGE),
        ("cross-lingual", "en"),
        ("multilingual", "en"),
    ]
    columns = ["as_asked", "translated", "queries", "without_translation"]
    for kind, row in zip(kinds, found[columns].to_numpy()):
        assert row == pytest.approx(by_loops(table, *kind))
        assert row[3] > 0
    assert (found["translated"] - found["as_asked"]).to_numpy() == pytest.approx(
        found["difference"].to_numpy()
    )
    assert (found["low"] < found["difference"]).all()
    assert (found["difference"] < found["high"]).all()


def test_translated_into_the_passages_language_all_is_monolingual(rng):
    """In a fully parallel corpus each pair of languages has the searched language's own figure."""
    result = evaluation(rng, random_corpus(rng, presence=1.1))
    row = result.translate_test().iloc[0]
    settings = result.metrics["settings"]
    assert row["translated"] == pytest.approx(settings["monolingual"]["map"])
    assert row["as_asked"] == pytest.approx(settings["cross-lingual"]["map"])
    assert row["without_translation"] == 0


def test_a_file_is_written_where_questions_are_translated(partly, tmp_path):
    partly.save(tmp_path)
    written = pd.read_csv(tmp_path / "translate_test.csv")
    pd.testing.assert_frame_equal(written, partly.translate_test())


def test_without_translations_there_is_no_row_and_no_file(rng, tmp_path):
    corpus = corpus_of(
        [("de:1", "de"), ("en:2", "en")],
        [("a", "de"), ("b", "en")],
        [("de:1", "b", 1), ("en:2", "b", 1)],
    )
    result = evaluation(rng, corpus)
    with pytest.raises(InputError, match="needs a question_id in two languages"):
        result.translate_test()
    (tmp_path / "translate_test.csv").write_text("of an earlier evaluation")
    result.save(tmp_path)
    assert not (tmp_path / "translate_test.csv").exists()


def test_a_question_that_stands_twice_is_refused(partly):
    table = partly._per_query(partly.ranking)
    with pytest.raises(InputError, match="stands there twice"):
        translate_test(pd.concat([table, table.tail(1)]))
