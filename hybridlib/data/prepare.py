"""What a study trains, validates and evaluates on: its sets, loaded, split and kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridlib.data import cldr, training_sets
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.data.facts import all_facts, split_facts
from hybridlib.data.facts_corpus import searched_pairs
from hybridlib.data.lareqa import (
    LAREQA_LANGUAGES,
    articles,
    load_lareqa,
    other_sentences,
    pairs_from_lareqa,
)
from hybridlib.data.load import load_corpus
from hybridlib.data.overlap import drop_overlap
from hybridlib.data.pairs import join_pairs, load_pairs
from hybridlib.data.phrasings import PHRASINGS, phrase
from hybridlib.data.published import fetch, local_path
from hybridlib.errors import InputError
from hybridlib.files import resolve

if TYPE_CHECKING:
    from hybridlib.config.params import Params

# Texts of training passages among the candidates of the validation, at most.
_MOST_NEAR_MISSES = 2000


@dataclass(frozen=True)
class StudyData:
    """What a study trains, validates and evaluates on.

    Attributes:
        train: training pairs.
        validation: a corpus of held-out training pairs.
        evaluation: the evaluation corpus.
    """

    train: pd.DataFrame
    validation: RetrievalCorpus
    evaluation: RetrievalCorpus

    def save(self, folder: Path) -> None:
        """Write validation/, evaluation/ and train.parquet."""
        self.validation.save(folder / "validation")
        self.evaluation.save(folder / "evaluation")
        self.train.to_parquet(folder / "train.parquet", index=False)


def prepare(params: Params) -> StudyData:
    """Load and split what ``params`` names: one training set, or several in one table.

    Nothing of the evaluation corpus is trained on (:mod:`hybridlib.data.overlap`). Validation
    passages, or validation articles where a set has articles, are never trained on. With several
    sets, pair_id and passage_id begin with the name of the set, and each set gives its share to
    the validation.

    The validation is as hard as the evaluation only if it has other candidates than right answers.
    A LAReQA set has every sentence of the held-out articles; another set, some of its training
    passages.

    Raises:
        InputError: a set cannot be read or split, has none of the languages or is the evaluation
            corpus too; two sets have one name; a language is in no set.
    """
    evaluation = evaluation_corpus(params)

    # Each set is split by itself and freed of what the evaluation has.
    train_parts = []
    validation_parts = []
    for corpus, path in params.training_sets:
        train, validation = _load_and_split(params, corpus, path)
        train_parts.append(drop_overlap(train, evaluation))
        validation_parts.append(validation)

    # Then all are put into one table.
    if len(train_parts) > 1:
        _check_set_names(train_parts)
    train = _join_sets(train_parts)
    missing = sorted(set(params.languages) - set(train["lang"]))
    if missing:
        raise InputError(
            f"no training pairs in {', '.join(missing)}; "
            f"change languages to those there are: {', '.join(sorted(set(train['lang'])))}"
        )
    validation = corpus_from_pairs("validation", _join_sets(validation_parts))
    return StudyData(train, validation, evaluation)


def evaluation_corpus(params: Params) -> RetrievalCorpus:
    """Load the corpus that ``params`` evaluates on, in its eval_languages.

    The built-in facts are evaluated in the languages that are trained on, if eval_languages is
    None, and with a wording that is not trained on.

    Raises:
        InputError: it cannot be read, or every wording of the facts is trained on.
    """
    languages = params.eval_languages
    if params.eval_corpus == "facts":
        trained_on = [corpus for corpus, _ in params.training_sets]
        if "facts" in trained_on and params.variants == PHRASINGS:
            raise InputError(
                f"variants: all {PHRASINGS} phrasings of a fact are trained on, so that none is "
                f"left for the evaluation corpus 'facts'; take 1 to {PHRASINGS - 1}"
            )
        languages = languages or [lang for lang in params.languages if lang in cldr.LANGUAGES]
    return load_corpus(
        params.eval_corpus,
        params.eval_corpus_path,
        languages or None,
        candidate_text=params.candidate_text,
        data_seed=params.data_seed,
        validation_fraction=params.validation_fraction,
        test_fraction=params.test_fraction,
    )


def _load_and_split(
    params: Params, corpus: str, path: Path | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and validation pairs of one set."""
    if corpus == "facts":
        return _split_built_in_facts(params)
    _check_not_evaluated(params, corpus, path)
    resolved = fetch(corpus) if path is None else resolve(path)
    if corpus == "pairs":
        pairs = load_pairs(resolved)
        languages = _wanted_languages(params, str(resolved), pairs["lang"].unique())
        pairs = pairs[pairs["lang"].isin(languages)]
    elif corpus in LAREQA_LANGUAGES:
        pairs = _lareqa_pairs(params, corpus, resolved)
    else:
        # A path that does not exist may be a hub id.
        source = resolved if resolved.exists() else str(path)
        if corpus == "parallel":
            source = local_path(source)
        training_set = training_sets.find(corpus, source)
        pairs = training_set.load(_wanted_languages(params, str(path), training_set.languages))
    return _split_pairs(pairs, params)


def _split_built_in_facts(params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and validation pairs of the facts.

    Validation asks for the held-out facts in a wording that is not trained on. Every fourth
    training fact in that wording is a candidate too: enough near misses, and soon encoded.
    """
    languages = _wanted_languages(params, "facts", cldr.LANGUAGES)
    splits = split_facts(
        all_facts(), params.data_seed, params.validation_fraction, params.test_fraction
    )
    train = phrase(splits["train"], languages, params.data_seed, params.variants)
    near_misses = splits["train"][::4]
    validation = searched_pairs(splits["validation"], near_misses, languages, params.data_seed)
    return train, validation


def _lareqa_pairs(params: Params, corpus: str, folder: Path) -> pd.DataFrame:
    """Return training pairs of a LAReQA set, and its other sentences (``asked`` is false).

    A column ``article`` says what must not be divided.
    """
    known = LAREQA_LANGUAGES[corpus]
    languages = params.languages
    if len(params.training_sets) > 1:
        languages = _wanted_languages(params, str(folder), known)
    loaded = load_lareqa(folder, corpus, languages)
    pairs = pairs_from_lareqa(loaded, params.data_seed if params.paragraph_negatives else None)
    others = other_sentences(loaded, pairs)
    # Files of languages that are not trained on help to find which articles are one.
    with_file = [lang for lang in known if lang in languages or (folder / f"{lang}.json").is_file()]
    numbers = articles(folder, with_file)
    pairs = pairs.assign(asked=True, article=pairs["pair_id"].map(numbers.of_question))
    others = others.assign(article=others["paragraph"].map(numbers.of_paragraph))
    others = others.dropna(subset="article").drop(columns="paragraph")
    return pd.concat([pairs, others.astype({"article": pairs["article"].dtype})])


def _check_not_evaluated(params: Params, corpus: str, path: Path | None) -> None:
    """Check that a training set is not the evaluation corpus itself.

    The facts may be both, because they are split into training and test.
    """
    if corpus != params.eval_corpus:
        return
    paths = {str(resolve(each)) for each in (path, params.eval_corpus_path) if each is not None}
    if corpus in LAREQA_LANGUAGES or len(paths) == 1:
        raise InputError(
            f"train_corpus and eval_corpus are both {corpus!r} ({path or 'downloaded'}): "
            "what is trained on cannot be evaluated on; choose another set for one of them"
        )


def _wanted_languages(params: Params, source: str, present: Iterable[str]) -> list[str]:
    """Return the languages of ``params`` that a set has.

    Raises:
        InputError: it has none of them; or not all of them, although it is the only set.
    """
    present = sorted(present)
    missing = sorted(set(params.languages) - set(present))
    languages = [lang for lang in params.languages if lang in present]
    is_only_set = len(params.training_sets) == 1
    if not languages or (missing and is_only_set):
        raise InputError(
            f"{source}: no pairs in {', '.join(missing)}; "
            f"change languages to those it has: {', '.join(present)}"
        )
    return languages


def _split_pairs(pairs: pd.DataFrame, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and validation pairs; no question of one article stands in both.

    Where the set has no articles, no question of one passage does. Validation pairs that are not
    ``asked`` are candidates alone.
    """
    # What is held out whole: articles where the set has them, else passages.
    unit_of_pair = pairs["article"] if "article" in pairs else pairs["passage_id"]
    units = np.sort(unit_of_pair.unique())
    pairs = pairs.drop(columns="article", errors="ignore")
    if len(units) < 2:
        raise InputError(
            f"{pairs['dataset'].iloc[0]}: the training pairs are all of one {unit_of_pair.name}, "
            "so none can be kept for validation; give a larger set"
        )

    # Drawn from a sorted list, so that the order of the pairs does not matter.
    count = max(1, round(len(units) * params.validation_fraction))
    held_out = np.random.default_rng(params.data_seed).choice(units, count, replace=False)
    is_held_out = unit_of_pair.isin(held_out)
    train = pairs[~is_held_out].reset_index(drop=True)
    validation = pairs[is_held_out].reset_index(drop=True)
    if "asked" in pairs:
        train = train[train["asked"]].drop(columns="asked").reset_index(drop=True)
        return train, validation
    return train, _with_near_misses(validation, train, params.data_seed)


def _with_near_misses(
    validation: pd.DataFrame, train: pd.DataFrame, data_seed: int
) -> pd.DataFrame:
    """Return validation pairs, and training pairs whose passages are candidates alone.

    Passages are drawn with all their translations, until there are _MOST_NEAR_MISSES texts.
    """
    passages = train.drop_duplicates(["lang", "passage_id", "passage"])
    sizes = passages.groupby("passage_id").size().sort_index()
    drawn = sizes.sample(frac=1, random_state=data_seed).cumsum()
    chosen = drawn.index[drawn <= _MOST_NEAR_MISSES]
    near_misses = passages[passages["passage_id"].isin(chosen)]
    return pd.concat(
        [validation.assign(asked=True), near_misses.assign(asked=False)], ignore_index=True
    )


def _check_set_names(parts: Iterable[pd.DataFrame]) -> None:
    """Check that no two sets have one name, which their pairs are told apart by.

    A name with a slash could make one id of two: a/b and c, a and b/c.
    """
    names = [name for pairs in parts for name in pairs["dataset"].unique()]
    for name in names:
        if "/" in name:
            raise InputError(
                f"train_corpus: a set is called {name!r}; where several sets are mixed, ids begin "
                "with the name and a slash, so a name can hold none (change its column dataset)"
            )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"train_corpus: two sets are called {repeated[0]!r}, and pairs are told apart by that "
            "name; rename the file or folder of one (or change its column dataset)"
        )


def _join_sets(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the pairs of several sets in one table, ids with the set's name in front.

    The pairs of one set alone are returned as they are.
    """
    if len(parts) == 1:
        return parts[0]
    named = []
    for pairs in parts:
        prefix = pairs["dataset"] + "/"
        ids = {column: prefix + pairs[column] for column in ("pair_id", "passage_id")}
        named.append(pairs.assign(**ids))
    return join_pairs(named)
