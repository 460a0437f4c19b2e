"""Figures hold the values they were given, look the same for the same strategy, and are written byte for byte alike."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from hybridlib.batching.strategies import known_strategies
from hybridlib.errors import InputError
from hybridlib.figures import bias, quality, style
from hybridlib.figures import training as training_figures
from hybridlib.figures import vectors as vectors_figures

LANGUAGES = ["ar", "en", "zh"]
STRATEGIES = ["x-x-mono", "x-y", "hybrid"]


def logs(strategies: list[str] = STRATEGIES, seeds: tuple[int, ...] = (0, 1)) -> pd.DataFrame:
    """Loss at steps 1-4, validation at 0, 2 and 4; every value tells its strategy, seed and step."""
    rows = [
        {
            "strategy": name,
            "seed": seed,
            "step": step,
            "loss": np.nan if step == 0 else 10 * i + seed + 1 / step,
        }
        | {
            f"validation {setting} mAP": np.nan if step % 2 else (i + seed + step + j) / 10
            for j, setting in enumerate(style.SETTINGS)
        }
        for i, name in enumerate(strategies)
        for seed in seeds
        for step in range(5)
    ]
    return pd.DataFrame(rows)


def results(seeds: int = 1) -> pd.DataFrame:
    """One row per strategy, seed, setting and language."""
    return pd.DataFrame(
        [
            {
                "strategy": name,
                "seed": seed,
                "setting": setting,
                "lang": lang,
                "map": 0.5 + i / 10 + j / 100 + seed / 1000,
                "rank_distance": 100.0 * (i + 1) + 10 * k + seed,
            }
            for i, name in enumerate(STRATEGIES)
            for seed in range(seeds)
            for j, setting in enumerate(style.SETTINGS)
            for k, lang in enumerate(LANGUAGES)
        ]
    )


def metrics() -> dict[str, Any]:
    return {
        "languages": LANGUAGES,
        "per_language": {
            lang: {"monolingual": {"map": 0.9 + i / 100}} for i, lang in enumerate(LANGUAGES)
        },
        "per_pair": {
            "ar-en": {"map": 0.11},
            "ar-zh": {"map": 0.22},
            "en-ar": {"map": 0.33},
            "en-zh": {"map": 0.44},
            "zh-ar": {"map": 0.55},
        },
    }


def share() -> pd.DataFrame:
    return pd.DataFrame([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [1 / 3] * 3], LANGUAGES, LANGUAGES)


def draws() -> pd.DataFrame:
    """Two sets; Arabic questions never have English passages."""
    rows = [
        ("a", "en", "en", 0.5),
        ("b", "en", "en", 0.25),
        ("a", "en", "ar", 0.2),
        ("a", "ar", "ar", 0.05),
    ]
    return pd.DataFrame(rows, columns=["dataset", "question", "passage", "share"])


def vectors(scale: float = 1.0) -> tuple[np.ndarray, list[str], list[str]]:
    """Five passages in three languages."""
    points = np.random.default_rng(0).normal(size=(15, 6)) * scale
    return points, LANGUAGES * 5, [f"p{i}" for i in np.repeat(range(5), 3)]


def ranks() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "strategy": name,
                "query": query,
                "query_lang": "en",
                "candidate_lang": lang,
                "rank_pool": rank + i,
            }
            for i, name in enumerate(STRATEGIES)
            for query in ("first", "second")
            for lang, rank in zip(LANGUAGES, (1, 2, 500))
        ]
    )


def corrected() -> pd.DataFrame:
    """One row per strategy and correction, with intervals."""
    rows = [
        (name, how, 0.4 + i / 10 + j / 50, 900.0 - 100 * i - 200 * j)
        for i, name in enumerate(STRATEGIES)
        for j, how in enumerate(("none", "centering", "lir"))
    ]
    table = pd.DataFrame(rows, columns=["strategy", "correction", "map", "rank_distance"]).assign(
        seed=0
    )
    return table.assign(
        map_low=table["map"] - 0.01,
        map_high=table["map"] + 0.01,
        rank_distance_low=table["rank_distance"] - 20,
        rank_distance_high=table["rank_distance"] + 20,
    )


def gains() -> pd.DataFrame:
    rows = [
        (measure, other, d, d - 0.02, d + 0.02)
        for j, measure in enumerate((*style.SETTINGS, "rank distance"))
        for i, other in enumerate(("untrained", "x-x-mono", "x-y"))
        for d in [i / 50 - j / 80]
    ]
    return pd.DataFrame(rows, columns=["measure", "other", "difference", "low", "high"])


def alphas() -> pd.DataFrame:
    points = {"x-y": 0.0, "hybrid-0.25": 0.25, "hybrid": 0.5, "x-x-mono": 1.0}
    rows = [
        (measure, name, alpha, 0.5 + alpha / 10)
        for measure in (*style.SETTINGS, "rank distance")
        for name, alpha in points.items()
    ]
    table = pd.DataFrame(rows, columns=["measure", "strategy", "alpha", "mean"])
    return table.assign(low=table["mean"] - 0.01, high=table["mean"] + 0.01)


def by_group(column: str, values: list[str]) -> pd.DataFrame:
    """One row per strategy, setting and value of the column, with intervals."""
    rows = [
        (name, setting, value, 0.5 + i / 10 + k / 20)
        for i, name in enumerate(STRATEGIES)
        for setting in style.SETTINGS
        for k, value in enumerate(values)
    ]
    table = pd.DataFrame(rows, columns=["strategy", "setting", column, "mean"])
    return table.assign(low=table["mean"] - 0.01, high=table["mean"] + 0.02)


def scores() -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Three questions; the second and the third ask for the same content."""
    left_out = np.zeros((3, 3), dtype=bool)
    left_out[[1, 2], [2, 1]] = True
    return (
        np.array([[0.9, 0.1, -0.25], [0.2, 0.8, 0.3], [0.0, 0.7, 0.6]]),
        left_out,
        LANGUAGES,
        LANGUAGES[::-1],
    )


def found() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "strategy": name,
                "rank": rank,
                "lang": LANGUAGES[(rank + i) % 3],
                "right": "yes" if rank == 1 + i else "",
            }
            for i, name in enumerate(STRATEGIES)
            for rank in range(1, 6)
        ]
    )


def per_query() -> pd.DataFrame:
    ap = np.linspace(0.02, 1.0, 50)
    return pd.DataFrame({"question_id": "q", "ap": ap, "rank_distance": 10 ** (3 - 2 * ap)})


def lines(fig: Figure, label: str, panel: int = 0) -> list[Any]:
    return [line for line in fig.axes[panel].get_lines() if line.get_label() == label]


def texts(fig: Figure, panel: int = 0) -> list[str]:
    return [text.get_text() for text in fig.axes[panel].texts]


FIGURES: dict[str, Callable[[], Figure]] = {
    "training_curves": lambda: training_figures.training_curves(logs()),
    "map_by_setting": lambda: quality.map_by_setting(results(2)),
    "cross_lingual_heatmap": lambda: quality.cross_lingual_heatmap(metrics()),
    "rank_distance_by_language": lambda: bias.rank_distance_by_language(results(2)),
    "language_share_matrix": lambda: bias.language_share_matrix(share(), 10),
    "language_projection": lambda: vectors_figures.language_projection(*vectors()),
    "language_projections": lambda: vectors_figures.language_projections(
        vectors()[0], vectors(2)[0], *vectors()[1:]
    ),
    "batch_grid": lambda: training_figures.batch_grid(
        [["en", "en"], ["ar", "zh"]], [["en", "en"], ["zh", "en"]], ["monolingual", "cross-lingual"]
    ),
    "expected_draws": lambda: training_figures.expected_draws(draws()),
    "bias_plane": lambda: bias.bias_plane(results(2)),
    "bias_plane, corrected": lambda: bias.bias_plane(corrected()),
    "gains": lambda: quality.gains(gains(), "hybrid"),
    "alpha_curve": lambda: quality.alpha_curve(alphas()),
    "seen_unseen": lambda: quality.seen_unseen(by_group("languages", ["seen", "unseen"])),
    "map_by_language": lambda: quality.map_by_language(
        by_group("lang", LANGUAGES).assign(seen=lambda table: table["lang"] != "zh")
    ),
    "answer_ranks": lambda: bias.answer_ranks(ranks(), 1000),
    "score_matrix": lambda: training_figures.score_matrix(*scores()),
    "top_lists": lambda: bias.top_lists(found()),
    "distance_by_quality": lambda: bias.distance_by_quality(per_query()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_leave_pyplot_and_its_settings_alone(name: str) -> None:
    before = dict(plt.rcParams)
    fig = FIGURES[name]()
    assert isinstance(fig, Figure)
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_readable_and_inside_the_figure(name: str) -> None:
    fig = FIGURES[name]()
    fig.canvas.draw()
    visible = [
        text for text in fig.findobj(matplotlib.text.Text) if text.get_visible() and text.get_text()
    ]
    assert min(text.get_fontsize() for text in visible) >= 10 * fig.get_figwidth() / 6 - 1e-9
    boxes = [part.get_tightbbox() for part in fig.axes + fig.legends] + [
        text.get_window_extent() for text in fig.texts
    ]
    assert all(_within(box, fig) for box in boxes)


def _within(box: Any, fig: Figure) -> bool:
    return bool(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= fig.bbox.x1 and box.y1 <= fig.bbox.y1)


@pytest.mark.parametrize("name", FIGURES)
def test_save_writes_the_same_bytes_twice(name: str, tmp_path: Path) -> None:
    """Of the same figure, and of the same figure made again and looked at in between."""
    fig, again = FIGURES[name](), FIGURES[name]()
    again.canvas.draw()
    style.save(fig, tmp_path / "one", "figure")
    style.save(again, tmp_path / "two", "figure")
    style.save(fig, tmp_path / "three", "figure")
    for ending, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        written = [
            (tmp_path / folder / f"figure.{ending}").read_bytes()
            for folder in ("one", "two", "three")
        ]
        assert written[0].startswith(start)
        assert written[0] == written[1] == written[2]
    assert b"<dc:date>" not in (tmp_path / "one" / "figure.svg").read_bytes()


def test_png_has_150_dots_per_inch(tmp_path: Path) -> None:
    fig = bias.bias_plane(results())
    style.save(fig, tmp_path, "plane")
    height, width = plt.imread(tmp_path / "plane.png").shape[:2]
    assert (width, height) == tuple(np.round(fig.get_size_inches() * 150).astype(int))


def test_save_does_not_depend_on_the_process(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_plots as t; t.plots.save(t.FIGURES['language_projection'](), sys.argv[1], 'f')"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "other")],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    style.save(FIGURES["language_projection"](), tmp_path / "here", "f")
    for name in ("f.png", "f.svg"):
        assert (tmp_path / "other" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_the_notebooks_style_does_not_reach_the_figures(tmp_path: Path) -> None:
    style.save(FIGURES["map_by_setting"](), tmp_path, "plain")
    with plt.style.context({"axes.facecolor": "black", "font.size": 30, "savefig.bbox": "tight"}):
        style.save(FIGURES["map_by_setting"](), tmp_path, "styled")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: training_figures.training_curves(pd.DataFrame()),
        lambda: training_figures.training_curves(logs()[["strategy", "seed", "step"]]),
        lambda: quality.map_by_setting(results().iloc[:0]),
        lambda: quality.map_by_setting(results().assign(map=np.nan)),
        lambda: quality.cross_lingual_heatmap({}),
        lambda: bias.rank_distance_by_language(pd.DataFrame()),
        lambda: bias.language_share_matrix(pd.DataFrame(), 10),
        lambda: vectors_figures.language_projection(np.empty((0, 4)), [], []),
        lambda: vectors_figures.language_projections(np.empty((0, 4)), np.empty((0, 4)), [], []),
        lambda: training_figures.batch_grid([], [], []),
        lambda: bias.bias_plane(results().iloc[:0]),
        lambda: bias.answer_ranks(ranks().iloc[:0]),
    ],
)
def test_nothing_to_draw_is_one_clear_error(draw: Callable[[], Figure]) -> None:
    with pytest.raises(
        ValueError,
        match="empty|no rows|neither|nothing to draw|hold no languages|at least two vectors",
    ):
        draw()
    assert plt.get_fignums() == []


def test_a_missing_column_is_named() -> None:
    with pytest.raises(
        ValueError, match="rank_distance_by_language: the table has no column lang, rank_distance"
    ):
        bias.rank_distance_by_language(results().drop(columns=["lang", "rank_distance"]))


# ------------------------------------------------------------------------------------------------------ styles


def test_built_in_strategies_differ_in_colour_and_in_marker() -> None:
    styles = [
        style.strategy_style(name)
        for name in {*known_strategies(), "code-switched", "x-y-pair", "x-x", "en-en"}
    ]
    assert (
        len({colour for colour, _ in styles})
        == len({marker for _, marker in styles})
        == len(styles)
        >= 8
    )


def test_languages_differ_in_colour_and_in_marker() -> None:
    styles = [
        style.language_style(code)
        for code in ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
    ]
    assert len({colour for colour, _ in styles}) == len({marker for _, marker in styles}) == 11


def test_another_strategy_keeps_a_style_of_its_own() -> None:
    assert style.strategy_style("x-en") == style.strategy_style("x-en")
    fixed = {style.strategy_style(name) for name in style._STRATEGIES}
    others = {style.strategy_style(f"other-{i}") for i in range(50)}
    assert len(others) > 10 and not others & fixed


def test_a_strategy_of_several_encoders_keeps_its_style() -> None:
    assert style.strategy_style("e5-small hybrid") == style.strategy_style("hybrid")
    assert style._in_order(["b other", "hybrid", "x-y", "a other"]) == [
        "x-y",
        "hybrid",
        "a other",
        "b other",
    ]


VISION = {  # linear RGB as seen with a missing kind of cone (Machado, Oliveira and Fernandes, 2009, severity 1)
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def seen(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as somebody sees it."""
    linear = np.array(
        [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    )
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ np.clip(vision @ linear, 0, 1)
        / [0.9505, 1, 1.089]
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("styles", ["_STRATEGIES", "_LANGUAGES"])
def test_colours_differ_for_every_reader(styles: str, vision: str) -> None:
    """A difference of 2.3 is just noticeable side by side; markers, names and letters tell them apart as well."""
    colours = [colour for colour, _ in getattr(style, styles).values()]
    points = np.array([seen(colour, VISION[vision]) for colour in colours])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(len(points), 1)]
    assert apart.min() > 9


def test_no_figure_needs_a_letter_that_its_font_lacks(recwarn: pytest.WarningsRecorder) -> None:
    for draw in FIGURES.values():
        draw().canvas.draw()
    assert [
        str(warning.message) for warning in recwarn if "missing from" in str(warning.message)
    ] == []


def test_a_strategy_has_the_same_colour_and_marker_in_every_figure() -> None:
    figures = [
        FIGURES[figure]()
        for figure in (
            "training_curves",
            "map_by_setting",
            "rank_distance_by_language",
            "bias_plane",
        )
    ]
    for name in STRATEGIES:
        drawn = [lines(fig, name)[0] for fig in figures]
        assert {(line.get_color(), line.get_marker()) for line in drawn} == {
            style.strategy_style(name)
        }


def test_the_colour_does_not_depend_on_the_other_strategies() -> None:
    alone = quality.map_by_setting(results().query("strategy == 'hybrid'"))
    assert (
        lines(alone, "hybrid")[0].get_color()
        == lines(quality.map_by_setting(results()), "hybrid")[0].get_color()
    )


def test_a_corrected_point_hangs_on_its_strategys_arrow() -> None:
    fig = bias.bias_plane(corrected())
    arrows = [text for text in fig.axes[0].texts if text.arrow_patch is not None]
    assert len(arrows) == 2 * len(STRATEGIES)
    for arrow in arrows:
        start = corrected().query("correction == 'none'")[["map", "rank_distance"]].to_numpy()
        assert np.isclose(start, arrow.xyann).all(1).sum() == 1
    assert [text.get_text() for text in fig.legends[0].get_texts()] == [
        "with centering",
        "with lir",
    ]


def test_gains_are_drawn_where_they_are() -> None:
    fig = quality.gains(gains(), "hybrid")
    assert [ax.get_title() for ax in fig.axes] == [
        "monolingual mAP",
        "cross-lingual mAP",
        "multilingual mAP",
        "rank distance",
    ]
    drawn = [
        line.get_xdata()[0]
        for line in fig.axes[1].get_lines()
        if line.get_label() in ("untrained", "x-x-mono", "x-y")
    ]
    assert drawn == pytest.approx(
        gains().query("measure == 'cross-lingual'")["difference"].tolist()
    )


def test_languages_that_were_not_trained_on_stand_last_with_a_star() -> None:
    fig = FIGURES["map_by_language"]()
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["ar", "en", "zh *"]


# ------------------------------------------------------------------------------------------------------ figures


def test_training_curves_are_means_over_seeds() -> None:
    fig = training_figures.training_curves(logs())
    assert [ax.get_title() for ax in fig.axes] == [
        "training",
        "validation, monolingual",
        "validation, cross-lingual",
        "validation, multilingual",
    ]
    for i, name in enumerate(STRATEGIES):
        loss = lines(fig, name)[0]
        np.testing.assert_allclose(loss.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_allclose(loss.get_ydata(), 10 * i + 0.5 + 1 / np.arange(1, 5))
        for j in range(3):
            (line,) = lines(fig, name, 1 + j)
            np.testing.assert_allclose(line.get_xdata(), [0, 2, 4])
            np.testing.assert_allclose(line.get_ydata(), (i + 0.5 + np.array([0, 2, 4]) + j) / 10)
    assert [len(lines(fig, "_seed", panel)) for panel in range(4)] == [6] * 4


def test_training_curves_of_one_strategy_and_seed() -> None:
    fig = training_figures.training_curves(logs(["hybrid"], (0,)), smooth=2)
    assert fig.axes[0].get_title() == "training, mean of 2 steps"
    assert [line.get_label() for line in fig.axes[0].get_lines()] == ["hybrid"]
    np.testing.assert_allclose(
        lines(fig, "hybrid")[0].get_ydata(), [1, 0.75, (1 / 2 + 1 / 3) / 2, (1 / 3 + 1 / 4) / 2]
    )


def test_training_curves_without_training_show_a_level() -> None:
    untrained = logs(["untrained"], (0,)).query("step == 0")
    fig = training_figures.training_curves(untrained)
    assert len(fig.axes) == 3
    for panel in range(3):
        np.testing.assert_allclose(lines(fig, "_level", panel)[0].get_ydata(), [panel / 10] * 2)


def test_map_by_setting_shows_means_and_ranges() -> None:
    fig = quality.map_by_setting(results(3))
    assert [ax.get_title() for ax in fig.axes] == list(style.SETTINGS)
    for j in range(3):
        for i, name in enumerate(STRATEGIES):
            (point,) = lines(fig, name, j)
            np.testing.assert_allclose(point.get_xdata(), [0.501 + i / 10 + j / 100])
            np.testing.assert_array_equal(point.get_ydata(), [i])
        assert texts(fig, j) == [f".{round(501 + 100 * i + 10 * j)}" for i in range(3)]
        ends = [segments.get_segments()[0][:, 0] for segments in fig.axes[j].collections]
        np.testing.assert_allclose(
            ends, [[0.5 + i / 10 + j / 100, 0.502 + i / 10 + j / 100] for i in range(3)]
        )
    assert "range over 3 seeds" in fig.get_supxlabel()


def test_map_by_setting_shows_given_intervals() -> None:
    fig = quality.map_by_setting(results().assign(low=0.1, high=0.95))
    ends = [segments.get_segments()[0][:, 0] for ax in fig.axes for segments in ax.collections]
    np.testing.assert_allclose(ends, [[0.1, 0.95]] * 9)
    assert "interval" in fig.get_supxlabel()


def test_map_by_setting_without_spread_has_no_bars() -> None:
    fig = quality.map_by_setting(results())
    assert [len(ax.collections) for ax in fig.axes] == [0, 0, 0]
    assert "bars" not in fig.get_supxlabel()


def test_heatmap_holds_pairs_and_monolingual_diagonal() -> None:
    fig = quality.cross_lingual_heatmap(metrics(), 0.2, 0.8, "hybrid")
    assert texts(fig) == [
        ".90",
        ".11",
        ".22",
        ".33",
        ".91",
        ".44",
        ".55",
        ".92",
    ]  # zh-en has no query
    mesh = fig.axes[0].collections[0]
    values = np.ma.filled(mesh.get_array(), np.nan).reshape(3, 3)
    np.testing.assert_allclose(
        values, [[0.9, 0.11, 0.22], [0.33, 0.91, 0.44], [0.55, np.nan, 0.92]]
    )
    assert mesh.get_clim() == (0.2, 0.8)
    assert [frame.get_xy() for frame in fig.axes[0].patches] == [(0, 0), (1, 1), (2, 2)]
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()] == LANGUAGES
    assert fig.axes[0].get_title() == "hybrid"


def test_share_matrix_is_white_at_the_even_share() -> None:
    fig = bias.language_share_matrix(share(), 10)
    assert texts(fig) == [".80", ".10", ".10", ".20", ".50", ".30", ".33", ".33", ".33"]
    red, even, less = (
        fig.axes[0].collections[0].to_rgba(np.array([value]))[0, :3] for value in (0.8, 1 / 3, 0.1)
    )
    assert even.min() > 0.95
    assert red[0] - red[2] > 0.2 and less[2] - less[0] > 0.2
    assert "top 10" in fig.axes[1].get_ylabel()


def test_share_matrices_can_share_a_scale() -> None:
    colours = [
        bias.language_share_matrix(frame, 10, vmax=0.9)
        .axes[0]
        .collections[0]
        .to_rgba(np.array([0.5]))
        for frame in (share(), share() * 0 + 1 / 3)
    ]
    np.testing.assert_array_equal(*colours)


def test_rank_distance_has_a_point_per_strategy_and_language() -> None:
    fig = bias.rank_distance_by_language(results(3))
    for i, name in enumerate(STRATEGIES):
        points = lines(fig, name)
        np.testing.assert_allclose(
            [point.get_xdata()[0] for point in points],
            [100 * (i + 1) + 10 * k + 1 for k in range(3)],
        )
        np.testing.assert_array_equal(
            np.round([point.get_ydata()[0] for point in points]), range(3)
        )
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()] == LANGUAGES
    assert fig.axes[0].get_xscale() == "linear" and fig.axes[0].get_xlim()[0] == 0


def test_rank_distance_turns_logarithmic_for_a_wide_range() -> None:
    wide = results().assign(
        rank_distance=lambda frame: frame["rank_distance"].where(
            frame["strategy"] != "hybrid", 9000
        )
    )
    for fig, axis in ((bias.rank_distance_by_language(wide), "x"), (bias.bias_plane(wide), "y")):
        assert getattr(fig.axes[0], f"get_{axis}scale")() == "log"
        assert "log scale" in getattr(fig.axes[0], f"get_{axis}label")()
    assert bias.bias_plane(wide, log=False).axes[0].get_yscale() == "linear"


def test_bias_plane_names_each_point() -> None:
    table = pd.DataFrame(
        {
            "strategy": STRATEGIES,
            "seed": 0,
            "map": [0.5, 0.6, 0.7],
            "rank_distance": [400.0, 300.0, 280.0],
        }
    )
    table = table.assign(
        map_low=table["map"] - 0.02,
        map_high=table["map"] + 0.03,
        rank_distance_low=table["rank_distance"] - 20,
        rank_distance_high=table["rank_distance"] + 10,
    )
    fig = bias.bias_plane(table)
    assert texts(fig) == STRATEGIES
    for row in table.itertuples():
        np.testing.assert_allclose(
            lines(fig, row.strategy)[0].get_xydata(),
            [[table.loc[row.Index, "map"], row.rank_distance]],
        )
    bars = [segments.get_segments()[0] for segments in fig.axes[0].collections]
    np.testing.assert_allclose(bars[:2], [[[0.48, 400], [0.53, 400]], [[0.5, 380], [0.5, 410]]])
    assert len(bars) == 6


def test_bias_plane_keeps_names_apart() -> None:
    at = {
        "untrained": (0.2, 420),
        "en-en": (0.4, 390),
        "x-x": (0.3, 400),
        "x-x-mono": (0.55, 320),
        "x-y": (0.585, 300),
        "x-y-pair": (0.59, 301),
        "hybrid": (0.592, 299),
        "hybrid-averaged": (0.6, 302),
        "x-y-averaged": (0.594, 285),
        "code-switched": (0.5, 350),
    }
    close = pd.DataFrame(
        [(name, 0, *place) for name, place in at.items()],
        columns=["strategy", "seed", "map", "rank_distance"],
    )
    fig = bias.bias_plane(close)
    fig.canvas.draw()
    boxes = [
        Text.get_window_extent(text) for text in fig.axes[0].texts
    ]  # without the line that ties a far one to its point
    assert len(boxes) == len(at)
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * len(at)  # itself


def test_projection_has_every_passage_once_and_joins_translations() -> None:
    points, languages, groups = vectors()
    fig = vectors_figures.language_projection(points, languages, groups, "before", connect=2)
    clouds = {cloud.get_label(): cloud for cloud in fig.axes[0].collections}
    assert {code: len(cloud.get_offsets()) for code, cloud in clouds.items()} == dict.fromkeys(
        LANGUAGES, 5
    )
    centred = points - points.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    expected = np.abs(centred @ axes[:2].T)
    np.testing.assert_allclose(np.abs(clouds["en"].get_offsets()), expected[1::3], atol=1e-9)
    np.testing.assert_allclose(
        to_rgb(style.language_style("en")[0]), clouds["en"].get_facecolor()[0, :3]
    )
    joined = fig.axes[0].get_lines()
    assert [line.get_label() for line in joined] == ["_p0", "_p1"]
    np.testing.assert_allclose(np.abs(joined[0].get_xydata()[1::3]), expected[:3], atol=1e-9)


def test_two_projections_have_components_of_their_own() -> None:
    before, languages, groups = vectors()
    after = before[:, ::-1] * np.array([1, 2, 3, 4, 5, 6])
    fig = vectors_figures.language_projections(before, after, languages, groups)
    assert [ax.get_title() for ax in fig.axes] == ["before training", "after training"]
    alone = vectors_figures.language_projection(after, languages, groups)
    np.testing.assert_allclose(
        fig.axes[1].collections[0].get_offsets(), alone.axes[0].collections[0].get_offsets()
    )


def test_batch_grid_shows_the_languages_of_each_row() -> None:
    fig = training_figures.batch_grid(
        [["en", "en", "en"], ["ar", "zh", "en"]],
        [["en", "en", "en"], ["zh", "en", "ar"]],
        ["mono", "cross"],
        rows=2,
    )
    assert [texts(fig, panel) for panel in range(2)] == [["en"] * 4, ["ar", "zh", "zh", "en"]]
    colours = fig.axes[1].images[0].get_array()
    assert colours.shape == (2, 2, 3)
    np.testing.assert_allclose(
        colours[0], [to_rgb(style.language_style(code)[0]) for code in ("ar", "zh")]
    )
    assert [entry.get_text() for entry in fig.legends[0].get_texts()] == LANGUAGES
    assert "first 2 of 3" in fig.get_supylabel()


def test_answer_ranks_stand_at_their_rank_with_their_language() -> None:
    fig = bias.answer_ranks(ranks(), 1000)
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["first", "second"]
    for panel in range(2):
        places = [line.get_xdata()[0] for line in lines(fig, "_answer", panel)]
        assert places == [rank + i for i in range(3) for rank in (1, 2, 500)]
        assert texts(fig, panel) == LANGUAGES * 3
    assert [text.get_weight() for text in fig.axes[0].texts] == ["normal", "bold", "normal"] * 3
    assert "1,000 candidates" in fig.axes[1].get_xlabel()


def test_answer_letters_do_not_overlap_where_ranks_crowd() -> None:
    codes = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]
    crowd = pd.DataFrame(
        {
            "strategy": "hybrid",
            "query": "q",
            "candidate_lang": codes,
            "rank_pool": range(4000, 4011),
        }
    )
    fig = bias.answer_ranks(crowd, 13014)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * 11  # itself
    assert all(fig.axes[0].bbox.x0 <= box.x0 and box.x1 <= fig.axes[0].bbox.x1 for box in boxes)


def test_expected_draws_add_up_the_sets() -> None:
    fig = training_figures.expected_draws(draws(), "mine")
    assert texts(fig) == ["5.0", "20.0", "75.0"] and fig.axes[0].get_title() == "mine"
    with pytest.raises(InputError, match="expected_draws"):
        training_figures.expected_draws(draws().drop(columns="share"))


def test_score_matrix_frames_the_diagonal_and_crosses_out_what_is_left_out() -> None:
    fig = training_figures.score_matrix(*scores())
    ax = fig.axes[0]
    assert sorted(texts(fig)) == sorted([".90", ".10", "-.25", ".20", ".80", ".00", ".60"])
    frames = [patch.get_xy() for patch in ax.patches if not patch.get_fill()]
    assert frames == [(0, 0), (1, 1), (2, 2)]
    crossed = {
        (int(line.get_xdata().min()), int(line.get_ydata().min()))
        for line in lines(fig, "_left out")
    }
    assert crossed == {(2, 1), (1, 2)} and len(lines(fig, "_left out")) == 4
    assert [label.get_text() for label in ax.get_xticklabels()] == LANGUAGES[::-1] and [
        label.get_text() for label in ax.get_yticklabels()
    ] == LANGUAGES
    with pytest.raises(InputError, match="equal shape"):
        training_figures.score_matrix(np.eye(3), np.eye(2, dtype=bool), LANGUAGES, LANGUAGES)


def test_top_lists_star_the_right_answers() -> None:
    fig = bias.top_lists(found())
    shown = {text.get_position(): text.get_text() for text in fig.axes[0].texts}
    assert (
        shown[1, 0] == "en\N{BLACK STAR}"
        and shown[1, 1] == "zh"
        and shown[2, 1] == "ar\N{BLACK STAR}"
    )
    assert len(shown) == 15 and sum("\N{BLACK STAR}" in text for text in shown.values()) == 3
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == STRATEGIES


def test_distance_by_quality_joins_the_medians() -> None:
    fig = bias.distance_by_quality(per_query())
    assert len(lines(fig, "a query")[0].get_xdata()) == 50
    (middle,) = lines(fig, "median of each tenth")
    assert len(middle.get_xdata()) == 10 and (np.diff(middle.get_ydata()) < 0).all()
