"""What the corrections of an evaluation are fitted on: what a user has, or the candidates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridlib.config.corrections import NOT_ON_DISK, ON_CANDIDATES, CorrectionName
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.pairs import load_parallel
from hybridlib.data.parallel_text import find_text_languages
from hybridlib.data.published import local_path
from hybridlib.errors import InputError
from hybridlib.retrieval.fitting_texts import FittingSet, FittingTexts
from hybridlib.retrieval.unit import CorrectionError
from hybridlib.retrieval.vector_store import read_run_vectors

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

_COLUMNS = ["source", "side", "lang", "group", "text"]


def fitting_table(
    corpus: RetrievalCorpus | None,
    pairs: pd.DataFrame | None = None,
    parallel_path: str | Path | None = None,
    parallel_passages: int | None = None,
    texts: int | None = None,
    seed: int = 0,
    languages: Iterable[str] = (),
) -> pd.DataFrame:
    """Return the texts that a user has before searching: of training pairs and of parallel text.

    Questions are encoded as queries and passages as passages. Parallel text is both: it is encoded
    once as the one and once as the other.

    Args:
        corpus: what is searched; parallel text is read in its languages and in those of the pairs.
            None: not known yet.
        pairs: training pairs. Of a passage_id's texts in one language the first is taken.
        parallel_path: see :func:`load_parallel`; of a folder, those of the languages that it has.
            ``ntrex`` is downloaded (:mod:`hybridlib.data.published`).
        parallel_passages: only the first so many of it; None: all.
        texts: only so many questions and passages of the pairs, drawn by whole groups of
            translations: half of them questions, half passages. None: all.
        seed: of the draw.
        languages: further ones that parallel text is read in.

    Returns:
        Columns source, side (``query`` or ``passage``), lang, group (the same: translations), text.
    """
    parts = [pd.DataFrame(columns=_COLUMNS)]
    languages = set(languages)
    if corpus is not None:
        languages |= {*corpus.languages, *corpus.queries["lang"]}
    if pairs is not None:
        languages |= set(pairs["lang"])
        half = None if texts is None else max(1, texts // 2)
        parts.append(_side_of_pairs(pairs, "query", "pair_id", "question", half, seed))
        parts.append(_side_of_pairs(pairs, "passage", "passage_id", "passage", half, seed))
    if parallel_path is not None:
        path = local_path(parallel_path, languages)
        if path.is_dir():
            languages &= set(find_text_languages(path))
        parallel = load_parallel(path, sorted(languages), parallel_passages)
        parallel = parallel.assign(source=path.name, group="parallel " + parallel["group"])
        parts += [parallel.assign(side="query"), parallel.assign(side="passage")]
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True)[_COLUMNS]


def _side_of_pairs(
    pairs: pd.DataFrame, side: str, group: str, text: str, count: int | None, seed: int
) -> pd.DataFrame:
    """Return questions or passages of training pairs, about ``count`` of them."""
    columns = {"lang": "lang", group: "group", text: "text"}
    table = pairs[list(columns)].rename(columns=columns)
    table = table.drop_duplicates(["lang", "group"]).assign(source="training pairs", side=side)

    # Whole groups in random order, until there are enough texts.
    sizes = table["group"].value_counts().sort_index()
    sizes = sizes.iloc[np.random.default_rng(seed).permutation(len(sizes))]
    if count is not None:
        before = sizes.cumsum() - sizes
        table = table[table["group"].isin(sizes.index[before < count])]
    return table.assign(group=f"{group} " + table["group"].astype(str))


def encode_fitting_set(
    encoder: DualEncoder,
    table: pd.DataFrame,
    token_budget: int | None = None,
    progress: bool = True,
) -> FittingSet:
    """Encode what :func:`fitting_table` returned, or its passages alone.

    Args:
        encoder: makes the vectors.
        table: the texts.
        token_budget: as in :meth:`DualEncoder.encode`.
        progress: show progress bars.
    """
    sides = {}
    for side, part in table.groupby("side"):
        vectors = encoder.encode(part["text"], side, token_budget, progress)
        sides[side] = FittingTexts(vectors, part["lang"].to_numpy(), part["group"].to_numpy())
    passages = sides["passage"]
    return FittingSet(
        " and ".join(table["source"].unique()), sides.get("query", passages), passages
    )


def read_fitting_set(folder: Path, corpus: RetrievalCorpus) -> FittingSet:
    """Return what the corrections of a run were fitted on: ``fitting.npz``, else its candidates.

    Args:
        folder: of the run.
        corpus: what it was evaluated on.

    Raises:
        CorrectionError: there are only candidates, and their vectors are on disk.
    """
    file = folder / "fitting.npz"
    if file.exists():
        return FittingSet.load(file)
    _, vectors = read_run_vectors(folder)
    if isinstance(vectors, np.memmap):
        raise CorrectionError(f"a correction {NOT_ON_DISK}")
    return of_candidates(corpus, vectors)


def of_candidates(corpus: RetrievalCorpus, vectors: np.ndarray) -> FittingSet:
    """Return the candidates as what a correction is fitted on; they correct the queries too.

    Args:
        corpus: what is searched.
        vectors: of its candidates, ``[candidates, d]``.
    """
    languages = corpus.candidates["lang"].to_numpy()
    groups = corpus.candidates["group"].to_numpy()
    passages = FittingTexts(vectors, languages, groups)
    return FittingSet("candidates", passages, passages)


def check_correction_names(corrections: Sequence[str], vectors_folder: Path | None = None) -> None:
    """Refuse corrections for what they are called, or because vectors are on disk.

    Raises:
        InputError: a correction that does not exist, or one that is fitted on vectors on disk.
    """
    for name in corrections:
        if CorrectionName.parse(name).on_candidates and vectors_folder is not None:
            raise InputError(f"corrections: {name} {NOT_ON_DISK}")


def fitted_on_texts(corrections: Iterable[str]) -> list[CorrectionName]:
    """Return the corrections that are not fitted on the candidates."""
    names = [CorrectionName.parse(name) for name in corrections]
    return [name for name in names if not name.on_candidates]


def checked_table(corpus: RetrievalCorpus, corrections: Sequence[str], *texts: Any) -> pd.DataFrame:
    """Return what corrections are fitted on, after checking that it suffices.

    Args:
        corpus: what is searched.
        corrections: names of corrections.
        texts: the arguments of :func:`fitting_table` behind the corpus; not read where no
            correction needs them.

    Raises:
        InputError: see :func:`check_corrections`.
    """
    table = fitting_table(corpus, *(texts if fitted_on_texts(corrections) else ()))
    check_corrections(corpus, corrections, table)
    return table


def check_corrections(
    corpus: RetrievalCorpus, corrections: Sequence[str], table: pd.DataFrame
) -> None:
    """Refuse corrections that could not be estimated after hours of encoding.

    Args:
        corpus: what is searched.
        corrections: names of corrections.
        table: from :func:`fitting_table`.

    Raises:
        InputError: there is nothing to fit a correction on, or nothing in a language of the corpus.
    """
    for text in corrections:
        name = CorrectionName.parse(text)
        if name.on_candidates:
            _check_candidates(corpus, text, name)
        elif table.empty:
            raise InputError(
                f"corrections: {text} is fitted on training pairs or parallel text, and there are "
                f"none: give parallel_path, or write {text}{ON_CANDIDATES} to fit it on the "
                "candidates that are searched"
            )
        elif "shift" in name.steps:
            _check_shared(corpus, table[table["side"] == "passage"])
        elif name.by_language:
            _check_languages(corpus, text, table)


def _check_candidates(corpus: RetrievalCorpus, text: str, name: CorrectionName) -> None:
    """Refuse what candidates cannot say: of languages that only queries have."""
    missing = sorted(set(corpus.queries["lang"]) - set(corpus.languages))
    if name.by_language and missing:
        raise InputError(
            f"corrections: {text} is estimated from candidates, and {corpus.name} has none in "
            f"{', '.join(missing)}, only queries; leave it out"
        )
    if "shift" in name.steps:
        _check_shared(corpus, corpus.candidates)


def _check_shared(corpus: RetrievalCorpus, passages: pd.DataFrame) -> None:
    """Refuse passages that have no translations in some pair of languages."""
    groups = passages.groupby("lang")["group"].agg(set)
    for x, y in product(sorted(set(corpus.queries["lang"])), corpus.languages):
        if not groups.get(x, set()) & groups.get(y, set()):
            raise InputError(
                f"corrections: shift needs passages in both {x!r} and {y!r}, and there are none; "
                "give parallel_path, or leave shift out"
            )


def _check_languages(corpus: RetrievalCorpus, text: str, table: pd.DataFrame) -> None:
    """Refuse texts that lack a language of the corpus."""
    searched = {"query": set(corpus.queries["lang"]), "passage": set(corpus.languages)}
    missing: set[str] = set()
    for side, languages in searched.items():
        missing |= languages - set(table.loc[table["side"] == side, "lang"])
    if missing:
        raise InputError(
            f"corrections: {text} is fitted on training pairs and parallel text, and there are "
            f"none in {', '.join(sorted(missing))}: give parallel_path with these languages, or "
            f"write {text}{ON_CANDIDATES} to fit it on the candidates that are searched"
        )
