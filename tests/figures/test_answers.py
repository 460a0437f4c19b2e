"""Figures of single queries: every answer at its rank, every letter readable."""

from __future__ import annotations

import pandas as pd
from figure_toys import LANGUAGES, STRATEGIES, lines, ranks, texts, tick_labels

from hybridlib import figures


def test_answer_ranks_stand_at_their_rank_with_their_language(drawn):
    fig = drawn("answer_ranks")
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["first", "second"]
    for panel in range(2):
        ticks = [line.get_xdata()[0] for line in lines(fig, "_answer", panel)]
        assert ticks == [rank + i for i in range(3) for rank in (1, 2, 500)]
        assert texts(fig, panel) == LANGUAGES * 3
    weights = [text.get_weight() for text in fig.axes[0].texts]
    assert weights == ["normal", "bold", "normal"] * 3
    assert "1,000 candidates" in fig.axes[1].get_xlabel()


def test_a_strategy_without_answers_has_an_empty_row():
    first_query = ranks()["query"] == "first"
    part = ranks()[first_query | (ranks()["strategy"] != "hybrid")].drop(columns="query_lang")
    fig = figures.answer_ranks(part)
    assert [len(lines(fig, "_answer", panel)) for panel in range(2)] == [9, 6]
    assert {text.get_weight() for text in fig.axes[0].texts} == {"normal"}
    assert fig.axes[1].get_xlabel() == "rank in the pooled ranking (1 is best), log scale"


def test_answer_letters_do_not_overlap_where_ranks_crowd():
    codes = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]
    crowd = pd.DataFrame({"candidate_lang": codes, "rank_pool": range(4000, 4011)})
    fig = figures.answer_ranks(crowd.assign(strategy="hybrid", query="q"), 13014)
    ax = fig.axes[0]
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * 11  # itself
    for box in boxes:
        assert ax.bbox.x0 <= box.x0
        assert box.x1 <= ax.bbox.x1


def test_top_lists_star_the_right_answers(drawn):
    fig = drawn("top_lists")
    cells = {text.get_position(): text.get_text() for text in fig.axes[0].texts}
    codes = {place: text for place, text in cells.items() if text in LANGUAGES}
    assert len(codes) == 15
    assert codes[1, 1] == "zh"
    for row, (lang, rank) in enumerate([("en", 1), ("ar", 2), ("zh", 3)]):
        assert codes[rank, row - 0.18] == lang
        assert cells[rank, row + 0.2] == "\N{BLACK STAR}"
    assert sum(text == "\N{BLACK STAR}" for text in cells.values()) == 3
    counts = [text for text in cells.values() if "languages" in text]
    assert counts == ["1 \N{BLACK STAR}\n3 languages"] * 3
    assert tick_labels(fig) == STRATEGIES
