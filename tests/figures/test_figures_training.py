"""Figures of training hold the values that they were given."""

from __future__ import annotations

import numpy as np
import pytest
from figure_toys import (
    LANGUAGES,
    STRATEGIES,
    batches,
    draws,
    headline,
    lines,
    logs,
    texts,
    tick_labels,
)
from matplotlib.colors import to_rgb

from hybridlib import figures
from hybridlib.errors import InputError


def test_training_curves_are_means_over_seeds(drawn):
    fig = drawn("training_curves")
    assert [ax.get_title() for ax in fig.axes] == [
        "training",
        "validation, monolingual",
        "validation, cross-lingual",
        "validation, multilingual",
    ]
    for i, strategy in enumerate(STRATEGIES):
        loss = lines(fig, strategy)[0]
        np.testing.assert_allclose(loss.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_allclose(loss.get_ydata(), 10 * i + 0.5 + 1 / np.arange(1, 5))
        for j in range(3):
            (line,) = lines(fig, strategy, 1 + j)
            np.testing.assert_allclose(line.get_xdata(), [0, 2, 4])
            np.testing.assert_allclose(line.get_ydata(), (i + 0.5 + np.array([0, 2, 4]) + j) / 10)
    assert [len(lines(fig, "_seed", panel)) for panel in range(4)] == [6] * 4


def test_training_curves_of_one_strategy_and_seed():
    fig = figures.training_curves(logs(["hybrid"], (0,)), smooth=2)
    assert fig.axes[0].get_title() == "training, mean of 2 steps"
    assert [line.get_label() for line in fig.axes[0].get_lines()] == ["hybrid"]
    means = [1, 0.75, (1 / 2 + 1 / 3) / 2, (1 / 3 + 1 / 4) / 2]
    np.testing.assert_allclose(lines(fig, "hybrid")[0].get_ydata(), means)


def test_training_curves_without_training_show_a_level():
    untrained = logs(["untrained"], (0,)).query("step == 0")
    fig = figures.training_curves(untrained)
    assert len(fig.axes) == 3
    for panel in range(3):
        (level,) = lines(fig, "_level", panel)
        np.testing.assert_allclose(level.get_ydata(), [panel / 10] * 2)


def test_training_curves_without_validation_show_the_loss():
    fig = figures.training_curves(logs()[["strategy", "seed", "step", "loss"]])
    assert [ax.get_title() for ax in fig.axes] == ["training"]
    assert fig.axes[0].get_xlabel() == "step"


def test_batch_grid_shows_the_languages_of_each_row():
    fig = figures.batch_grid(*batches(), rows=2)
    assert [texts(fig, panel) for panel in range(2)] == [["en"] * 4, ["ar", "zh", "zh", "en"]]
    colours = fig.axes[1].images[0].get_array()
    assert colours.shape == (2, 2, 3)
    expected = [to_rgb(figures.language_style(code)[0]) for code in ("ar", "zh")]
    np.testing.assert_allclose(colours[0], expected)
    assert [entry.get_text() for entry in fig.legends[0].get_texts()] == LANGUAGES
    assert "first 2 of 3" in fig.get_supylabel()


def test_expected_draws_add_up_the_sets(drawn):
    fig = drawn("expected_draws")
    assert texts(fig) == ["5.0", "20.0", "75.0"]
    assert headline(fig).startswith("hybrid: how often")
    with pytest.raises(InputError, match="expected_draws"):
        figures.expected_draws(draws().drop(columns="share"))


def test_score_matrix_frames_the_diagonal_and_crosses_out_what_is_masked(drawn):
    fig = drawn("score_matrix")
    ax = fig.axes[0]
    assert texts(fig) == [".90", ".10", "-.25", ".20", ".80", ".00", ".60"]
    frames = [patch.get_xy() for patch in ax.patches if not patch.get_fill()]
    assert frames == [(0, 0), (1, 1), (2, 2)]
    strokes = lines(fig, "_masked")
    crossed = {(int(x.get_xdata().min()), int(x.get_ydata().min())) for x in strokes}
    assert crossed == {(2, 1), (1, 2)}
    assert len(strokes) == 4
    assert tick_labels(fig, "x") == LANGUAGES[::-1]
    assert tick_labels(fig, "y") == LANGUAGES
    with pytest.raises(InputError, match="equal shape"):
        figures.score_matrix(np.eye(3), np.eye(2, dtype=bool), LANGUAGES, LANGUAGES)
