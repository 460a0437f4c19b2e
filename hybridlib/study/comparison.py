"""Results of a study's runs, gathered from their metrics.json into tables."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import pandas as pd
from tqdm.auto import tqdm

from hybridlib.config.names import UNTRAINED
from hybridlib.evaluation import metrics, significance
from hybridlib.evaluation.metrics import SETTINGS, headline
from hybridlib.evaluation.significance import ClusteredMean
from hybridlib.figures.tables import example_query
from hybridlib.files import write_text
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study.folder import Study, label

RUN_KEYS = ["encoder", "strategy", "seed"]


_Part = TypeVar("_Part")


PLAIN = "none"  # the correction that changes nothing


def _key(run: Study) -> dict[str, object]:
    return {
        "encoder": run.params.encoder,
        "strategy": label(run.params),
        "seed": run.params.seed,
    }


def headlines(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and training-free correction (``none`` first): encoder, strategy, seed, correction, and the
    figures of :func:`evaluation.headline`."""
    rows = []
    for run in runs:
        metrics = run.metrics()
        for correction, part in {PLAIN: metrics, **metrics.get("corrections", {})}.items():
            rows.append({**_key(run), "correction": correction, **headline(part)})
    return pd.DataFrame(rows)


def by_setting(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and setting: encoder, strategy, seed, setting, map."""
    return pd.DataFrame(
        [
            {**_key(run), "setting": setting, "map": values["map"]}
            for run in runs
            for setting, values in run.metrics()["settings"].items()
        ]
    )


def rank_distances(runs: Sequence[Study]) -> pd.DataFrame:
    """One row per run and query language: encoder, strategy, seed, lang, rank_distance."""
    return pd.DataFrame(
        [
            {**_key(run), "lang": lang, "rank_distance": value}
            for run in runs
            for lang, value in run.metrics()["bias"].get("rank_distance_per_language", {}).items()
        ]
    )


def training_logs(runs: Sequence[Study]) -> pd.DataFrame:
    """The training logs of all runs, one row per step, with the run's encoder, strategy and seed."""
    return pd.concat(
        [
            pd.read_json(run.folder_of("training") / "training.jsonl", lines=True).assign(
                **_key(run)
            )
            for run in runs
        ],
        ignore_index=True,
    )


def over_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row per encoder, strategy and correction, in the order of the grid; with the number of seeds."""
    groups = results.groupby(["encoder", "strategy", "correction"], sort=False)
    return (
        groups.mean(numeric_only=True)
        .drop(columns="seed")
        .assign(seeds=groups.size())
        .reset_index()
    )


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each figure written as a reader wants it: rank distance to 0.1, the rest to four decimals."""
    written = table.copy()
    for column in table.select_dtypes("float"):
        written[column] = table[column].map(
            "{:.1f}".format if column == "rank distance" else "{:.4f}".format
        )
    return written


def intervals(runs: Sequence[Study], draws: int = 2000) -> pd.DataFrame:
    """mAP in each setting, and rank distance, with 95 % bootstrap intervals over question ids (and seeds).

    Returns:
        One row per encoder, strategy and measure (a setting, or ``rank distance``): encoder, strategy, measure, mean,
        low, high, seeds.
    """
    rows = []
    for (encoder, strategy), seeds in _progress(_systems(runs).items()):
        for measure in _measures(seeds):
            able = [run for run in seeds if _has(run, PLAIN, measure)]
            if able:
                found = significance.interval(_clustered(able, measure), draws)
                rows.append(
                    {
                        "encoder": encoder,
                        "strategy": strategy,
                        "measure": measure,
                        **vars(found),
                        "seeds": len(able),
                    }
                )
    return pd.DataFrame(rows)


def differences(
    runs: Sequence[Study],
    draws: int = 2000,
    correction: str = PLAIN,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Every pair of strategies of an encoder, in each setting: paired over question ids, and over the seeds that both have
    (an untrained encoder is the same whatever the seed, and stands against them all).

    Args:
        correction: compare the encoders under this training-free correction.
        measures: only these (settings, or ``rank distance``); None: all.

    Returns:
        Columns encoder, measure, first, second, difference (first - second), low, high (95 % bootstrap), p (paired
        randomisation), seeds (how many both have).
    """
    rows = []
    for encoder in dict.fromkeys(run.params.encoder for run in runs):
        systems = {
            strategy: seeds
            for (_, strategy), seeds in _systems(
                [run for run in runs if run.params.encoder == encoder]
            ).items()
        }
        for measure in _measures(runs) if measures is None else measures:
            able = {
                strategy: [run for run in seeds if _has(run, correction, measure)]
                for strategy, seeds in systems.items()
            }
            for pair in _progress(
                list(combinations([strategy for strategy in able if able[strategy]], 2))
            ):
                chosen = _of_common_seeds(able, *pair)
                found = significance.compare(
                    *(_clustered(seeds, measure, correction) for seeds in chosen), draws
                )
                rows.append(
                    {
                        "encoder": encoder,
                        "measure": measure,
                        "first": pair[0],
                        "second": pair[1],
                        "difference": found.mean,
                        "low": found.low,
                        "high": found.high,
                        "p": found.p,
                        "seeds": max(map(len, chosen)),
                    }
                )
    return pd.DataFrame(
        rows,
        columns=[
            "encoder",
            "measure",
            "first",
            "second",
            "difference",
            "low",
            "high",
            "p",
            "seeds",
        ],
    )


def _of_common_seeds(runs: dict[str, list[Study]], first: str, second: str) -> list[list[Study]]:
    """The runs to compare of each of two strategies: those of seeds that both have; all, of an untrained one or where there are none."""
    own = [{run.params.seed for run in runs[strategy]} for strategy in (first, second)]
    common = set() if UNTRAINED in (first, second) else own[0] & own[1]
    return [
        [run for run in runs[strategy] if not common or run.params.seed in common]
        for strategy in (first, second)
    ]


def against(table: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """The rows of :func:`differences` that concern one strategy, turned so that each reads strategy - other.

    Returns:
        Columns encoder, measure, other, difference, low, high, seeds, p_holm (p corrected over all these rows).
    """
    first, second = table[table["first"] == strategy], table[table["second"] == strategy]
    turned = second.assign(
        second=second["first"],
        difference=-second["difference"],
        low=-second["high"],
        high=-second["low"],
    )
    both = pd.concat([first, turned]).rename(columns={"second": "other"}).reset_index(drop=True)
    return both[["encoder", "measure", "other", "difference", "low", "high", "seeds"]].assign(
        p_holm=significance.holm(both["p"])
    )


def verdict(table: pd.DataFrame, strategy: str = "hybrid") -> pd.DataFrame:
    """What the paper claims of hybrid batches (arXiv 2408.10536, tables 2 to 4), and what was measured here.

    A claim holds where the whole 95 % interval of the difference lies on its side of zero, does not hold where it
    lies on the other side, and cannot be told where it holds zero.

    Args:
        table: from :func:`differences`.

    Returns:
        Columns encoder, claim, difference (text), verdict.
    """
    rows = []
    for row in against(table, strategy).itertuples():
        if row.other in ("untrained", "x-x-mono", "x-y"):
            lower = row.measure == "rank distance"
            sides = [row.low > 0, row.high < 0]
            better, worse = sides[::-1] if lower else sides
            digits = "{:+.1f} [{:+.1f}, {:+.1f}]" if lower else "{:+.3f} [{:+.3f}, {:+.3f}]"
            claim = (
                f"{strategy} has a lower rank distance than {row.other}"
                if lower
                else f"{strategy} is better than {row.other} in {row.measure} retrieval"
            )
            rows.append(
                {
                    "encoder": row.encoder,
                    "claim": claim,
                    "difference": digits.format(row.difference, row.low, row.high),
                    "verdict": "holds"
                    if better
                    else "does not hold"
                    if worse
                    else "cannot be told",
                }
            )
    return pd.DataFrame(rows, columns=["encoder", "claim", "difference", "verdict"])


def beside_paper(table: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """:func:`intervals` beside the paper's published figures for the same corpus; None of it was measured on the same encoders.

    Args:
        table: from :func:`intervals`.
        corpus: ``xquad-r`` or ``mlqa-r``; of others the paper has no such figures.

    Returns:
        One row per measure and strategy: measure, strategy, a column per encoder here (mean [low, high]) and one per
        encoder of the paper. Empty where the paper has nothing.
    """
    published = paper_results()
    published = published[
        (published["corpus"] == corpus) & published["measure"].isin(table["measure"])
    ]
    if published.empty:
        return pd.DataFrame()
    ours = table.assign(
        text=lambda part: _written(part),
        source=lambda part: part["encoder"].map(lambda name: Path(name).name) + ", here",
    )
    theirs = published.assign(
        source=published["encoder"] + ", paper",
        text=[
            _digits(measure).split(" ")[0].format(value)
            for measure, value in zip(published["measure"], published["value"])
        ],
    )
    both = pd.concat([ours, theirs])
    wide = both.pivot(index=["measure", "strategy"], columns="source", values="text")[
        list(dict.fromkeys(both["source"]))
    ]
    rows = [
        key
        for key in both[["measure", "strategy"]]
        .drop_duplicates()
        .sort_values(
            "measure", key=lambda m: m.map([*SETTINGS, "rank distance"].index), kind="stable"
        )
        .itertuples(index=False, name=None)
    ]
    return wide.loc[rows].fillna("").reset_index().rename_axis(columns=None)


def paper_results() -> pd.DataFrame:
    """The figures that arXiv 2408.10536 prints: columns encoder, strategy, corpus, measure, value, source."""
    return pd.read_csv(Path(__file__).with_name("paper_results.csv"))


def alpha_curve(runs: Sequence[Study], table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`intervals` that differ in the share of monolingual batches alone, with that share.

    Returns:
        The rows of x-y (alpha 0), every hybrid strategy and x-x-mono (alpha 1), with a column alpha; empty unless
        there are three different ones.
    """
    shares = {
        "x-y": 0.0,
        "hybrid-0.25": 0.25,
        "hybrid-0.75": 0.75,
        "x-x-mono": 1.0,
        "hybrid": runs[0].params.alpha,
    }
    part = table[table["strategy"].isin(shares)]
    part = part.assign(alpha=part["strategy"].map(shares)).sort_values("alpha")
    return part if part["alpha"].nunique() > 2 else part.iloc[:0]


def by_language(runs: Sequence[Study], draws: int = 1000) -> pd.DataFrame:
    """mAP of each query language in each setting, with intervals over questions (and seeds).

    Returns:
        Columns encoder, strategy, setting, lang, seen (whether it was trained on), mean, low, high.
    """
    rows, cells = [], _cells(runs[0])
    for (encoder, strategy), seeds in _progress(_systems(runs).items()):
        for setting in _settings(seeds):
            everywhere = _clustered(seeds, setting)
            for lang, own in cells[setting].groupby("query_lang")["cell"]:
                found = significance.interval(everywhere.within(own), draws)
                rows.append(
                    {
                        "encoder": encoder,
                        "strategy": strategy,
                        "setting": setting,
                        "lang": lang,
                        "seen": lang in seeds[0].params.languages,
                        **vars(found),
                    }
                )
    return pd.DataFrame(rows)


def seen_unseen(runs: Sequence[Study], draws: int = 2000) -> pd.DataFrame:
    """mAP over the languages that were trained on, and over the others; empty where there are no others.

    A cell (a language, or an ordered pair) is unseen if one of its languages was not trained on; the pool itself,
    which always holds all languages, does not count.

    Returns:
        Columns encoder, strategy, setting, languages (``seen`` or ``unseen``), mean, low, high.
    """
    rows, cells = [], _cells(runs[0])
    for (encoder, strategy), seeds in _progress(_systems(runs).items()):
        trained = {*seeds[0].params.languages, metrics.POOL}
        for setting in _settings(seeds):
            of_setting = cells[setting]
            seen = of_setting["query_lang"].isin(trained) & of_setting["target"].isin(trained)
            for name, own in (
                ("seen", of_setting["cell"][seen]),
                ("unseen", of_setting["cell"][~seen]),
            ):
                if len(own) and not seen.all():
                    found = significance.interval(_clustered(seeds, setting).within(own), draws)
                    rows.append(
                        {
                            "encoder": encoder,
                            "strategy": strategy,
                            "setting": setting,
                            "languages": name,
                            **vars(found),
                        }
                    )
    return pd.DataFrame(
        rows, columns=["encoder", "strategy", "setting", "languages", "mean", "low", "high"]
    )


def plane(table: pd.DataFrame, results: pd.DataFrame | None = None) -> pd.DataFrame:
    """What plots.bias_plane draws: strategy, correction, map and rank_distance; empty where the corpus has no pool of languages.

    Args:
        table: from :func:`intervals`: the encoders as they are, with their intervals.
        results: from :func:`headlines`: where the corrections take them, means over the same seeds, without intervals.
    """
    if not {"multilingual", "rank distance"} <= set(table["measure"]):
        return pd.DataFrame()
    parts = {}
    for measure, name in (("multilingual", "map"), ("rank distance", "rank_distance")):
        part = table[table["measure"] == measure].set_index(["encoder", "strategy"])[
            ["mean", "low", "high"]
        ]
        parts[name] = part.rename(
            columns={"mean": name, "low": f"{name}_low", "high": f"{name}_high"}
        )
    joined = pd.concat(parts.values(), axis=1).reset_index().assign(correction=PLAIN)
    if results is not None:
        corrected = over_seeds(results[results["correction"] != PLAIN]).rename(
            columns={"multilingual mAP": "map", "rank distance": "rank_distance"}
        )
        joined = pd.concat(
            [joined, corrected[["encoder", "strategy", "correction", "map", "rank_distance"]]],
            ignore_index=True,
        )
    if joined["encoder"].nunique() > 1:
        joined["strategy"] = joined["encoder"] + " " + joined["strategy"]
    return joined.assign(seed=0)


def interval_table(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`intervals` for a reader: one row per encoder and strategy, a column per measure, ``mean [low, high]``."""
    names = table["measure"].where(table["measure"] == "rank distance", table["measure"] + " mAP")
    keys = ["encoder", "strategy", "seeds"]
    wide = table.assign(measure=names, text=_written(table)).pivot(
        index=keys, columns="measure", values="text"
    )
    return (
        wide.loc[
            list(table[keys].drop_duplicates().itertuples(index=False, name=None)), names.unique()
        ]
        .fillna("")
        .reset_index()
        .rename_axis(columns=None)
    )


def _written(table: pd.DataFrame) -> list[str]:
    """``mean [low, high]`` of each row."""
    return [_digits(row.measure).format(row.mean, row.low, row.high) for row in table.itertuples()]


def _digits(measure: str) -> str:
    return (
        "{0:.1f} [{1:.1f}, {2:.1f}]" if measure == "rank distance" else "{0:.3f} [{1:.3f}, {2:.3f}]"
    )


def write_tables(table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write ``name.md`` (Markdown) and ``name.tex`` (LaTeX) of a table of texts."""
    write_text(folder / f"{name}.md", table.to_markdown(index=False, disable_numparse=True) + "\n")
    write_text(
        folder / f"{name}.tex",
        table.style.hide(axis="index").to_latex(hrules=True).replace("_", "\\_"),
    )


def stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables under each other; of none, an empty one."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def one_query(runs: Sequence[Study]) -> pd.DataFrame:
    """Where the answers of one query land under each strategy (of the first seed): what plots.answer_ranks draws."""
    first, query, parts = _first_seeds(runs), example_query(runs[0].evaluation_corpus()), []
    for run in first:
        ranks = pd.read_parquet(run.run / "ranks.parquet", filters=[("query", "==", query)])
        parts.append(ranks.assign(strategy=label(run.params), query=ranks["query_lang"] + " query"))
    return pd.concat(parts, ignore_index=True)


def top_languages(runs: Sequence[Study], k: int = 10) -> tuple[str, pd.DataFrame]:
    """The same query's text, and its top k under each strategy (of the first seed): a row per strategy, a column per
    rank, the candidate's language, with a star where it is relevant."""
    corpus = runs[0].evaluation_corpus()
    query, languages = example_query(corpus), corpus.candidates["lang"]
    right = set(corpus.qrels.loc[corpus.qrels["query"] == query, "candidate"])
    rows = {
        label(run.params): [
            languages[row] + "*" * (row in right)
            for row in Ranking.load(run.run).top[query, :k].tolist()
        ]
        for run in _first_seeds(runs)
    }
    return corpus.queries["text"][query], pd.DataFrame.from_dict(
        rows, orient="index", columns=range(1, len(next(iter(rows.values()))) + 1)
    )


def _first_seeds(runs: Sequence[Study]) -> list[Study]:
    return [seeds[0] for seeds in _systems(runs).values()]


def _systems(runs: Sequence[Study]) -> dict[tuple[str, str], list[Study]]:
    """The runs by encoder and strategy: a list of seeds each."""
    found: dict[tuple[str, str], list[Study]] = {}
    for run in runs:
        found.setdefault((run.params.encoder, label(run.params)), []).append(run)
    return found


def _progress(parts: Collection[_Part]) -> Iterable[_Part]:
    """Go through the parts, with a bar where that takes a while."""
    return tqdm(parts, desc="resampling", mininterval=2, delay=2, leave=False)


def _settings(seeds: Sequence[Study]) -> list[str]:
    return [setting for setting in SETTINGS if setting in seeds[0].metrics()["settings"]]


def _measures(seeds: Sequence[Study]) -> list[str]:
    return _settings(seeds) + ["rank distance"] * ("rank_distance" in seeds[0].metrics()["bias"])


def _clustered(seeds: Sequence[Study], measure: str, correction: str = PLAIN) -> ClusteredMean:
    """A setting's average precision, or the rank distance, of each seed, by question and cell; built once for all tables."""
    files = [_file(run, correction) for run in seeds]
    return _built(tuple((file, file.stat().st_mtime_ns) for file in files), measure, correction)


@functools.lru_cache(maxsize=256)
def _built(files: tuple[tuple[Path, int], ...], measure: str, correction: str) -> ClusteredMean:
    read = _rank_distance_per_query if measure == "rank distance" else _ap_per_query
    return ClusteredMean([read(file, measure, correction) for file, _ in files])


def _file(run: Study, correction: str) -> Path:
    return run.run / ("per_query.parquet" if correction == PLAIN else "corrected.parquet")


def _cells(run: Study) -> dict[str, pd.DataFrame]:
    """The cells of each setting, a row each: cell, query_lang, target; the same in every run of a study."""
    tables = {
        setting: _ap_per_query(_file(run, PLAIN), setting, PLAIN) for setting in _settings([run])
    }
    return {
        setting: table[["cell", "query_lang", "target"]].drop_duplicates()
        for setting, table in tables.items()
    }


def _has(run: Study, correction: str, measure: str) -> bool:
    """Whether the run was evaluated with a correction, and what each query got was kept."""
    if correction == PLAIN:
        return True
    setting = "multilingual" if measure == "rank distance" else measure
    file = _file(run, correction)
    return file.exists() and not _per_query(file, setting, correction).empty


def _per_query(file: Path, setting: str, correction: str) -> pd.DataFrame:
    """The rows of one setting: columns question_id, query_lang, target, relevant, ap, rank_distance."""
    wanted = [("setting", "==", setting)] + (
        [] if correction == PLAIN else [("correction", "==", correction)]
    )
    table = pd.read_parquet(
        file,
        columns=["question_id", "query_lang", "target", "relevant", "ap", "rank_distance"],
        filters=wanted,
    )
    return table.assign(**{name: table[name].astype(str) for name in ("query_lang", "target")})


def _ap_per_query(file: Path, setting: str, correction: str) -> pd.DataFrame:
    table = _per_query(file, setting, correction)
    return table.assign(cell=table["query_lang"] + "-" + table["target"], value=table["ap"])


def _rank_distance_per_query(file: Path, measure: str, correction: str) -> pd.DataFrame:
    table = _per_query(file, "multilingual", correction)
    table = table[table["relevant"] > 1]
    return table.assign(cell=table["query_lang"], value=table["rank_distance"])
