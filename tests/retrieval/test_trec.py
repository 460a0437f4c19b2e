"""TREC files: ir-measures computes from them the figures of metrics.json."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, R, nDCG
from toys import corpus_of, random_corpus

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.evaluation.metrics import per_query
from hybridlib.retrieval import trec
from hybridlib.retrieval.rank import rank
from hybridlib.retrieval.ranking import cell_name
from hybridlib.retrieval.unit import unit

MEASURES = {AP: "ap", RR: "rr", R @ 10: "recall@10", nDCG @ 10: "ndcg@10"}
Scene = tuple[RetrievalCorpus, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A corpus and its vectors, with ties."""
    rng = np.random.default_rng(5)
    corpus = random_corpus(rng, questions=30)
    queries = unit(rng.standard_normal((len(corpus.queries), 8)))
    candidates = unit(rng.standard_normal((len(corpus.candidates), 8)))
    candidates[10:20] = candidates[0:10]
    return corpus, queries, candidates


def read(file: Path) -> tuple[list, list]:
    """Return the run and the qrels of a cell."""
    run = list(ir_measures.read_trec_run(str(file)))
    qrels = list(ir_measures.read_trec_qrels(str(file.with_suffix(".qrels"))))
    return run, qrels


def test_ir_measures_scores_every_cell_to_the_same(scene, tmp_path):
    corpus, queries, candidates = scene
    table = per_query(rank(queries, candidates, corpus))
    files = trec.write_trec(tmp_path, corpus, queries, candidates, depth=None)
    assert len(files) == 4 + 12 + 4 == len(table.groupby(["query_lang", "target"]))
    for file in files:
        query_lang, _, target = file.stem.partition("-")
        ours = table[(table["query_lang"] == query_lang) & (table["target"] == target)]
        run, qrels = read(file)
        assert len({entry.query_id for entry in qrels}) == len(ours)
        assert len({entry.query_id for entry in run}) == len(ours)
        expected = ir_measures.calc_aggregate(MEASURES, qrels, run)
        for measure, column in MEASURES.items():
            assert ours[column].mean() == pytest.approx(expected[measure], abs=1e-6)


def test_every_cell_has_files_of_its_own(tmp_path, rng):
    """Joined by a hyphen, hi to en-hi is hi-en to hi."""
    languages = ["hi", "en", "hi-en", "en-hi"]
    names = [(f"{number}:q", lang) for number, lang in enumerate(languages)]
    relevance = [(query, candidate, 1) for query, _ in names for candidate, _ in names]
    corpus = corpus_of(names, names, relevance)
    vectors = np.eye(4, dtype=np.float32)
    files = trec.write_trec(tmp_path, corpus, vectors, vectors)
    assert len(set(files)) == len(list(tmp_path.glob("*.qrels"))) == 4 + 12 + 4
    for file, (query_lang, target) in zip(files, trec.targets(corpus)):
        query_id = f"{languages.index(query_lang)}:q"
        lines = file.read_text(encoding="utf-8").splitlines()
        assert {line.split()[0] for line in lines} == {query_id}
        found = {line.split()[2] for line in lines}
        wanted = {name for name, lang in names if target in ("all", lang)}
        assert found == wanted
        assert file.stem == cell_name(query_lang, target)


def test_names_of_cells():
    assert cell_name("de", "en") == "de-en"
    assert cell_name("zh-Hans", "all") == "zh%2DHans-all"
    assert cell_name("hi", "en-hi") == "hi-en%2Dhi"
    assert cell_name("hi-en", "hi") == "hi%2Den-hi"
    assert cell_name("a%2Db", "c") != cell_name("a-b", "c")


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_below_one_is_refused_before_anything_is_written(depth, scene, tmp_path):
    with pytest.raises(InputError, match=f"depth of run files is {depth}; it must be 1 or more"):
        trec.write_trec(tmp_path / "trec", *scene, depth=depth)
    assert not (tmp_path / "trec").exists()


def test_depth_cuts_every_list(scene, tmp_path):
    for file in trec.write_trec(tmp_path, *scene, depth=3):
        ranks = [int(line.split()[3]) for line in file.read_text().splitlines()]
        assert max(ranks) == 3
        assert ranks.count(1) == ranks.count(3)


def test_the_cells_are_those_of_the_figures(scene, rng):
    """Also of one language, and of questions whose answers are in other languages alone."""
    crossed = corpus_of([("de:1", "de")], [("a", "en"), ("b", "zh")], [("de:1", "a", 1)])
    for corpus in (scene[0], scene[0].restrict(["de"]), crossed):
        queries = rng.standard_normal((len(corpus.queries), 8)).astype(np.float32)
        candidates = rng.standard_normal((len(corpus.candidates), 8)).astype(np.float32)
        table = per_query(rank(queries, candidates, corpus))
        cells = table[["query_lang", "target"]].itertuples(index=False, name=None)
        assert set(trec.targets(corpus)) == set(cells)


def test_ids_with_white_space_keep_their_columns(tmp_path):
    corpus = corpus_of(
        [("en one", "en")],
        [("a b", "en"), ("a%20b", "en"), ("\u3000c", "en"), ("d", "en")],
        [("en one", "a b", 2), ("en one", "\u3000c", 1)],
    )
    queries = np.ones((1, 1), np.float32)
    candidates = np.arange(4, dtype=np.float32)[::-1, None].copy()
    file, _ = trec.write_trec(tmp_path, corpus, queries, candidates)
    lines = file.read_text(encoding="utf-8").splitlines()
    names = ["a%20b", "a%2520b", "d", "%E3%80%80c"]
    expected = [["en%20one", name, str(-number)] for number, name in enumerate(names, 1)]
    assert [line.split(" ")[::2] for line in lines] == expected
    assert lines[0].endswith(" hybridlib-passage")
    run, qrels = read(file)
    ours = per_query(rank(queries, candidates, corpus))["ap"].iloc[0]
    assert ir_measures.calc_aggregate([AP], qrels, run)[AP] == pytest.approx(ours)


def test_files_of_two_runs_do_not_lie_side_by_side(scene, tmp_path, monkeypatch):
    first = trec.write_trec(tmp_path, *scene, depth=3)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    # A run that ends in the middle leaves the files as they were.
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trec, "_run_lines", killed)
        trec.write_trec(tmp_path, *scene, depth=2)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

    assert trec.write_trec(tmp_path, *scene, depth=2) == first
    assert first[0].read_bytes() != before[first[0].name]
    (tmp_path / "sv-all.run").touch()
    with pytest.raises(InputError, match=r"sv-all\.run: a TREC file of another run"):
        trec.write_trec(tmp_path, *scene)
