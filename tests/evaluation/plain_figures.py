"""Every figure of metrics.json by plain loops over sorted lists, ir-measures where it has them.

Nothing of the package is used but the tables of a corpus.
"""

from __future__ import annotations

from itertools import combinations
from math import log2
from typing import Any

import ir_measures
import numpy as np
from ir_measures import AP, RR, R, nDCG
from scipy.stats import kruskal, spearmanr

from hybridlib.data.corpus import RetrievalCorpus

ALL = "all"
SETTINGS = ("monolingual", "cross-lingual", "multilingual")


class Plain:
    """Sorted lists of a corpus, and the figures that follow from them."""

    def __init__(self, corpus: RetrievalCorpus, scores: np.ndarray, k: int) -> None:
        self.corpus = corpus
        self.k = k
        self.scores = scores
        self.query_langs = corpus.queries["lang"].tolist()
        self.candidate_langs = corpus.candidates["lang"].tolist()
        self.orders = [np.argsort(-row, kind="stable").tolist() for row in scores]
        self.relevant: dict[int, dict[int, int]] = {}
        for query, candidate, grade in corpus.qrels.itertuples(index=False):
            self.relevant.setdefault(int(query), {})[int(candidate)] = int(grade)
        self.ranks = {}
        for query, grades in self.relevant.items():
            self.ranks[query] = {d: self.orders[query].index(d) + 1 for d in grades}

    def metrics(self) -> dict[str, Any]:
        """Return the content of metrics.json."""
        cells = self.cells()
        languages = sorted({cell[0] for cell in cells})
        by_setting = {name: {} for name in SETTINGS}
        for (lang, target), values in cells.items():
            name = SETTINGS[2] if target == ALL else SETTINGS[lang != target]
            by_setting[name][lang, target] = values
        per_language = {}
        for lang in languages:
            of_language = {}
            for name, part in by_setting.items():
                own = [values for cell, values in part.items() if cell[0] == lang]
                if own:
                    of_language[name] = {
                        **macro(own),
                        "queries": sum(len(values["map"]) for values in own),
                    }
            per_language[lang] = of_language
        per_pair = {}
        for cell, values in by_setting["cross-lingual"].items():
            per_pair[cell] = {**macro([values]), "queries": len(values["map"])}
        return {
            "corpus": self.corpus.name,
            "candidate_text": self.corpus.candidate_text,
            "queries": len(self.query_langs),
            "candidates": len(self.candidate_langs),
            "languages": sorted(set(self.candidate_langs)),
            "settings": {name: setting(part) for name, part in by_setting.items() if part},
            "bias": self.bias(),
            "per_language": per_language,
            "per_pair": per_pair,
        }

    def cells(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        """Return each measure of each query of each cell, by ir-measures."""
        cutoffs = sorted({1, 10, 100, self.k})
        measures = {AP: "map", RR: "mrr"}
        for k in cutoffs:
            measures |= {R @ k: f"recall@{k}", nDCG @ k: f"ndcg@{k}"}
        run = []
        qrels = []
        for query, grades in self.relevant.items():
            for target in {ALL, *(self.candidate_langs[d] for d in grades)}:
                name = f"{query} {target}"
                inside = [d for d in self.orders[query] if target in (ALL, self.candidate_langs[d])]
                # ir-measures has an order of its own for ties: positions have none.
                for position, d in enumerate(inside):
                    run.append(ir_measures.ScoredDoc(name, str(d), -float(position)))
                judged = set(inside) & set(grades)
                qrels += [ir_measures.Qrel(name, str(d), grades[d]) for d in judged]
        cells: dict[tuple[str, str], dict[str, list[float]]] = {}
        for measure in ir_measures.iter_calc(list(measures), qrels, run):
            query, _, target = measure.query_id.partition(" ")
            cell = cells.setdefault((self.query_langs[int(query)], target), {})
            cell.setdefault(measures[measure.measure], []).append(measure.value)
        return dict(sorted(cells.items()))

    # -------------------------------------------------------------------------------- bias

    def bias(self) -> dict[str, Any]:
        """Return the part ``bias``; ``left_out`` as the set of its names."""
        languages = sorted(set(self.query_langs))
        of_query = [self.figures(query) for query in range(len(self.query_langs))]
        per_language = {}
        for lang in languages:
            own = [of_query[q] for q, name in enumerate(self.query_langs) if name == lang]
            values = {name: mean([f[name] for f in own if name in f]) for name in NAMES}
            if present(values):
                per_language[lang] = present(values)
        several = len(set(self.candidate_langs)) > 1
        if not several:
            for values in per_language.values():
                values.pop("same_language_share", None)

        result: dict[str, Any] = {}
        for name in NAMES:
            values = [of_lang[name] for of_lang in per_language.values() if name in of_lang]
            if values:
                result[name] = mean(values)
        result |= present({"mean_rank_correlation": self.rank_correlation()})
        if several:
            result["language_share"] = self.language_share(languages)
        left_out = {*NAMES, "mean_rank_correlation", "language_share"} - set(result)
        if "rank_distance" in result:
            by_language = {lang: v.get("rank_distance") for lang, v in per_language.items()}
            result["rank_distance_per_language"] = present(by_language)
        if any(per_language.values()):
            result["per_language"] = {}
            for lang, values in per_language.items():
                named = {self.at(name): value for name, value in values.items()}
                result["per_language"][lang] = named
        result["left_out"] = {self.at(name) for name in left_out}
        return {self.at(name): value for name, value in result.items()}

    def at(self, name: str) -> str:
        """Return the name of a figure in metrics.json."""
        return f"{name}@{self.k}" if name in AT_K else name

    def figures(self, query: int) -> dict[str, float]:
        """Return the figures of one query; those that it says nothing about are not there."""
        own_lang = self.query_langs[query]
        top = self.orders[query][: self.k]
        figures = {}
        if own_lang in self.candidate_langs:
            hits = [self.candidate_langs[d] == own_lang for d in top]
            figures["same_language_share"] = sum(hits) / len(top)
        ranks = self.ranks.get(query, {})
        total = len(self.candidate_langs)
        if len({self.candidate_langs[d] for d in ranks}) > 1:
            worst = max(ranks.values())
            figures["rank_distance"] = worst - min(ranks.values())
            figures["max_rank"] = worst
            if len(ranks) < total:
                scaled = (log2(total) - log2(worst)) / (log2(total) - log2(len(ranks)))
                figures["normalised_max_rank"] = 100 * scaled
        own = [d for d in ranks if self.candidate_langs[d] == own_lang]
        others = [d for d in ranks if self.candidate_langs[d] != own_lang]
        figures |= present({"equal_expected_rank": self.equal_expected_rank(query)})
        if own and len(set(self.candidate_langs)) > 1:
            grades = self.relevant[query]
            gain = sum(grades[d] / log2(ranks[d] + 1) for d in own if ranks[d] <= self.k)
            best = sorted((grades[d] for d in own), reverse=True)[: self.k]
            figures["own_language_ndcg"] = gain / sum(
                grade / log2(place + 1) for place, grade in enumerate(best, 1)
            )
        if others:
            figures["other_language_recall"] = mean([ranks[d] <= self.k for d in others])
        if own and others:
            best = min(ranks, key=ranks.__getitem__)
            figures["language_preference_rate"] = float(best in own)
            full = self.precision_without(query, None)
            for name, part in (("removal_loss_same", own), ("removal_loss_other", others)):
                figures[name] = mean([full - self.precision_without(query, d) for d in part])
        return figures

    def equal_expected_rank(self, query: int) -> float | None:
        """Return the mean over grades of scipy's p-value, where its test can tell orders apart."""
        p_values = []
        for grade in set(self.relevant.get(query, {}).values()):
            by_language: dict[str, list[int]] = {}
            for d, rank in self.ranks[query].items():
                if self.relevant[query][d] == grade:
                    by_language.setdefault(self.candidate_langs[d], []).append(rank)
            if len(by_language) > 1 and max(map(len, by_language.values())) > 1:
                p_values.append(float(kruskal(*by_language.values()).pvalue))
        return mean(p_values)

    def precision_without(self, query: int, removed: int | None) -> float:
        """Return average precision in the pool without one candidate."""
        order = [d for d in self.orders[query] if d != removed]
        hits = [rank for rank, d in enumerate(order, 1) if d in self.relevant[query]]
        return mean([number / rank for number, rank in enumerate(hits, 1)])

    def language_share(self, languages: list[str]) -> dict[str, dict[str, float]]:
        """Return the matrix of shares."""
        matrix = {}
        for lang in languages:
            matrix[lang] = {}
            own = [order for order, name in zip(self.orders, self.query_langs) if name == lang]
            for other in sorted(set(self.candidate_langs)):
                hits = []
                for order in own:
                    top = [self.candidate_langs[d] == other for d in order[: self.k]]
                    hits.append(sum(top) / len(top))
                matrix[lang][other] = mean(hits)
        return matrix

    def rank_correlation(self) -> float | None:
        """Return the mean over pairs of languages of Spearman's correlation over the unions."""
        asked: dict[str, dict[str, int]] = {}
        for query, question in enumerate(self.corpus.queries["question_id"]):
            asked.setdefault(self.query_langs[query], {})[question] = query
        pairs = []
        for one, other in combinations(sorted(asked), 2):
            shared = asked[one].keys() & asked[other].keys()
            if shared:
                values = [self.spearman(asked[one][name], asked[other][name]) for name in shared]
                pairs.append(mean(values))
        return mean(pairs)

    def spearman(self, one: int, other: int) -> float:
        """Return the correlation of two top lists; what one misses ties behind its end."""
        first = self.orders[one][: self.k]
        second = self.orders[other][: self.k]
        if first == second:
            return 1.0
        union = sorted({*first, *second})
        ranks = np.full((2, len(union)), len(first))
        for row, top in zip(ranks, (first, second)):
            row[[union.index(d) for d in top]] = range(len(top))
        return float(spearmanr(*ranks).statistic)


NAMES = (
    "rank_distance",
    "max_rank",
    "normalised_max_rank",
    "same_language_share",
    "other_language_recall",
    "language_preference_rate",
    "removal_loss_same",
    "removal_loss_other",
    "equal_expected_rank",
    "own_language_ndcg",
)
AT_K = {
    "own_language_ndcg",
    "same_language_share",
    "other_language_recall",
    "mean_rank_correlation",
    "language_share",
}


def mean(values: list[float]) -> float | None:
    """Return the mean; None of nothing."""
    return float(sum(values) / len(values)) if values else None


def present(values: dict[str, float | None]) -> dict[str, float]:
    """Return what has a value."""
    return {name: value for name, value in values.items() if value is not None}


def macro(cells: list[dict[str, list[float]]]) -> dict[str, float]:
    """Return the means over cells of the means within them."""
    return {name: mean([mean(values[name]) for values in cells]) for name in cells[0]}


def setting(cells: dict[tuple[str, str], dict[str, list[float]]]) -> dict[str, float]:
    """Return macro and micro averages of a setting."""
    values = list(cells.values())
    result = macro(values)
    for name in values[0]:
        together = [value for cell in values for value in cell[name]]
        result[f"{name}_micro"] = mean(together)
    result["queries"] = sum(len(cell["map"]) for cell in values)
    result["cells"] = len(values)
    return result
