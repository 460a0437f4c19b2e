"""Languages whose names collide where they are joined by a hyphen, from files to a comparison."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from hybridlib.config.params import Params
from hybridlib.data.load import load_corpus
from hybridlib.evaluation.evaluate import evaluate
from hybridlib.evaluation.metrics import of_pair
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.trec import write_trec
from hybridlib.study import comparison
from hybridlib.study.folder import Study
from hybridlib.study.per_query import cells_of, clustered_mean

LANGUAGES = ("hi", "en", "hi-en", "en-hi")
# How many questions each two languages share: no two pairs have as many.
COUNTS = {pair: 2 + number for number, pair in enumerate(product(LANGUAGES, repeat=2))}


def write_corpus(folder: Path) -> None:
    """Write questions of which each has one answer in one language, so that cells differ."""
    queries = []
    qrels = []
    for (asked, answered), count in COUNTS.items():
        for number in range(count):
            query = f"{asked} {answered} {number}"
            queries.append({"query_id": query, "lang": asked, "text": f"Where is {query}?"})
            qrels.append({"query_id": query, "passage_id": f"{answered} {number}"})
    passages = [
        {"passage_id": f"{lang} {number}", "lang": lang, "text": f"{lang} {number} is here."}
        for lang in LANGUAGES
        for number in range(max(COUNTS.values()))
    ]
    for name, records in (("queries", queries), ("passages", passages), ("qrels", qrels)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def test_no_two_pairs_of_languages_are_one(tiny_encoder, tmp_path):
    write_corpus(tmp_path)
    corpus = load_corpus("folder", tmp_path)
    result = evaluate(DualEncoder.load(tiny_encoder), corpus, progress=False)
    study = Study(Params(output_dir=tmp_path / "out", strategies=["hybrid"], seeds=[0]))
    run = study.runs()[0]
    result.save(run.run)

    # Every pair has its own figures in metrics.json, and the same in a comparison.
    metrics = run.metrics()
    crossed = {pair: count for pair, count in COUNTS.items() if pair[0] != pair[1]}
    assert len(metrics["per_pair"]) == len(crossed)
    cells = cells_of(run)["cross-lingual"].set_index(["query_lang", "target"])["cell"]
    mean = clustered_mean([run], "cross-lingual")
    for (asked, answered), count in crossed.items():
        figures = of_pair(metrics, asked, answered)
        assert figures["queries"] == count
        within = mean.within([cells[asked, answered]])
        assert within.mean() == pytest.approx(figures["map"])
    intervals = comparison.intervals([run]).set_index("measure")["mean"]
    for setting, figures in metrics["settings"].items():
        assert intervals[setting] == pytest.approx(figures["map"])

    # And its own files.
    trec_files = write_trec(
        tmp_path / "trec", corpus, result.query_vectors, result.candidate_vectors
    )
    counts = {
        file.stem: pd.read_csv(file.with_suffix(".qrels"), sep=" ", header=None)
        .iloc[:, 0]
        .nunique()
        for file in trec_files
    }
    assert [counts[name] for name in metrics["per_pair"]] == [
        figures["queries"] for figures in metrics["per_pair"].values()
    ]
