"""Tables of texts and of search results, as the notebooks show them."""

from __future__ import annotations

import pandas as pd
import pytest

from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.figures import tables
from hybridlib.model.encoder import DualEncoder
from hybridlib.retrieval.rank import encode_corpus, rank
from hybridlib.retrieval.ranking import Ranking


@pytest.fixture(scope="module")
def corpus(fact_pairs: pd.DataFrame) -> RetrievalCorpus:
    return corpus_from_pairs("facts", fact_pairs)


def test_tables_of_texts_keep_each_scripts_direction_and_escape_it():
    table = pd.DataFrame({"lang": ["ar"], "text": ["<i>\u0645\u0627"], "score": [0.12345]})
    html = tables.texts(table).to_html()
    assert "unicode-bidi: plaintext" in html
    assert "&lt;i&gt;\u0645\u0627" in html
    assert ">0.123<" in html


def test_the_example_query_is_english_where_there_is_one(corpus):
    assert corpus.queries["lang"][tables.example_query(corpus)] == "en"
    assert tables.example_query(corpus, "xx") == 0


def test_a_result_list_may_be_empty(corpus):
    assert list(tables.result_list(corpus, [], [])) == ["rank", "lang", "text", "score", "right"]


def test_top_of_query_reads_a_saved_ranking(corpus, tmp_path, tiny_encoder):
    encoder = DualEncoder.load(str(tiny_encoder))
    ranking = rank(*encode_corpus(encoder, corpus), corpus, top_k=3)
    ranking.save(tmp_path)
    loaded = tables.top_of_query(corpus, Ranking.load(tmp_path), 2)
    assert loaded.equals(tables.top_of_query(corpus, ranking, 2))
