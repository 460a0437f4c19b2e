"""One line per claim over several studies: random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr, ndtri  # scipy.stats takes a second to load

from hybridlib import figures
from hybridlib.errors import InputError
from hybridlib.evaluation import significance
from hybridlib.files import check_writable, write_text
from hybridlib.study.answer import answer, as_list
from hybridlib.study.comparison import differences
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study
from hybridlib.study.paper import (
    COMPARED,
    claims,
    verdict_of,
    written_claim,
    written_difference,
    written_p,
)
from hybridlib.study.per_query import RANK_DISTANCE

ALL = "all"  # the group of all studies
_STRATEGY = "hybrid"
_CLAIM = ["first", "second", "setting"]


@dataclass(frozen=True)
class RandomEffects:
    """A difference over several studies.

    Attributes:
        mean: the difference in the mean of all studies such as these.
        standard_error: of the mean.
        tau2: the variance of the true differences between studies.
        q: Cochran's Q, which is large where studies differ by more than their errors.
        q_p: its p-value (chi-squared, studies - 1 degrees of freedom).
        i2: the share of the variation between studies that is not error.
    """

    mean: float
    standard_error: float
    tau2: float
    q: float
    q_p: float
    i2: float


def random_effects(
    means: Sequence[float] | np.ndarray, standard_errors: Sequence[float] | np.ndarray
) -> RandomEffects:
    """Combine the differences of several studies.

    With weights w = 1 / error^2 and the weighted mean m, Q = sum w (difference - m)^2. The variance
    between studies is tau2 = max(0, (Q - (k - 1)) / (sum w - sum w^2 / sum w)) for k studies. The
    result is the mean with weights 1 / (error^2 + tau2), its variance one over their sum
    (DerSimonian and Laird, Controlled Clinical Trials 7, 1986). I2 = max(0, (Q - (k - 1)) / Q)
    (Higgins and Thompson, Statistics in Medicine 21, 2002).

    Args:
        means: a difference per study.
        standard_errors: of each.

    Raises:
        InputError: there is no study, or a standard error is not positive.
    """
    y = np.asarray(means, dtype=float)
    errors = np.asarray(standard_errors, dtype=float)
    if len(y) == 0 or not (errors > 0).all():
        raise InputError("combine: every study needs a positive standard error")
    excess = len(y) - 1

    # Fixed effects, and by how much the studies differ from them.
    weights = 1 / errors**2
    fixed = (weights * y).sum() / weights.sum()
    q = float((weights * (y - fixed) ** 2).sum())
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    tau2 = max(0.0, (q - excess) / scale) if excess else 0.0

    # Random effects.
    weights = 1 / (errors**2 + tau2)
    mean = float((weights * y).sum() / weights.sum())
    i2 = max(0.0, (q - excess) / q) if excess and q > 0 else 0.0
    q_p = float(chdtrc(excess, q)) if excess else 1.0
    return RandomEffects(mean, float(weights.sum() ** -0.5), float(tau2), q, q_p, i2)


def study_claims(studies: Sequence[Study]) -> pd.DataFrame:
    """Return the differences behind the paper's claims in every study, and in each encoder of it.

    Returns:
        Columns study, encoder (the name of its folder), first, second, setting, difference, low,
        high, standard_error, over, verdict (corrected for the comparisons of the study).

    Raises:
        InputError: no run of a study is finished, it has no claim of hybrid batches, or two studies
            have one name.
    """
    parts = []
    for study in studies:
        runs = finished_runs(study)
        if not runs:
            raise InputError(f"{study.folder}: no run is finished, so there is nothing to combine")
        found = claims(differences(runs), _STRATEGY)
        if found.empty:
            raise InputError(
                f"{study.folder}: no claim to combine; it takes finished runs of {_STRATEGY} and "
                f"of one of {', '.join(COMPARED)}"
            )
        found = found.assign(encoder=[_encoder_name(name) for name in found["encoder"]])
        name = study.params.study
        several = found["encoder"].nunique() > 1
        names = [f"{name}, {encoder}" if several else name for encoder in found["encoder"]]
        parts.append(found.assign(study=names))
    table = pd.concat(parts, ignore_index=True)
    twice = table.duplicated(["study", *_CLAIM])
    if twice.any():
        name = table.loc[twice, "study"].iloc[0]
        raise InputError(f"combine: two studies are called {name!r}; give each once")
    values = ["difference", "low", "high", "standard_error", "over", "verdict"]
    return table[["study", "encoder", *_CLAIM, *values]]


def combine(table: pd.DataFrame) -> pd.DataFrame:
    """Combine claims over all studies, and over those with one encoder.

    Args:
        table: from :func:`study_claims`.

    Returns:
        One row per claim and group: group (``all``, or the encoder's name), first, second, setting,
        difference, low, high (95 % interval), standard_error, p, p_holm (over the claims of a
        group), tau2, i2, q, q_p, studies (how many), over, verdict. A claim that one study alone
        has is no row.
    """
    groups = [(ALL, table)]
    if table["encoder"].nunique() > 1:
        groups += list(table.groupby("encoder", sort=True))
    parts = []
    for name, of_group in groups:
        rows = []
        for claim, part in of_group.groupby(_CLAIM, sort=False):
            if len(part) > 1:
                rows.append({"group": name, **dict(zip(_CLAIM, claim)), **_combined(part)})
        if rows:
            parts.append(_judged(pd.DataFrame(rows)))
    if not parts:
        raise InputError("combine: no claim is in two studies, so there is nothing to combine")
    return pd.concat(parts, ignore_index=True)


def _combined(part: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of one claim over several studies."""
    result = random_effects(part["difference"].to_numpy(), part["standard_error"].to_numpy())
    half = ndtri((1 + significance.LEVEL) / 2) * result.standard_error
    return {
        "difference": result.mean,
        "low": result.mean - half,
        "high": result.mean + half,
        "standard_error": result.standard_error,
        "p": 2 * ndtr(-abs(result.mean) / result.standard_error),
        "tau2": result.tau2,
        "i2": result.i2,
        "q": result.q,
        "q_p": result.q_p,
        "studies": len(part),
        "over": "questions and seeds" if part["over"].ne("questions").all() else "questions",
    }


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """Return the claims of a group with corrected p-values and verdicts."""
    table = table.assign(p_holm=significance.holm(table["p"]))
    rows = table.itertuples()
    verdicts = [verdict_of(row.setting, row.difference, row.p_holm) for row in rows]
    return table.assign(verdict=verdicts)


def write_combined(studies: Sequence[Study], folder: Path) -> str:
    """Write combined.csv, combined.md, by_study.md, answer.md and the figure forest.

    Args:
        studies: the first one gives answer.md its values.
        folder: where to.

    Returns:
        The content of combined.md and answer.md.

    Raises:
        InputError: there are less than two studies, see :func:`study_claims`, or the folder cannot
            be written to.
    """
    if len(studies) < 2:
        raise InputError("combine: one study is nothing to combine; give two or more")
    check_writable(folder)
    found = study_claims(studies)
    table = combine(found)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "combined.csv", index=False)
    text = _written(table, found)
    write_text(folder / "combined.md", text)
    write_text(folder / "by_study.md", _by_study(found))
    together = table[table["group"] == ALL]
    answered = as_list(answer(together, studies))
    write_text(folder / "answer.md", answered)
    title = f"Over {found['study'].nunique()} studies: is {_STRATEGY} better?"
    note = "bars: 95 % interval (random effects)"
    figures.save(figures.forest(together, title, note, found), folder, "forest")
    return f"{text}\n{answered}"


def _by_study(found: pd.DataFrame) -> str:
    """Return each claim with its verdict and difference in every study."""
    rows = list(found.itertuples())
    texts = [f"{row.verdict}: {written_difference(row)}" for row in rows]
    written = found.assign(claim=[written_claim(row) for row in rows], text=texts)
    wide = written.pivot(index="claim", columns="study", values="text").fillna("")
    wide = wide.loc[written["claim"].unique(), written["study"].unique()]
    return wide.reset_index().to_markdown(index=False, disable_numparse=True) + "\n"


def _written(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """Return the claims for a reader, and what to know of them."""
    rows = []
    for row in table.itertuples():
        digits = ".0f" if row.setting == RANK_DISTANCE else ".6f"
        rows.append(
            {
                "claim": written_claim(row),
                "studies": f"{row.group} ({row.studies})",
                "difference": written_difference(row),
                "p_holm": written_p(row.p_holm),
                "tau2": f"{row.tau2:{digits}}",
                "I2": f"{row.i2:.0%}",
                "Q": f"{row.q:.1f} (p {written_p(row.q_p)})",
                "verdict": row.verdict,
            }
        )
    written = pd.DataFrame(rows)
    order = written["claim"].map(list(dict.fromkeys(written["claim"])).index)
    written = written.iloc[order.argsort(kind="stable")]
    notes = [
        f"Studies: {', '.join(dict.fromkeys(found['study']))}.",
        "Random effects (DerSimonian-Laird), 95 % intervals. p_holm is corrected for the claims "
        "of a group, tau2 is the variance between studies, I2 the share of it in their variation.",
        "Studies count as independent of each other. Those that share questions are not quite.",
        "Intervals of few studies are too narrow where their differences vary (tau2 above 0).",
    ]
    alone = found.loc[found["over"].eq("questions"), "study"].unique()
    if len(alone):
        notes.append(f"Over questions alone, not over seeds: {', '.join(alone)}.")
    table_text = written.to_markdown(index=False, disable_numparse=True)
    return table_text + "\n\n" + "".join(f"- {note}\n" for note in notes)


def _encoder_name(encoder: str) -> str:
    """Return what an encoder is called: the name of its folder."""
    return Path(encoder).name
