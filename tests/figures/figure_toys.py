"""Small tables whose values tell where they belong, and every figure drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hybridlib import figures
from hybridlib.evaluation.metrics import SETTINGS

LANGUAGES = ["ar", "en", "zh"]
STRATEGIES = ["x-x-mono", "x-y", "hybrid"]
MEASURES = (*SETTINGS, "rank distance")


def logs(strategies: list[str] = STRATEGIES, seeds: tuple[int, ...] = (0, 1)) -> pd.DataFrame:
    """Loss at steps 1 to 4, validation at 0, 2 and 4; by strategy, seed and step."""
    rows = []
    for i, strategy in enumerate(strategies):
        for seed in seeds:
            for step in range(5):
                row: dict[str, Any] = {"strategy": strategy, "seed": seed, "step": step}
                row["loss"] = np.nan if step == 0 else 10 * i + seed + 1 / step
                for j, setting in enumerate(SETTINGS):
                    value = np.nan if step % 2 else (i + seed + step + j) / 10
                    row[f"validation {setting} mAP"] = value
                rows.append(row)
    return pd.DataFrame(rows)


def results(seeds: int = 1) -> pd.DataFrame:
    """One row per strategy, seed, setting and language."""
    rows = []
    for i, strategy in enumerate(STRATEGIES):
        for seed in range(seeds):
            for j, setting in enumerate(SETTINGS):
                for k, lang in enumerate(LANGUAGES):
                    quality = 0.5 + i / 10 + j / 100 + seed / 1000
                    distance = 100.0 * (i + 1) + 10 * k + seed
                    rows.append((strategy, seed, setting, lang, quality, distance))
    columns = ["strategy", "seed", "setting", "lang", "map", "rank_distance"]
    return pd.DataFrame(rows, columns=columns)


def metrics() -> dict[str, Any]:
    """The part of metrics.json that a heat map shows; no Chinese query has an English answer."""
    pairs = {"ar-en": 0.11, "ar-zh": 0.22, "en-ar": 0.33, "en-zh": 0.44, "zh-ar": 0.55}
    monolingual = {lang: 0.9 + i / 100 for i, lang in enumerate(LANGUAGES)}
    return {
        "languages": LANGUAGES,
        "per_language": {lang: {"monolingual": {"map": x}} for lang, x in monolingual.items()},
        "per_pair": {pair: {"map": value} for pair, value in pairs.items()},
    }


def share() -> pd.DataFrame:
    """Shares of the candidate languages in three queries' lists."""
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
    """Ranks 1, 2 and 500 of two queries' answers, one more with each strategy."""
    rows = []
    for i, strategy in enumerate(STRATEGIES):
        for query in ("first", "second"):
            for lang, rank in zip(LANGUAGES, (1, 2, 500)):
                rows.append((strategy, query, "en", lang, rank + i))
    columns = ["strategy", "query", "query_lang", "candidate_lang", "rank_pool"]
    return pd.DataFrame(rows, columns=columns)


def corrected() -> pd.DataFrame:
    """One row per strategy and correction, with intervals."""
    rows = []
    for i, strategy in enumerate(STRATEGIES):
        for j, correction in enumerate(("none", "centering", "lir")):
            rows.append((strategy, correction, 0.4 + i / 10 + j / 50, 900.0 - 100 * i - 200 * j))
    columns = ["strategy", "correction", "map", "rank_distance"]
    return with_bars(pd.DataFrame(rows, columns=columns).assign(seed=0), 0.01, 20)


def with_bars(table: pd.DataFrame, of_map: float, of_distance: float) -> pd.DataFrame:
    """Add intervals that reach so far to both sides of map and rank_distance."""
    return table.assign(
        map_low=table["map"] - of_map,
        map_high=table["map"] + of_map,
        rank_distance_low=table["rank_distance"] - of_distance,
        rank_distance_high=table["rank_distance"] + of_distance,
    )


def plane_of(points: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """A plane's table from each strategy's mAP and rank distance."""
    rows = [(strategy, 0, *point) for strategy, point in points.items()]
    return pd.DataFrame(rows, columns=["strategy", "seed", "map", "rank_distance"])


def gains() -> pd.DataFrame:
    """Differences of three strategies in every measure."""
    rows = []
    for j, measure in enumerate(MEASURES):
        for i, other in enumerate(("untrained", "x-x-mono", "x-y")):
            difference = i / 50 - j / 80
            p = 0.01 if abs(difference) > 0.02 else 0.06
            rows.append((measure, other, difference, difference - 0.02, difference + 0.02, p))
    return pd.DataFrame(rows, columns=["measure", "other", "difference", "low", "high", "p_holm"])


def alphas() -> pd.DataFrame:
    """Every measure at four shares of monolingual batches."""
    points = {"x-y": 0.0, "hybrid-0.25": 0.25, "hybrid": 0.5, "x-x-mono": 1.0}
    rows = []
    for measure in MEASURES:
        for strategy, alpha in points.items():
            rows.append((measure, strategy, alpha, 0.5 + alpha / 10))
    table = pd.DataFrame(rows, columns=["measure", "strategy", "alpha", "mean"])
    return table.assign(low=table["mean"] - 0.01, high=table["mean"] + 0.01)


def by_group(column: str, values: list[str]) -> pd.DataFrame:
    """One row per strategy, setting and value of the column, with intervals."""
    rows = []
    for i, strategy in enumerate(STRATEGIES):
        for setting in SETTINGS:
            for k, value in enumerate(values):
                rows.append((strategy, setting, value, 0.5 + i / 10 + k / 20))
    table = pd.DataFrame(rows, columns=["strategy", "setting", column, "mean"])
    return table.assign(low=table["mean"] - 0.01, high=table["mean"] + 0.02)


def by_language() -> pd.DataFrame:
    """mAP of three languages; Chinese was not trained on."""
    table = by_group("lang", LANGUAGES)
    return table.assign(seen=table["lang"] != "zh")


def scores() -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Three questions; the second and the third ask for the same content."""
    masked = np.zeros((3, 3), dtype=bool)
    masked[[1, 2], [2, 1]] = True
    cosines = np.array([[0.9, 0.1, -0.25], [0.2, 0.8, 0.3], [0.0, 0.7, 0.6]])
    return cosines, masked, LANGUAGES, LANGUAGES[::-1]


def top_results() -> pd.DataFrame:
    """Five results under each strategy; the first, second or third is right."""
    rows = []
    for i, strategy in enumerate(STRATEGIES):
        for rank in range(1, 6):
            right = "yes" if rank == 1 + i else ""
            rows.append((strategy, rank, LANGUAGES[(rank + i) % 3], right))
    return pd.DataFrame(rows, columns=["strategy", "rank", "lang", "right"])


def per_query() -> pd.DataFrame:
    """Fifty queries; the better the average precision, the smaller the rank distance."""
    ap = np.linspace(0.02, 1.0, 50)
    return pd.DataFrame({"question_id": "q", "ap": ap, "rank_distance": 10 ** (3 - 2 * ap)})


def batches() -> tuple[list[list[str]], list[list[str]], list[str]]:
    """A monolingual batch and a cross-lingual one, of three rows."""
    questions = [["en", "en", "en"], ["ar", "zh", "en"]]
    passages = [["en", "en", "en"], ["zh", "en", "ar"]]
    return questions, passages, ["monolingual", "cross-lingual"]


def two_projections() -> Figure:
    """The vectors before and after they were scaled."""
    before, languages, groups = vectors()
    return figures.language_projections(before, vectors(2)[0], languages, groups)


def claims() -> pd.DataFrame:
    """Claims of every verdict in two settings; the untrained encoder is far behind."""
    rows = [
        ("untrained", "monolingual", 0.9, 0.8, 0.95, "shown"),
        ("x-y", "monolingual", 0.02, 0.01, 0.03, "shown"),
        ("x-x-mono", "monolingual", -0.01, -0.02, -0.005, "shown the other way"),
        ("x-y", "rank distance", 5.0, -4.0, 13.0, "not shown"),
        ("x-x-mono", "rank distance", -40.0, -60.0, -30.0, "shown"),
    ]
    columns = ["second", "setting", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns).assign(first="hybrid")


def directions() -> pd.DataFrame:
    """Directions of a filter, the last of them without any variance between texts."""
    within = np.geomspace(1e-5, 1e-2, 30)
    between = np.append(np.geomspace(1e-2, 1e-5, 29), 0)
    kept = between / (between + 0.1 * within)
    return pd.DataFrame({"between": between, "within": within, "kept": kept})


FIGURES: dict[str, Callable[[], Figure]] = {
    "alpha_curve": lambda: figures.alpha_curve(alphas()),
    "answer_ranks": lambda: figures.answer_ranks(ranks(), 1000),
    "batch_grid": lambda: figures.batch_grid(*batches()),
    "bias_plane": lambda: figures.bias_plane(results(2)),
    "bias_plane_corrected": lambda: figures.bias_plane(corrected(), corrections=True),
    "cross_lingual_heatmap": lambda: figures.cross_lingual_heatmap(metrics(), "hybrid"),
    "distance_by_quality": lambda: figures.distance_by_quality(per_query()),
    "expected_draws": lambda: figures.expected_draws(draws(), "hybrid"),
    "filter_directions": lambda: figures.filter_directions(directions(), 0.1, "hybrid"),
    "forest": lambda: figures.forest(claims()),
    "gains": lambda: figures.gains(gains(), "hybrid"),
    "language_projection": lambda: figures.language_projection(*vectors(), "before", connect=2),
    "language_projections": two_projections,
    "language_share_matrix": lambda: figures.language_share_matrix(share(), 10),
    "map_by_language": lambda: figures.map_by_language(by_language()),
    "map_by_setting": lambda: figures.map_by_setting(results(3)),
    "rank_distance_by_language": lambda: figures.rank_distance_by_language(results(3)),
    "score_matrix": lambda: figures.score_matrix(*scores()),
    "seen_unseen": lambda: figures.seen_unseen(by_group("languages", ["seen", "unseen"])),
    "top_lists": lambda: figures.top_lists(top_results()),
    "training_curves": lambda: figures.training_curves(logs()),
}


def lines(fig: Figure, label: str, panel: int = 0) -> list[Any]:
    """The lines of a panel that have a label."""
    return [line for line in fig.axes[panel].get_lines() if line.get_label() == label]


def headline(fig: Figure) -> str:
    """The bold words above a figure, on one line."""
    text = fig.get_suptitle() or fig.legends[0].get_title().get_text()
    return text.replace("\n", " ")


def texts(fig: Figure, panel: int = 0) -> list[str]:
    """The texts inside a panel."""
    return [text.get_text() for text in fig.axes[panel].texts]


def tick_labels(fig: Figure, axis: str = "y", panel: int = 0) -> list[str]:
    """The labels along an axis of a panel."""
    ticks = getattr(fig.axes[panel], f"get_{axis}ticklabels")()
    return [label.get_text() for label in ticks]
