"""The model card of a run: what it was trained on and how, and what its study measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from hybridlib.config.names import SOUP, UNTRAINED
from hybridlib.config.params import Params
from hybridlib.config.systems import seeds_of_soup
from hybridlib.data.published import licence_of
from hybridlib.evaluation.metrics import headline
from hybridlib.files import read_json, resolve
from hybridlib.model.card import About
from hybridlib.study.comparison import intervals
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study, label, training_parameters
from hybridlib.study.report import interval_table

# Licences of sets that are not downloaded here, as their pages on the hub state them.
_LICENCES = {"miracl-train": "Apache 2.0"}


def about_run(
    run: Study, licence: str | None = None, correction: str | None = None, fitted: str = ""
) -> About:
    """Return what the card of a run's encoder says.

    Args:
        run: with a finished training.
        licence: of the encoder, as the hub writes it; None: not stated.
        correction: that is a part of the encoder; None: none.
        fitted: the section that says what it was fitted on.
    """
    params = run.params
    steps = read_json(run.folder_of("training") / "run.json")["steps"]
    source = steps["training"]["source"]
    sections = [_training(params), *_results(run, correction)]
    if correction is not None:
        sections.insert(1, fitted)
    return About(
        title=f"{params.study}: {run.run.name}" + (f" with {correction}" if correction else ""),
        base_model=source["encoder"] if source["revision"] else None,
        languages=params.languages,
        datasets=_hub_ids(params),
        licence=licence,
        sections=sections,
    )


def _hub_ids(params: Params) -> list[str]:
    """Return the hub ids of the training pairs."""
    paths = [path for _, path in params.training_sets if path is not None]
    return [str(path).partition("@")[0] for path in paths if not resolve(path).exists()]


def _training(params: Params) -> str:
    """Return the section on the training: the pairs, and what is not the default."""
    if params.strategy == UNTRAINED:
        return "## Training\n\nNone: this is the encoder as it was."
    if params.strategy == SOUP:
        parts = ", ".join(f"`{name}`" for name in params.soup_of)
        seeds = ", ".join(map(str, seeds_of_soup(params.seed, params.soup_seeds)))
        return (
            "## Training\n\nA soup (arXiv 2203.05482): the untrained encoder, moved by "
            f"{params.soup_share:g} times what these trainings (seed {seeds}) moved it on "
            f"average: {parts}."
        )
    sets = []
    for name, path in params.training_sets:
        known = licence_of(name) or _LICENCES.get(name)
        licence = f"licence {known}" if known else "see its own licence"
        own_name = f" {path.name}" if path is not None else ""
        sets.append("`facts` (built in)" if name == "facts" else f"`{name}`{own_name} ({licence})")
    values = {}
    for name, value in _changed(params).items():
        values[name] = Path(value).name if name == "encoder" else value
    return (
        f"## Training\n\n{params.steps} steps of {params.batch_size} pairs with the batch strategy "
        f"`{params.strategy}`, seed {params.seed}. Pairs: {', '.join(sets)}; languages: "
        f"{', '.join(params.languages)}. Parameters that are not the default:\n\n"
        f"```yaml\n{yaml.safe_dump(values)}```"
    )


def _changed(params: Params) -> dict[str, Any]:
    """Return the parameters of the training that are not the default, but for paths."""
    plain = params.plain()
    changed = {}
    for name in training_parameters(params):
        is_path = isinstance(getattr(params, name), Path) or name == "plugins"
        if not is_path and getattr(params, name) != Params.model_fields[name].default:
            changed[name] = plain[name]
    return changed


def _results(run: Study, correction: str | None) -> list[str]:
    """Return the section on the results; none if the run or its evaluation is not finished."""
    runs = finished_runs(run)
    names = [each.run.name for each in runs]
    if run.run.name not in names:
        return []
    metrics = run.metrics()
    parts = [
        f"## Results\n\nOn `{metrics['corpus']}` ({metrics['queries']:,} queries, "
        f"{metrics['candidates']:,} candidates, {len(metrics['languages'])} languages). mAP in "
        "three settings, and rank distance as the language bias (0 is none); means over seeds with "
        "95 % intervals:",
        _systems(run, runs),
        f"This encoder alone (seed {run.params.seed}):",
    ]
    columns = {"as it was trained": headline(metrics)}
    if correction in metrics.get("corrections", {}):
        columns[f"with {correction}"] = headline(metrics["corrections"][correction])
    elif correction is not None:
        parts[-1] = f"Before the correction, which was not evaluated (seed {run.params.seed}):"
    figures = pd.DataFrame(columns).rename_axis("figure")
    parts.append(figures.to_markdown(floatfmt=".4f"))
    return ["\n\n".join(parts)]


def _systems(run: Study, runs: list[Study]) -> str:
    """Return the rows of the comparison for this run's system and the untrained encoder."""
    same = [each for each in runs if each.params.encoder == run.params.encoder]
    table = intervals(same)
    rows = table[table["strategy"].isin([UNTRAINED, label(run.params)])]
    columns = interval_table(rows).drop(columns="encoder")
    return columns.to_markdown(index=False, disable_numparse=True)
