"""The model card of a run: its numbers are those of the comparison, and no path is in it."""

from __future__ import annotations

import json

import pytest
from clones import ROOT
from huggingface_hub import ModelCard
from studies import copied

from hybridlib.cli import main
from hybridlib.evaluation.metrics import headline
from hybridlib.study.card import about_run
from hybridlib.study.folder import Study


@pytest.fixture
def study(finished_study, tmp_path) -> Study:
    """A copy of the study, whose files may be changed."""
    return copied(finished_study, tmp_path)


def words(markdown: str) -> str:
    """Return the words of a text in one line, without the lines of tables."""
    return " ".join(markdown.replace("|", " ").split())


def test_the_card_of_a_run_has_the_results_of_its_study(study, capsys):
    run = study.runs()[-1]
    assert main(["card", str(run.run), "--licence", "mit"]) == 0
    assert capsys.readouterr().out == f"wrote {run.model / 'README.md'}\n"
    card = ModelCard.load(run.model / "README.md")
    assert card.data.license == "mit"
    assert card.data.language == ["de", "en", "th"]
    assert card.data.base_model is None
    text = words(card.text)
    # The two rows of the comparison that are about the encoder, without the encoder's name.
    intervals = (run.comparison / "intervals.md").read_text(encoding="utf-8")
    rows = [line.split("|", 2)[2] for line in intervals.splitlines()[2:]]
    assert len(rows) == 2
    assert all(words(row) in text for row in rows)
    for name, value in headline(run.metrics()).items():
        assert f"{name} {value:.4f}" in text
    assert "3 steps of 8 pairs with the batch strategy `hybrid`, seed 0" in text
    assert "Pairs: `facts` (built in)" in text
    assert "alpha: 0.25" in text
    assert str(study.folder.parent) not in card.content


def test_without_a_finished_evaluation_there_are_no_results(study):
    run = study.runs()[-1]
    assert "## Results" in about_run(run).sections[-1]
    run.marker("bias").unlink()
    assert len(about_run(run).sections) == 1


def test_an_untrained_encoder_says_so(finished_study):
    sections = about_run(finished_study.runs()[0]).sections
    assert sections[0].startswith("## Training\n\nNone")


def test_a_correction_has_its_figures_where_it_was_evaluated(finished_study):
    run = finished_study.runs()[-1]
    *_, fitted, results = about_run(run, correction="filter", fitted="## Correction").sections
    assert fitted == "## Correction"
    assert "Before the correction, which was not evaluated" in results
    results = about_run(run, correction="centering").sections[-1]
    corrected = headline(run.metrics()["corrections"]["centering"])
    assert f"{corrected['multilingual mAP']:.4f}" in results


def test_the_base_model_and_the_sets_of_the_hub_are_named(study):
    run = study.runs()[-1]
    file = run.run / "run.json"
    manifest = json.loads(file.read_text())
    source = {"encoder": "a/b", "revision": "main", "commit": "c"}
    manifest["steps"]["training"]["source"] = source
    file.write_text(json.dumps(manifest))
    sets = {"train_corpus": ["mmarco", "miracl-train"], "train_corpus_path": ["c/d@1", "e/f"]}
    about = about_run(Study(run.params.but(**sets)))
    assert about.base_model == "a/b"
    assert about.datasets == ["c/d", "e/f"]
    assert "`mmarco` d@1 (see its own licence)" in about.sections[0]
    assert "`miracl-train` f (licence Apache 2.0)" in about.sections[0]


def test_what_is_no_run_has_no_card(capsys):
    assert main(["card", str(ROOT / "docs")]) == 2
    assert "docs: no params.yaml; give the folder of a run" in capsys.readouterr().err
