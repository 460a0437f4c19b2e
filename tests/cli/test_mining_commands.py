"""``hybridlib mine`` and ``hybridlib score``: tables in, tables out."""

from __future__ import annotations

import pandas as pd
import pytest

from hybridlib.cli import main
from hybridlib.data.pairs import PAIR_COLUMNS, load_pairs, save_pairs
from hybridlib.model.encoder import DualEncoder
from hybridlib.training.mining import MiningOptions, mine, score


@pytest.fixture
def pairs(fact_pairs) -> pd.DataFrame:
    """Sixty pairs in three languages."""
    return fact_pairs[fact_pairs["pair_id"].isin(fact_pairs["pair_id"].unique()[:20])]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_negatives_are_mined_and_scored(ending, pairs, tiny_encoder, tmp_path, capsys):
    file = tmp_path / f"pairs{ending}"
    save_pairs(pairs.assign(negative="wrong"), file)
    mined = tmp_path / f"mined{ending}"
    scored = tmp_path / f"scored{ending}"
    guards = ["--candidates", "pool", "--per-query", "2", "--range-min", "1", "--range-max", "30"]
    guards += ["--absolute-margin", "-0.5", "--relative-margin", "-0.5"]
    assert main(["mine", str(tiny_encoder), str(file), *guards, "--out", str(mined)]) == 0
    assert capsys.readouterr().out == (
        f"wrote {mined}: 120 negatives for 60 pairs; 0 pairs have none; without the column "
        f"negative of {file}\n"
    )
    vectors = ["--vectors", str(tmp_path / "vectors")]
    assert main(["score", str(tiny_encoder), str(mined), *vectors, "--out", str(scored)]) == 0
    assert capsys.readouterr().out == f"wrote {scored}: scores for 60 pairs\n"

    encoder = DualEncoder.load(tiny_encoder)
    table = load_pairs(scored)
    assert list(table) == [*PAIR_COLUMNS, "negatives", "scores"]
    options = MiningOptions("pool", 2, 1, 30, -0.5, -0.5)
    expected = mine(encoder, load_pairs(file), options)
    assert table["negatives"].tolist() == [tuple(texts) for texts in expected]
    for found, wanted in zip(table["scores"], score(encoder, table)):
        assert found == pytest.approx(wanted, abs=2e-3)
    pd.testing.assert_frame_equal(
        table[PAIR_COLUMNS].drop(columns="dataset"),
        load_pairs(file)[PAIR_COLUMNS].drop(columns="dataset"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "--per-query", "0"], "per_query is 0"),
        (["mine", "--out", "mined.txt"], "mined.txt: a table ends in .jsonl"),
        (["mine", "--out", "nowhere/mined.jsonl"], "there is no folder nowhere; make it first"),
        (["mine", "--out", "pairs.jsonl"], "--out: pairs.jsonl is the table that is read"),
        (["score", "--max-length", "0"], "max_length"),
        (["score"], "pairs.jsonl: no pair has a negative to score; `hybridlib mine` finds some"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, message, pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_pairs(pairs, tmp_path / "pairs.jsonl")
    monkeypatch.setattr("hybridlib.cli.mining.load_encoder", None)
    out = [] if "--out" in arguments else ["--out", "mined.jsonl"]
    assert main([arguments[0], "encoder", "pairs.jsonl", *arguments[1:], *out]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hybridlib: ")
    assert error.count("\n") == 1
    assert message in error
    assert [file.name for file in tmp_path.iterdir()] == ["pairs.jsonl"]
