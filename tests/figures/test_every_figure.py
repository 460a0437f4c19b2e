"""What holds for every figure: readable, the same bytes again, and no trace in pyplot."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figure_toys import FIGURES, headline, logs, ranks, results
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from hybridlib import figures

MODULES = ("answers", "bias", "contrasts", "corrections", "plane", "quality", "training", "vectors")


def test_the_name_space_holds_every_figure_function():
    drawing = set()
    for module in MODULES:
        for name, function in vars(import_module(f"hybridlib.figures.{module}")).items():
            public = inspect.isfunction(function) and not name.startswith("_")
            if public and inspect.signature(function).return_annotation == "Figure":
                drawing.add(name)
                assert getattr(figures, name) is function
    tested = {name.removesuffix("_corrected") for name in FIGURES}
    assert drawing == tested
    assert drawing < set(dir(figures))


@pytest.mark.parametrize("name", FIGURES)
def test_a_headline_says_what_to_look_for(name, drawn):
    text = headline(drawn(name))
    finding = name in ("top_lists", "language_projection")
    assert finding or "?" in text
    assert len(text.split()) > 4


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_readable_and_inside_the_figure(name, drawn):
    fig = drawn(name)
    fig.draw_without_rendering()
    visible = [text for text in fig.findobj(Text) if text.get_visible() and text.get_text()]
    smallest = min(text.get_fontsize() for text in visible)
    assert smallest >= 10 * fig.get_figwidth() / 6 - 1e-9
    boxes = [part.get_tightbbox() for part in fig.axes + fig.legends]
    boxes += [text.get_window_extent() for text in fig.texts]
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= fig.bbox.x1
        assert box.y1 <= fig.bbox.y1
    for text in visible:
        font = get_font(findfont(text.get_fontproperties()))
        for letter in text.get_text().replace("\n", ""):
            assert font.get_char_index(ord(letter)), f"the font has no {letter!r}"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_drawn_again_has_the_same_bytes_and_leaves_pyplot_alone(name, drawn, tmp_path):
    settings = dict(plt.rcParams)
    again = FIGURES[name]()
    assert isinstance(again, Figure)
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == settings

    figures.save(drawn(name), tmp_path / "first", "figure")
    figures.save(again, tmp_path / "again", "figure")
    for ending, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        first = (tmp_path / "first" / f"figure.{ending}").read_bytes()
        assert first.startswith(start)
        assert b"<dc:date>" not in first
        assert (tmp_path / "again" / f"figure.{ending}").read_bytes() == first


def test_a_figure_may_be_saved_and_looked_at_as_often_as_one_likes(tmp_path):
    fig = FIGURES["bias_plane"]()
    figures.save(fig, tmp_path, "first")
    fig.canvas.draw()
    figures.save(fig, tmp_path, "again")
    for ending in ("png", "svg"):
        first = (tmp_path / f"first.{ending}").read_bytes()
        assert (tmp_path / f"again.{ending}").read_bytes() == first
    height, width = plt.imread(tmp_path / "first.png").shape[:2]
    assert (width, height) == tuple(np.round(fig.get_size_inches() * 150).astype(int))


def test_the_svg_may_be_left_out(tmp_path, drawn, monkeypatch):
    monkeypatch.setenv("HYBRIDLIB_FIGURES", "png")
    figures.save(drawn("bias_plane"), tmp_path, "figure")
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.parametrize("wanted", ["none", "forest,gains"])
def test_figures_that_are_not_wanted_are_not_drawn(wanted, tmp_path, monkeypatch):
    monkeypatch.setenv("HYBRIDLIB_FIGURES", wanted)
    for name in ("bias_plane", "forest"):
        fig = FIGURES[name]()
        assert isinstance(fig, Figure)
        figures.save(fig, tmp_path / "figures", name)
    saved = [file.name for file in tmp_path.rglob("*.*")]
    assert saved == ([] if wanted == "none" else ["forest.png"])


def test_save_does_not_depend_on_the_process(tmp_path, drawn):
    names = ("language_projection", "bias_plane_corrected")
    code = "import sys; from figure_toys import FIGURES, figures\n"
    code += f"for name in {names}: figures.save(FIGURES[name](), sys.argv[1], name)"
    folder = str(Path(__file__).parent)
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "other")],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": folder},
    )
    for name in names:
        figures.save(drawn(name), tmp_path / "this", name)
        for ending in ("png", "svg"):
            other = (tmp_path / "other" / f"{name}.{ending}").read_bytes()
            assert (tmp_path / "this" / f"{name}.{ending}").read_bytes() == other


def test_the_notebooks_style_does_not_reach_the_figures(tmp_path, drawn):
    figures.save(drawn("map_by_setting"), tmp_path, "plain")
    with plt.style.context({"axes.facecolor": "black", "font.size": 30, "savefig.bbox": "tight"}):
        figures.save(FIGURES["map_by_setting"](), tmp_path, "styled")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


def test_a_strategy_has_the_same_colour_and_marker_in_every_figure(drawn):
    several = ("training_curves", "map_by_setting", "rank_distance_by_language", "bias_plane")
    for strategy in ("x-x-mono", "x-y", "hybrid"):
        styles = set()
        for name in several:
            line = next(x for x in drawn(name).axes[0].get_lines() if x.get_label() == strategy)
            styles.add((line.get_color(), line.get_marker()))
        assert styles == {figures.strategy_style(strategy)}


NOTHING = {
    "training_curves": lambda: figures.training_curves(pd.DataFrame()),
    "training_curves, steps": lambda: figures.training_curves(logs()[["strategy", "seed", "step"]]),
    "map_by_setting": lambda: figures.map_by_setting(results().iloc[:0]),
    "map_by_setting, NaN": lambda: figures.map_by_setting(results().assign(map=np.nan)),
    "cross_lingual_heatmap": lambda: figures.cross_lingual_heatmap({}),
    "rank_distance_by_language": lambda: figures.rank_distance_by_language(pd.DataFrame()),
    "language_share_matrix": lambda: figures.language_share_matrix(pd.DataFrame(), 10),
    "language_projection": lambda: figures.language_projection(np.empty((0, 4)), [], []),
    "batch_grid": lambda: figures.batch_grid([], [], []),
    "bias_plane": lambda: figures.bias_plane(results().iloc[:0]),
    "answer_ranks": lambda: figures.answer_ranks(ranks().iloc[:0]),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_draw_is_one_clear_error(name):
    reasons = "empty|no rows|neither|nothing to draw|hold no languages|at least two vectors"
    with pytest.raises(ValueError, match=reasons):
        NOTHING[name]()
    assert plt.get_fignums() == []
