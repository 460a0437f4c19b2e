"""Vectors cut to their first dimensions: as sentence-transformers cuts them, in one evaluation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sentence_transformers import SentenceTransformer
from torch import nn

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import Evaluation, evaluate
from hybridlib.evaluation.metrics import headline, summarise
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.layers import Truncate
from hybridlib.retrieval.rank import rank
from hybridlib.study.results import headlines

WIDTHS = [8, 32]  # of 32 dimensions


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> DualEncoder:
    return DualEncoder.load(tiny_encoder)


@pytest.fixture(scope="module")
def corpus(fact_pairs: pd.DataFrame) -> RetrievalCorpus:
    return corpus_from_pairs("facts", fact_pairs.groupby("lang").head(30))


@pytest.fixture(scope="module")
def result(encoder, corpus) -> Evaluation:
    return evaluate(encoder, corpus, truncate_dims=WIDTHS, progress=False)


def vectors_of(model: SentenceTransformer, corpus: RetrievalCorpus) -> tuple[np.ndarray, ...]:
    """Return what sentence-transformers makes of queries and candidates, at length 1."""
    queries = model.encode_query(corpus.queries["text"].tolist(), normalize_embeddings=True)
    texts = corpus.candidates["text"].tolist()
    return queries, model.encode_document(texts, normalize_embeddings=True)


def test_figures_are_those_of_what_sentence_transformers_cuts(result, corpus, tiny_encoder):
    for width in WIDTHS:
        model = SentenceTransformer(str(tiny_encoder), truncate_dim=width, device="cpu")
        queries, candidates = vectors_of(model, corpus)
        assert queries.shape[1] == width
        metrics = summarise(rank(queries, candidates, corpus), corpus)
        found = result.metrics["truncated"][str(width)]
        assert headline(found) == pytest.approx(headline(metrics), abs=1e-6)
    whole, cut = (result.metrics["truncated"][width]["settings"] for width in ("32", "8"))
    assert whole == result.metrics["settings"]
    assert cut["multilingual"]["map"] != whole["multilingual"]["map"]


def test_tables_and_files_name_the_widths(result, tmp_path):
    assert list(result.headline()) == ["as it is", "first 8 dimensions", "first 32 dimensions"]
    result.save(tmp_path)
    table = pd.read_parquet(tmp_path / "truncated.parquet")
    pooled = table[table["setting"] == "multilingual"].groupby(["dimensions", "query_lang"])["ap"]
    means = pooled.mean().groupby("dimensions").mean()
    for width in WIDTHS:
        settings = result.metrics["truncated"][str(width)]["settings"]
        assert means[width] == pytest.approx(settings["multilingual"]["map"])

    # In a study, the rows of cut vectors stand in its table of results, and are no corrections.
    run = SimpleNamespace(params=Params(), metrics=lambda: {"corrections": {}, **result.metrics})
    rows = headlines([run], truncated=True)["correction"].tolist()
    assert rows == ["none", "first 8 dimensions", "first 32 dimensions"]
    assert headlines([run])["correction"].tolist() == ["none"]


def test_vectors_on_disk_are_cut_too(result, encoder, corpus, tmp_path):
    stored = evaluate(
        encoder, corpus, truncate_dims=[8], vectors_folder=tmp_path / "vectors", progress=False
    )
    assert isinstance(stored.candidate_vectors, np.memmap)
    found = headline(stored.metrics["truncated"]["8"])
    assert found == pytest.approx(headline(result.metrics["truncated"]["8"]), rel=1e-2)


def test_a_folder_that_cuts_its_vectors_means_the_same(result, corpus, tiny_encoder, tmp_path):
    cutting = DualEncoder.load(tiny_encoder)
    cutting.dense = nn.Sequential(Truncate(8))
    cutting.save(tmp_path / "cutting")
    loaded = DualEncoder.load(tmp_path / "cutting")
    theirs = vectors_of(SentenceTransformer(str(tmp_path / "cutting"), device="cpu"), corpus)
    ours = loaded.encode(corpus.queries["text"], "query")
    np.testing.assert_allclose(ours, theirs[0], atol=1e-6)
    own = evaluate(loaded, corpus, progress=False)
    found = headline(own.metrics)
    assert found == pytest.approx(headline(result.metrics["truncated"]["8"]), abs=1e-6)


@pytest.mark.parametrize("width", [0, 33])
def test_widths_that_vectors_have_not_are_refused(width, encoder, corpus):
    reason = rf"truncate_dims \({width}\): the encoder's vectors have 32 dimensions"
    with pytest.raises(InputError, match=reason):
        evaluate(encoder, corpus, truncate_dims=[width], progress=False)


def test_the_command_line_prints_a_column_for_each_width(
    tiny_encoder, fact_pairs, tmp_path, capsys
):
    file = tmp_path / "pairs.parquet"
    fact_pairs.groupby("lang").head(10).to_parquet(file)
    corpus = ["--corpus", "pairs", "--corpus-path", str(file), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tiny_encoder), *corpus, "--truncate-dim", "16", "8"]) == 0
    printed = capsys.readouterr().out
    assert "first 16 dimensions" in printed
    assert "first 8 dimensions" in printed
    assert (tmp_path / "out" / "truncated.parquet").exists()
    assert main(["evaluate", "bm25", *corpus, "--truncate-dim", "8"]) == 2
    assert "--truncate-dim is of encoders" in capsys.readouterr().err
