"""Results of a study's runs, gathered from their metrics.json into tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd

from hybridlib import evaluation, significance
from hybridlib.evaluation import SETTINGS
from hybridlib.files import write_text
from hybridlib.ranking import Ranking
from hybridlib.significance import ClusteredMean
from hybridlib.study import Study, run_name

RUN_KEYS = ["encoder", "strategy", "seed"]


def _key(run: Study) -> dict[str, object]:
    return {name: getattr(run.params, name) for name in RUN_KEYS}


def headlines(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and training-free correction (``none`` first): encoder, strategy, seed, correction, and the
    figures of :func:`evaluation.headline`."""
    rows = []
    for run in runs:
        metrics = run.metrics()
        for correction, part in {"none": metrics, **metrics.get("corrections", {})}.items():
            rows.append({**_key(run), "correction": correction, **evaluation.headline(part)})
    return pd.DataFrame(rows)


def by_setting(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and setting: encoder, strategy, seed, setting, map."""
    return pd.DataFrame([{**_key(run), "setting": setting, "map": values["map"]} for run in runs for setting, values in run.metrics()["settings"].items()])


def rank_distances(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and query language: encoder, strategy, seed, lang, rank_distance."""
    return pd.DataFrame([
        {**_key(run), "lang": lang, "rank_distance": value} for run in runs for lang, value in run.metrics()["bias"].get("rank_distance_per_language", {}).items()
    ])


def training_logs(runs: Sequence[Study]) -> pd.DataFrame:
    """The training logs of all runs, one row per step, with the run's encoder, strategy and seed."""
    return pd.concat([pd.read_json(run.run / "training.jsonl", lines=True).assign(**_key(run)) for run in runs], ignore_index=True)


def over_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row per encoder, strategy and correction, in the order of the grid; with the number of seeds."""
    groups = results.groupby(["encoder", "strategy", "correction"], sort=False)
    return groups.mean(numeric_only=True).drop(columns="seed").assign(seeds=groups.size()).reset_index()


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each figure written as a reader wants it: rank distance to 0.1, the rest to four decimals."""
    written = table.copy()
    for column in table.select_dtypes("float"):
        written[column] = table[column].map("{:.1f}".format if column == "rank distance" else "{:.4f}".format)
    return written


def intervals(runs: Sequence[Study], draws: int = 2000) -> pd.DataFrame:
    """mAP in each setting, and rank distance, with 95 % bootstrap intervals over question ids (and seeds).

    Returns:
        One row per encoder, strategy and measure (a setting, or ``rank distance``): encoder, strategy, measure,
        mean, low, high, seeds.
    """
    rows = []
    for (encoder, strategy), seeds in _systems(runs).items():
        for measure in _measures(seeds):
            found = significance.interval(_clustered(seeds, measure), draws)
            rows.append({"encoder": encoder, "strategy": strategy, "measure": measure, **vars(found), "seeds": len(seeds)})
    return pd.DataFrame(rows)


def differences(runs: Sequence[Study], draws: int = 2000) -> pd.DataFrame:
    """Every pair of strategies of an encoder, in each setting: paired over question ids, Holm-corrected.

    Returns:
        Columns encoder, measure, first, second, difference (first - second), low, high (95 % bootstrap), p (paired
        randomisation), p_holm (corrected over all rows of the table).
    """
    systems, rows = _systems(runs), []
    for (first, second) in combinations(systems, 2):
        if first[0] == second[0]:
            for measure in _measures(systems[first]):
                found = significance.compare(_clustered(systems[first], measure), _clustered(systems[second], measure), draws)
                rows.append({"encoder": first[0], "measure": measure, "first": first[1], "second": second[1], "difference": found.mean, "low": found.low, "high": found.high, "p": found.p})
    table = pd.DataFrame(rows, columns=["encoder", "measure", "first", "second", "difference", "low", "high", "p"])
    return table.assign(p_holm=significance.holm(table["p"]))


def plane(table: pd.DataFrame) -> pd.DataFrame:
    """What plots.bias_plane draws, from :func:`intervals`: strategy, map and rank_distance with their intervals."""
    parts = {}
    for measure, name in (("multilingual", "map"), ("rank distance", "rank_distance")):
        part = table[table["measure"] == measure].set_index(["encoder", "strategy"])[["mean", "low", "high"]]
        parts[name] = part.rename(columns={"mean": name, "low": f"{name}_low", "high": f"{name}_high"})
    joined = pd.concat(parts.values(), axis=1).reset_index().assign(seed=0)
    if joined["encoder"].nunique() > 1:
        joined["strategy"] = joined["encoder"] + " " + joined["strategy"]
    return joined


def interval_table(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`intervals` for a reader: one row per encoder and strategy, a column per measure, ``mean [low, high]``."""
    digits = table["measure"].map({"rank distance": "{0:.1f} [{1:.1f}, {2:.1f}]"}).fillna("{0:.3f} [{1:.3f}, {2:.3f}]")
    written = [form.format(*row) for form, row in zip(digits, table[["mean", "low", "high"]].itertuples(index=False))]
    names = table["measure"].where(table["measure"] == "rank distance", table["measure"] + " mAP")
    wide = table.assign(measure=names, text=written).pivot(index=["encoder", "strategy", "seeds"], columns="measure", values="text")
    order = table[["encoder", "strategy", "seeds"]].drop_duplicates()
    return wide.loc[list(order.itertuples(index=False, name=None)), names.unique()].reset_index().rename_axis(columns=None)


def write_tables(table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write ``name.md`` (Markdown) and ``name.tex`` (LaTeX) of a table of texts."""
    write_text(folder / f"{name}.md", table.to_markdown(index=False, disable_numparse=True) + "\n")
    write_text(folder / f"{name}.tex", table.style.hide(axis="index").to_latex(hrules=True).replace("_", "\\_"))


def one_query(runs: Sequence[Study], query: int) -> pd.DataFrame:
    """Where the answers of one query (its row number) land under each strategy: what plots.answer_ranks draws."""
    parts = []
    for run in runs:
        ranks = pd.read_parquet(run.run / "ranks.parquet", filters=[("query", "==", query)])
        parts.append(ranks.assign(strategy=run.params.strategy, query=ranks["query_lang"] + " query"))
    return pd.concat(parts, ignore_index=True)


def top_languages(runs: Sequence[Study], query: int, k: int = 10) -> pd.DataFrame:
    """The top k of one query under each run: a row per run, a column per rank, the candidate's language, with a
    star where it is relevant."""
    rows = {}
    for run in runs:
        corpus, ranking = run.evaluation_corpus(), Ranking.load(run.run)
        right = set(corpus.qrels.loc[corpus.qrels["query"] == query, "candidate"])
        languages = corpus.candidates["lang"]
        rows[run_name(run.params)] = [languages[row] + "*" * (row in right) for row in ranking.top[query, :k].tolist()]
    return pd.DataFrame.from_dict(rows, orient="index", columns=range(1, len(next(iter(rows.values()))) + 1))


def _systems(runs: Sequence[Study]) -> dict[tuple[str, str], list[Study]]:
    """The runs by encoder and strategy: a list of seeds each."""
    found: dict[tuple[str, str], list[Study]] = {}
    for run in runs:
        found.setdefault((run.params.encoder, run.params.strategy), []).append(run)
    return found


def _measures(seeds: Sequence[Study]) -> list[str]:
    settings = seeds[0].metrics()["settings"]
    return [setting for setting in SETTINGS if setting in settings] + ["rank distance"] * ("multilingual" in settings)


def _clustered(seeds: Sequence[Study], measure: str) -> ClusteredMean:
    """A setting's average precision, or the rank distance, of each seed, by question and cell."""
    read = _rank_distance_per_query if measure == "rank distance" else _ap_per_query
    return ClusteredMean([read(run, measure) for run in seeds])


def _ap_per_query(run: Study, setting: str) -> pd.DataFrame:
    table = pd.read_parquet(run.run / "per_query.parquet", filters=[("setting", "==", setting)])
    return pd.DataFrame({"question_id": table["question_id"], "cell": table["query_lang"] + "-" + table["target"], "value": table["ap"]})


def _rank_distance_per_query(run: Study, measure: str) -> pd.DataFrame:
    table = pd.read_parquet(run.run / "per_query.parquet", filters=[("setting", "==", "multilingual")])
    table = table[table["relevant"] > 1]
    return pd.DataFrame({"question_id": table["question_id"], "cell": table["query_lang"], "value": table["rank_distance"]})
