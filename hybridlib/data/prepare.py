"""Parallel question-passage tables to train on, and retrieval corpora to evaluate on.

Training pairs are one DataFrame with PAIR_COLUMNS: the same ``pair_id`` in two languages means translation of
each other; the same ``passage_id``, the same passage content in any language. A :class:`RetrievalCorpus` holds
queries, candidates and the relevance between them. Texts are data and are used exactly as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridlib.data import cldr, facts
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.data.lareqa import LAREQA_LANGUAGES, articles, load_lareqa, pairs_from_lareqa
from hybridlib.data.overlap import apart_from
from hybridlib.data.pairs import load_pairs
from hybridlib.errors import InputError
from hybridlib.files import resolve

if TYPE_CHECKING:
    from hybridlib.config.params import Params


@dataclass(frozen=True)
class StudyData:
    """What a study trains, validates and evaluates on."""

    train: pd.DataFrame
    validation: RetrievalCorpus
    evaluation: RetrievalCorpus

    def save(self, folder: Path) -> None:
        """Write train.parquet, validation/ and evaluation/."""
        self.validation.save(folder / "validation")
        self.evaluation.save(folder / "evaluation")
        self.train.to_parquet(folder / "train.parquet", index=False)


def prepare(params: Params) -> StudyData:
    """Load and split what ``params`` names: one training set, or several in one table.

    Nothing of the evaluation corpus is in training (:func:`apart_from`); validation passages, and where a set has
    articles validation articles, are never trained on. With several sets, pair_id and passage_id begin with the
    set's name, and each set gives its share to the validation.

    Raises:
        InputError: a set cannot be read or split, has none of the languages or is the evaluation corpus too; two
            sets have one name; a language is in no set.
    """
    evaluation = evaluation_corpus(params)
    parts = [_one_set(params, corpus, path, evaluation) for corpus, path in params.training_sets]
    if len(parts) > 1:
        _check_names(parts)
    train, held_out = (_together(frames) for frames in zip(*parts))
    missing = sorted(set(params.languages) - set(train["lang"]))
    if missing:
        raise InputError(
            f"no training pairs in {', '.join(missing)}; change languages to those there are: {', '.join(sorted(set(train['lang'])))}"
        )
    return StudyData(train, corpus_from_pairs("validation", held_out), evaluation)


def _one_set(
    params: Params, corpus: str, path: Path | None, evaluation: RetrievalCorpus
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation pairs of one set, apart from the evaluation corpus."""
    _check_not_evaluated(params, corpus, path)
    if corpus == "facts":
        languages = _wanted_languages("facts", cldr.LANGUAGES, params)
        splits = facts.split_facts(
            facts.facts(), params.data_seed, params.validation_fraction, params.test_fraction
        )
        train = facts.phrase(splits["train"], languages, params.data_seed, params.variants)
        held_out = facts.phrase(splits["validation"], languages, params.data_seed, 1)
    else:
        train, held_out = _split_pairs(_training_pairs(params, corpus, path), params)
    return apart_from(train, evaluation), held_out


def _together(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The pairs of several sets under each other, ids told apart by the set's name; of one set, as they are."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0]
    named = [
        frame.assign(
            **{
                column: frame["dataset"] + "/" + frame[column]
                for column in ("pair_id", "passage_id")
            }
        )
        for frame in frames
    ]
    pairs = pd.concat(named, ignore_index=True)
    return pairs.assign(negative=pairs["negative"].fillna("")) if "negative" in pairs else pairs


def _check_names(parts: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    names = [name for train, _ in parts for name in train["dataset"].unique()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"train_corpus: two sets are called {twice[0]!r}, and pairs are told apart by that name; rename the file or folder of one (or change its column dataset)"
        )


def _check_not_evaluated(params: Params, corpus: str, path: Path | None) -> None:
    """Refuses the evaluation corpus itself; the facts are split into training and test."""
    if (
        corpus == params.eval_corpus
        and corpus != "facts"
        and (corpus in LAREQA_LANGUAGES or resolve(path) == resolve(params.eval_corpus_path))
    ):
        raise InputError(
            f"train_corpus and eval_corpus are both {corpus!r} ({path}): what is trained on cannot be evaluated on; choose another set for one of them"
        )


def evaluation_corpus(params: Params) -> RetrievalCorpus:
    """The corpus that ``params`` evaluates on, in its eval_languages."""
    from hybridlib.data import folder, miracl

    if params.eval_corpus == "facts":
        test = facts.split_facts(
            facts.facts(), params.data_seed, params.validation_fraction, params.test_fraction
        )["test"]
        return corpus_from_pairs(
            "facts",
            facts.phrase(test, params.eval_languages or cldr.LANGUAGES, params.data_seed, 1),
        )
    path = resolve(params.eval_corpus_path)
    if params.eval_corpus == "pairs":
        return corpus_from_pairs(path.stem, load_pairs(path)).restrict(params.eval_languages)
    if params.eval_corpus == "folder":
        return folder.load_folder(path, params.eval_languages)
    if params.eval_corpus == "miracl":
        return miracl.load_miracl(
            path if path.exists() else str(params.eval_corpus_path), params.eval_languages
        )
    return load_lareqa(path, params.eval_corpus, params.eval_languages, params.candidate_text)


def _training_pairs(params: Params, corpus: str, path: Path | None) -> pd.DataFrame:
    """All training pairs in the wanted languages, of a corpus other than the facts; a column ``article`` where it has articles."""
    from hybridlib.data import training_sets

    place = resolve(path)
    if corpus == "pairs":
        pairs = load_pairs(place)
        return pairs[
            pairs["lang"].isin(_wanted_languages(str(place), pairs["lang"].unique(), params))
        ]
    if corpus in LAREQA_LANGUAGES:
        languages = (
            params.languages
            if len(params.training_sets) == 1
            else _wanted_languages(str(place), LAREQA_LANGUAGES[corpus], params)
        )
        pairs = pairs_from_lareqa(load_lareqa(place, corpus, languages))
        there = [
            lang
            for lang in LAREQA_LANGUAGES[corpus]
            if lang in languages or (place / f"{lang}.json").is_file()
        ]
        return pairs.assign(article=pairs["pair_id"].map(articles(place, there)))
    found = training_sets.find(corpus, place if place.exists() else str(path))
    languages = _wanted_languages(str(path), found.languages, params)
    return found.load(languages)


def _wanted_languages(where: str, there: Iterable[str], params: Params) -> list[str]:
    """The languages to take from a set: all of ``params``, which one of several sets need not have all."""
    there = sorted(there)
    missing = sorted(set(params.languages) - set(there))
    found = [lang for lang in params.languages if lang in there]
    if not found or (missing and len(params.training_sets) == 1):
        raise InputError(
            f"{where}: no pairs in {', '.join(missing)}; change languages to those it has: {', '.join(there)}"
        )
    return found


def _split_pairs(pairs: pd.DataFrame, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation pairs, divided by article where that is known, else by passage: none stands on both sides."""
    unit = pairs["article"] if "article" in pairs else pairs["passage_id"]
    kind = unit.name
    units, pairs = np.sort(unit.unique()), pairs.drop(columns="article", errors="ignore")
    if len(units) < 2:
        raise InputError(
            f"{pairs['dataset'].iloc[0]}: the training pairs are all of one {kind}, so none can be kept for validation; give a larger set"
        )
    held = max(1, round(len(units) * params.validation_fraction))
    inside = unit.isin(np.random.default_rng(params.data_seed).choice(units, held, replace=False))
    return pairs[~inside].reset_index(drop=True), pairs[inside].reset_index(drop=True)
