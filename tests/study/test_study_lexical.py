"""BM25 as a strategy of a study: one run, no seeds, compared like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from studies import copied

from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.model.tokenizer import load_tokenize
from hybridlib.retrieval.lexical import LexicalScores, rank_lexical
from hybridlib.study.comparison import differences, intervals
from hybridlib.study.fingerprint import finished_runs, is_done
from hybridlib.study.folder import Study, run_name
from hybridlib.study.grid import run_study
from hybridlib.study.results import headlines, training_logs, translate_tests
from hybridlib.study.runner import begin

STRATEGIES = ["untrained", "hybrid", "bm25"]


@pytest.fixture(scope="module")
def study(finished_study, tmp_path_factory) -> Study:
    """A copy of the miniature study, with BM25 beside its encoder."""
    output_dir = tmp_path_factory.mktemp("bm25")
    study = copied(finished_study, output_dir, strategies=STRATEGIES)
    outcomes = run_study(study.params, only="built-in-bm25-s0")
    assert {outcome.state for outcome in outcomes} == {"kept", "done"}
    return study


@pytest.fixture(scope="module")
def run(study) -> Study:
    return study.run_called("built-in-bm25-s0")


def test_it_costs_one_run_whatever_the_seeds_and_settings():
    params = Params(strategies=["bm25", "hybrid"], seeds=[0, 1], grid={"steps": [5, 6]})
    names = [run_name(run.params) for run in Study(params).runs()]
    assert names.count("built-in-bm25-s0") == 1
    assert len(names) == 1 + 2 * 2


def test_it_has_an_encoder_s_files_and_no_model(run):
    for step in ("training", "evaluation", "bias"):
        assert is_done(run, step)
    for name in ("metrics.json", "per_query.parquet", "ranks.parquet", "top.npz", "bias.csv"):
        assert (run.run / name).exists()
    assert not run.model.exists()
    assert json.loads((run.run / "run.json").read_text())["steps"]["training"]["steps"] == 0


def test_it_searches_the_encoder_s_own_subwords(run):
    corpus = run.evaluation_corpus()
    scores = LexicalScores(corpus, load_tokenize(str(run.data / "tokenizer")))
    expected = rank_lexical(scores, corpus).relevant
    pd.testing.assert_frame_equal(pd.read_parquet(run.run / "ranks.parquet"), expected)


def test_it_stands_in_every_table(study):
    runs = finished_runs(study)
    assert "bm25" in {run.params.strategy for run in runs}
    assert set(intervals(runs)["strategy"]) == {"untrained", "hybrid-alpha-0.25", "bm25"}
    compared = differences(runs)
    pairs = set(zip(compared["first"], compared["second"]))
    assert ("hybrid-alpha-0.25", "bm25") in pairs
    assert {"bm25"} < set(headlines(runs)["strategy"])
    log = training_logs(runs)
    assert log.loc[log["strategy"] == "bm25", "validation monolingual mAP"].notna().all()


def test_translated_questions_stand_beside_each_system(study):
    table = translate_tests(finished_runs(study))
    rows = table[table["strategy"] == "bm25"].set_index(["setting", "translated_into"])
    settings = study.run_called("built-in-bm25-s0").metrics()["settings"]
    crossed = rows.loc["cross-lingual", "the passage's"]
    assert crossed["as_asked"] == pytest.approx(settings["cross-lingual"]["map"])
    assert crossed["translated"] == pytest.approx(settings["monolingual"]["map"])
    assert len(table) == 3 * 3


def test_its_notebooks_are_not_opened(run):
    with pytest.raises(InputError, match="has no encoder, so the notebooks have nothing to show"):
        begin(run.params, "evaluation")


def test_a_failure_is_an_outcome(study, tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise InputError("no words")

    monkeypatch.setattr("hybridlib.study.runner.search_by_words", fails)
    changed = study.params.but(strategy="bm25", top_k=3)
    outcomes = run_study(changed, only="built-in-bm25-s0")
    failed = {outcome.step: (outcome.state, outcome.reason) for outcome in outcomes}
    assert failed["evaluation"] == ("failed", "InputError: no words")
    assert failed["bias"][0] == "skipped"
    assert not Path(study.run_called("built-in-bm25-s0").marker("bias")).exists()
