"""``hybridlib correct``: the written encoder against the correction that evaluations apply."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clones import ROOT

from hybridlib.cli import main
from hybridlib.data.corpus import corpus_from_pairs
from hybridlib.evaluation.evaluate import evaluate
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.corrections import fit
from hybridlib.retrieval.fitting_texts import FittingSet


@pytest.fixture(scope="module")
def pairs(fact_pairs) -> pd.DataFrame:
    """Training pairs in two languages."""
    return fact_pairs[fact_pairs["lang"] != "th"]


@pytest.fixture(scope="module")
def texts(pairs, tmp_path_factory) -> Path:
    """Parallel text of them: a folder of aligned lines."""
    folder = tmp_path_factory.mktemp("texts")
    for lang, part in pairs.groupby("lang"):
        (folder / f"{lang}.txt").write_text("\n".join(part["passage"]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def corrected(tiny_encoder, texts, tmp_path_factory) -> Path:
    """The tiny encoder, corrected on parallel text."""
    out = tmp_path_factory.mktemp("corrected") / "encoder"
    assert main(["correct", str(tiny_encoder), "--on", str(texts), "--out", str(out)]) == 0
    return out


def test_the_written_encoder_has_the_figures_of_the_correction(
    corrected, tiny_encoder, pairs, texts
):
    corpus = corpus_from_pairs("facts", pairs.iloc[:80])
    options = {"corrections": ["filter"], "parallel_path": texts, "progress": False}
    plain = evaluate(DualEncoder.load(tiny_encoder), corpus, **options)
    written = evaluate(DualEncoder.load(corrected), corpus, progress=False)
    correction = fit("filter", plain.fitting.passages, plain.fitting.queries)
    queries = correction.queries(plain.query_vectors, corpus.queries["lang"])
    passages = correction.candidates(plain.candidate_vectors, corpus.candidates["lang"], "de")
    assert np.abs(written.query_vectors - queries).max() < 1e-5
    assert np.abs(written.candidate_vectors - passages).max() < 1e-5
    assert np.abs(written.query_vectors - plain.query_vectors).max() > 0.1
    for setting, values in plain.metrics["corrections"]["filter"]["settings"].items():
        assert written.metrics["settings"][setting]["map"] == pytest.approx(values["map"], abs=1e-4)


def test_training_pairs_correct_each_side_by_its_own_texts(tiny_encoder, pairs, tmp_path):
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    on = str(tmp_path / "pairs.csv")
    out = tmp_path / "out"
    assert main(["correct", str(tiny_encoder), "--on", on, "--out", str(out)]) == 0
    written = DualEncoder.load(out)
    for side, column in (("query", "question"), ("passage", "passage")):
        vectors = DualEncoder.load(tiny_encoder).encode(pairs[column], side)
        layer = written.correction[side]
        center = layer.weight.detach().numpy() @ vectors.mean(0)
        assert np.allclose(-layer.bias.detach().numpy(), center, atol=1e-5)


def test_a_run_is_corrected_on_what_its_study_fits_on(finished_study, tmp_path, capsys):
    run = finished_study.runs()[-1]
    out = tmp_path / "out"
    assert main(["correct", str(run.run), "--out", str(out)]) == 0
    assert "texts with translations (training pairs; de, en, th)" in capsys.readouterr().out
    fitted_on = FittingSet.load(run.run / "fitting.npz")
    correction = fit("filter", fitted_on.passages, fitted_on.queries)
    corpus = run.evaluation_corpus()
    queries = np.load(run.run / "queries.npy")
    expected = correction.queries(queries, corpus.queries["lang"])
    vectors = DualEncoder.load(out).encode(corpus.queries["text"], "query")
    assert np.abs(vectors - expected).max() < 1e-4


def refusals(root: Path, run: Path, corrected: Path, encoder: Path) -> dict[str, tuple[str, str]]:
    """Return options that are refused, and why."""
    texts = f"--on {root}/texts"
    return {
        f"{encoder} {texts} --with centering+filter": "take filter, which asks for none",
        f"{encoder} {texts} --with filter@candidates": "has no candidates; write filter",
        f"{encoder} {texts} --with fliter": "did you mean 'filter'",
        f"{encoder}": "--on: give the texts",
        f"{encoder} --on {root}/nothing": "nothing: no such file or folder",
        f"{encoder} --on {root}/few": "filter: 2 texts are in two languages or more; it needs 100",
        f"{encoder} {texts} --languages de sw": "has no texts in sw; it has de, en",
        f"{encoder} {texts} --kind tables": "--kind: 'tables' is none; there are parallel, pairs",
        f"{encoder} --on ntrex": "ntrex: say in which languages",
        f"{corrected} {texts}": "has a correction already",
        f"{run} {texts}": "--on: a run is corrected as in its study",
        f"{run.parent / 'data'} {texts}": "no config.json",
    }


def test_what_cannot_be_corrected_is_one_line(
    finished_study, corrected, texts, tiny_encoder, tmp_path, capsys
):
    shutil.copytree(texts, tmp_path / "texts")
    for lang in ("de", "en"):
        (tmp_path / "few").mkdir(exist_ok=True)
        (tmp_path / "few" / f"{lang}.txt").write_text("one\ntwo\n")
    run = finished_study.runs()[-1].run
    for options, reason in refusals(tmp_path, run, corrected, tiny_encoder).items():
        assert main(["correct", *options.split(), "--out", str(tmp_path / "out")]) == 2, options
        error = capsys.readouterr().err
        assert reason in error, options
        assert not (tmp_path / "out").exists()


def test_nothing_is_replaced(tiny_encoder, texts, capsys):
    options = ["--on", str(texts), "--out", str(ROOT / "docs")]
    assert main(["correct", str(tiny_encoder), *options]) == 2
    assert "docs: is there already; give a new folder" in capsys.readouterr().err
