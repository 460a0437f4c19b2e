"""Bring the paper's published training sets into the folders that ``train_corpus_path`` names.

``mmarco``: the repository ``unicamp-dl/mmarco`` has numbers of queries and passages in one file and
their texts in others. The first triple of each query is written, the same in every language.

``mfaq``: every n-th pair is written, so that mMARCO, which loses most of its triples, still has the
share of the draws that it has in the paper.

docs/batches.md has the commands. Mr. TyDi is read as it was downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from hybridlib.data.hub_sets import find_hub_set, load_hub_set
from hybridlib.data.languages import ENGLISH_NAMES
from hybridlib.data.text_files import iterate_lines
from hybridlib.data.words import has_words
from hybridlib.errors import InputError

# Files of unicamp-dl/mmarco; Google's translations.
TRIPLES = "data/triples.train.ids.small.tsv"
QUERIES = "data/google/queries/train/{name}_queries.train.tsv"
PASSAGES = "data/google/collections/{name}_collection.tsv"


def write_mmarco(source: Path, out: Path, languages: Iterable[str]) -> None:
    """Write ``<lang>/train.parquet`` of each language: query_id, query, positive, negative.

    Raises:
        InputError: a language is not known, or a file is missing or not as described.
    """
    names = {lang: ENGLISH_NAMES.get(lang, "") for lang in languages}
    unknown = [lang for lang, name in names.items() if not name]
    if unknown:
        raise InputError(f"--languages: {', '.join(unknown)}; mMARCO has no such language")

    triples = _first_triples(source / TRIPLES)
    print(f"{len(triples):,} queries")
    for lang, name in names.items():
        table = _in_language(source, name, triples)
        if table.empty:
            raise InputError(f"{source}: no text in {name} for the ids of {TRIPLES}")
        _write(table, out / lang / "train.parquet")
        print(f"{lang}: {len(table):,} pairs; {len(triples) - len(table):,} lack a text")


def _first_triples(file: Path) -> pd.DataFrame:
    """Return the first triple of each query: query_id, positive_id, negative_id."""
    first: dict[str, list[str]] = {}
    for ids in _rows(file, 3):
        first.setdefault(ids[0], ids)
    return pd.DataFrame(first.values(), columns=["query_id", "positive_id", "negative_id"])


def _in_language(source: Path, name: str, triples: pd.DataFrame) -> pd.DataFrame:
    """Return the triples with their texts; without those that lack one in this language."""
    queries = _texts(source / QUERIES.format(name=name), triples["query_id"])
    needed = pd.concat([triples["positive_id"], triples["negative_id"]])
    passages = _texts(source / PASSAGES.format(name=name), needed)
    table = pd.DataFrame(
        {
            "query_id": triples["query_id"],
            "query": triples["query_id"].map(queries),
            "positive": triples["positive_id"].map(passages),
            "negative": triples["negative_id"].map(passages),
        }
    )
    return table.dropna()


def _texts(file: Path, ids: Iterable[str]) -> dict[str, str]:
    """Return the texts of some ids; those without a word are left out."""
    wanted = set(ids)
    return {number: text for number, text in _rows(file, 2) if number in wanted and has_words(text)}


def _rows(file: Path, count: int) -> Iterator[list[str]]:
    """Yield the fields of each line of a tab-separated file without a heading."""
    bar = tqdm(iterate_lines(file), desc=file.name, unit=" lines", unit_scale=True, mininterval=2)
    for number, line in bar:
        fields = line.split("\t", count - 1)
        if len(fields) != count:
            raise InputError(
                f"{file}, line {number}: {len(fields)} fields where {count} are expected, divided "
                "by tabs; download it again"
            )
        yield fields


def write_mfaq(source: Path, out: Path, every: int) -> None:
    """Write every n-th English pair to ``en/train.parquet``: question and answer.

    Raises:
        InputError: the set has no English pairs or cannot be read.
    """
    name, tables = find_hub_set(source)
    if "en" not in tables:
        raise InputError(f"{source}: no English pairs in it; download data/en/train.jsonl")
    pairs = load_hub_set("mfaq", name, str(source), tables, ["en"])
    chosen = pairs.iloc[::every]
    table = chosen[["question", "passage"]].rename(columns={"passage": "answer"})
    _write(table, out / "en" / "train.parquet")
    print(f"en: {len(table):,} of {len(pairs):,} pairs")


def _write(table: pd.DataFrame, file: Path) -> None:
    """Write aside, then rename: a file that is there is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.part")
    table.to_parquet(aside, index=False)
    aside.replace(file)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sets = parser.add_subparsers(required=True, dest="name", metavar="SET")
    mmarco = sets.add_parser("mmarco", help="one triple of each query")
    mfaq = sets.add_parser("mfaq", help="every n-th English pair")
    for command in (mmarco, mfaq):
        command.add_argument("source", type=Path, help="the downloaded repository")
        command.add_argument("out", type=Path, help="the folder to write to")
    mmarco.add_argument("--languages", nargs="+", required=True, help="codes, such as ar zh en")
    mfaq.add_argument("--every", type=int, default=1, help="keep one pair of so many (default 1)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status is 2 after an input error."""
    options = make_parser().parse_args(arguments)
    try:
        if options.name == "mmarco":
            write_mmarco(options.source, options.out, options.languages)
        elif options.every < 1:
            raise InputError(f"--every {options.every}: must be 1 or more")
        else:
            write_mfaq(options.source, options.out, options.every)
    except InputError as error:
        print(f"paper_data.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
