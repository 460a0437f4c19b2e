"""Evaluation corpora of other origin: a folder of one's own tables, and MIRACL as the hub holds it.

Both end in :class:`hybridlib.corpora.RetrievalCorpus`. Only judged pairs count: relevance is never carried over to
a translation by a shared ``question_id`` or ``group``. docs/corpora.md shows the files.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.data.folder import PARTS, _build, _check_languages, _parquet, _titled
from hybridlib.errors import InputError

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


Tables = dict[str, Callable[[], pd.DataFrame]]


def load_miracl(
    source: str | Path,
    languages: Iterable[str] | None = None,
    split: str = "dev",
    revision: str | None = None,
) -> RetrievalCorpus:
    """Read MIRACL (arXiv 2210.09984) in the layout of ``mteb/MIRACLRetrieval`` and ``mteb/MIRACLRetrievalHardNegatives``.

    Each language has three configurations: ``<lang>-corpus`` (_id, title, text), ``<lang>-queries`` (_id, text)
    and ``<lang>-qrels`` (query-id, corpus-id, score). Ids get the language in front (``ar:12#3``), texts the
    title and a space, as mteb does. The sets are monolingual: what is relevant is in the query's language, and
    equal ids in two languages mean nothing.

    Args:
        source: a downloaded repository folder: a folder ``<configuration>`` with ``<split>-*.parquet`` for each,
            or files elsewhere that its README.md names; or a hub id, ``name`` or ``name@revision``.
        languages: None takes all that the source has.
        split: the split to read.
        revision: commit, branch or tag of a hub id that names none itself.

    Raises:
        InputError: no such folder, the hub out of reach (with what to do), a configuration, column or language
            that is missing, an empty text.
    """
    folder = Path(source)
    name, _, pinned = str(source).partition("@")
    if folder.is_dir():
        name, tables = folder.resolve().name, _folder_tables(folder, split)
    elif HUB_ID.fullmatch(name):
        name, tables = name.split("/")[1], _hub_tables(name, split, pinned or revision)
    else:
        raise InputError(
            f"{source}: no such folder; give a downloaded folder or a hub id such as mteb/MIRACLRetrievalHardNegatives"
        )
    present = {table.removesuffix("-corpus") for table in tables if table.endswith("-corpus")}
    if not present:
        raise InputError(
            f"{source}: no <lang>-corpus with split {split!r}; each language needs <lang>-corpus, <lang>-queries and <lang>-qrels, as in mteb/MIRACLRetrieval"
        )
    wanted = present if languages is None else set(languages)
    _check_languages(str(source), wanted, present)
    parts = [_miracl_language(str(source), lang, tables) for lang in sorted(wanted)]
    return _build(name, *(pd.concat(frames, ignore_index=True) for frames in zip(*parts)))


def _miracl_language(
    source: str, lang: str, tables: Tables
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Queries, candidates and relevance of one language."""
    frames = {}
    for table in (lang + part for part in PARTS):
        if table not in tables:
            raise InputError(
                f"{source}: no {table}; download it as well, or leave {lang} out of the languages"
            )
        frames[table] = tables[table]()
    held, asked, judged = ((f"{source}: {table}", frame) for table, frame in frames.items())
    ids = lang + ":" + _column(*held, "_id", "id")
    candidates = pd.DataFrame(
        {
            "candidate_id": ids,
            "lang": lang,
            "group": ids,
            "text": _titled(held[1], _column(*held, "text")).str.strip(),
        }
    )
    ids = lang + ":" + _column(*asked, "_id", "id")
    queries = pd.DataFrame(
        {"query_id": ids, "lang": lang, "question_id": ids, "text": _column(*asked, "text")}
    )
    relevance = pd.DataFrame(
        {
            "query_id": lang + ":" + _column(*judged, "query-id"),
            "candidate_id": lang + ":" + _column(*judged, "corpus-id"),
            "grade": _column(*judged, "score").astype(float).astype(int),
        }
    )
    return queries, candidates, _without_strange(judged[0], relevance, queries, candidates)


def _column(where: str, frame: pd.DataFrame, *names: str) -> pd.Series:
    """The first of these columns that is there, as strings; a missing value is an empty one."""
    for name in names:
        if name in frame:
            return frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    raise InputError(
        f"{where}: no column {' or '.join(names)}; it has {', '.join(map(str, frame.columns))}"
    )


def _without_strange(
    where: str, relevance: pd.DataFrame, queries: pd.DataFrame, candidates: pd.DataFrame
) -> pd.DataFrame:
    """Judgments of texts that the set holds; a warning counts relevant ones of others."""
    known = relevance["query_id"].isin(queries["query_id"]) & relevance["candidate_id"].isin(
        candidates["candidate_id"]
    )
    lost = relevance[~known & (relevance["grade"] > 0)]
    if len(lost):
        log.warning(
            "%s: left out %d judgments of texts that the set does not hold (first: %s)",
            where,
            len(lost),
            " ".join(lost.iloc[0][["query_id", "candidate_id"]]),
        )
    return relevance[known]


def _folder_tables(folder: Path, split: str) -> Tables:
    """How to read each configuration that a local folder has files of: the hub's folders, else what the card says.

    The files are read as they are now: ``load_dataset`` on a folder with a README.md goes on serving its first
    copy of files that have changed since, and refuses a folder that holds only some of the card's languages.
    """
    inner = [path for path in folder.iterdir() if path.is_dir()]
    files = {
        path.name: [*path.glob(f"{split}.parquet"), *sorted(path.glob(f"{split}-*.parquet"))]
        for path in inner
    }
    if not any(name.endswith("-corpus") for name, found in files.items() if found):
        files = _files_by_card(folder, split)
    return {config: partial(_read_files, found) for config, found in files.items() if found}


def _files_by_card(folder: Path, split: str) -> dict[str, list[Path]]:
    """Files of each configuration as the README.md's ``configs`` name them; none without such a file."""
    if not (folder / "README.md").is_file():
        return {}
    from datasets import get_dataset_config_names, load_dataset_builder

    try:
        names = [name for name in get_dataset_config_names(str(folder)) if name.endswith(PARTS)]
        builders = {name: load_dataset_builder(str(folder), name=name) for name in names}
    except Exception as error:  # what a malformed card raises is not one family
        raise InputError(
            f"{folder}: has no <lang>-corpus folders with split {split!r}, and its README.md cannot be read as a dataset card ({error})"
        ) from error
    return {
        name: [Path(file) for file in builder.config.data_files.get(split, [])]
        for name, builder in builders.items()
    }


def _read_files(files: list[Path]) -> pd.DataFrame:
    return pd.concat([_parquet(file) for file in files], ignore_index=True)


def _hub_tables(hub_id: str, split: str, revision: str | None) -> Tables:
    """How to read each configuration of a hub set, all from one commit.

    The commit is asked for first: it answers at once where there is no network, and without it ``datasets``
    would serve whatever revision it happens to have cached.
    """
    from datasets import get_dataset_config_names
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(hub_id, revision=revision, timeout=20).sha
        names = get_dataset_config_names(hub_id, revision=commit)
    except (
        Exception
    ) as error:  # connection errors come from whichever HTTP library the hub client uses
        raise InputError(_unreachable(hub_id, revision, error)) from error
    if revision is None:
        log.warning(
            "%s: no revision given, taking the newest; %s@%s repeats it", hub_id, hub_id, commit
        )
    return {name: partial(_from_hub, hub_id, name, split, commit) for name in names}


def _from_hub(hub_id: str, config: str, split: str, commit: str) -> pd.DataFrame:
    from datasets import load_dataset

    try:
        return load_dataset(hub_id, name=config, split=split, revision=commit).to_pandas()
    except Exception as error:  # network, disk, split: each from another library
        raise InputError(f"{config}: {_unreachable(hub_id, commit, error)}") from error


def _unreachable(hub_id: str, revision: str | None, error: Exception) -> str:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    pin = f" --revision {revision}" if revision else ""
    return (
        f"{hub_id}: cannot be read from the hub ({reason}). Check the name and the revision; for a machine without network, run "
        f"`hf download --repo-type dataset {hub_id}{pin} --local-dir FOLDER` where there is one and give FOLDER instead"
    )
