"""How time and memory grow: with the passages of a corpus, its languages, and the runs of a study.

    python benchmarks/growth.py

- passages: exact search, from 10,000 to ten million vectors of 64, float16 on disk;
- languages: ranks and all figures of 10,000 queries and 10,000 candidates, in 2 to 50 languages;
- runs: the intervals, differences and claims of a comparison of 10 to 100 runs. Their files are
  copies of a kept study's.

Each is printed and recorded as time, memory beyond the data, and the power that time grows with
(1: in proportion).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from memory import peak_memory
from record import add_record_option, write_record
from timing import growth, seconds_of
from vectors import make_passages, unit_vectors

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus, corpus_from_pairs
from hybridlib.evaluation.metrics import summarise
from hybridlib.retrieval.rank import rank
from hybridlib.retrieval.search import search
from hybridlib.study.comparison import differences, intervals
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study
from hybridlib.study.free import cheapest
from hybridlib.study.paper import claims

KEPT = Path(__file__).resolve().parent.parent / "outputs/reference/edition_2_m_to_x_12_layers"
PASSAGES = (10_000, 100_000, 1_000_000, 10_000_000)
LANGUAGES = (2, 5, 10, 20, 50)
RUNS = (10, 20, 50, 100)
SEEDS = 10  # of each strategy, at most
DIMENSION = 64

Row = dict[str, float]


def main() -> None:
    """Measure each kind of growth, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    add_record_option(parser)
    options = parser.parse_args()

    figures: dict[str, Any] = {}
    for part in options.parts:
        rows = _PARTS[part]()
        table = pd.DataFrame(rows)
        power = growth(table[part], table["seconds"])
        print(table.to_string(index=False))
        print(f"{part}: time grows with the power {power:.2f}\n", flush=True)
        figures[part] = {"rows": rows, "power": power}
    write_record(options.record, figures)


def measured(work: Callable[[], object]) -> Row:
    """Return the seconds of a piece of work, and the memory that it added at its peak."""
    seconds: list[float] = []
    memory = peak_memory(lambda: seconds.append(seconds_of(work)))
    return {"seconds": seconds[0], "memory_mb": memory}


def of_passages() -> list[Row]:
    """Return what a search takes by the number of passages."""
    queries = unit_vectors(np.random.default_rng(0), 200, DIMENSION)
    with tempfile.TemporaryDirectory() as folder:
        passages = make_passages(Path(folder) / "passages.npy", PASSAGES[-1], DIMENSION)
        search(queries, passages[:1000], 100)  # starts the threads
        return [
            {"passages": size, **measured(partial(search, queries, passages[:size], 100))}
            for size in PASSAGES
        ]


def of_languages() -> list[Row]:
    """Return what an evaluation takes by the number of languages, of as many queries in all."""
    rows: list[Row] = []
    for count in LANGUAGES:
        corpus, queries, candidates = parallel_corpus(count, texts=10_000, dimension=DIMENSION)
        work = partial(evaluate, queries, candidates, corpus)
        rows.append({"languages": count, **measured(work)})
    return rows


def parallel_corpus(
    languages: int, texts: int, dimension: int
) -> tuple[RetrievalCorpus, np.ndarray, np.ndarray]:
    """Make a corpus in which every question and passage is there in every language.

    Args:
        languages: how many.
        texts: questions in all languages together; as many passages.
        dimension: of the vectors.

    Returns:
        The corpus, and the vectors of its queries and candidates. Those of a question and of its
        passage are alike.
    """
    names = [f"language{number:02}" for number in range(languages)]
    numbers = pd.DataFrame({"pair_id": [f"q{number}" for number in range(texts // languages)]})
    pairs = numbers.merge(pd.DataFrame({"lang": names}), how="cross")
    text = pairs["pair_id"] + " " + pairs["lang"]
    pairs = pairs.assign(passage_id=pairs["pair_id"], question=text, passage="p" + text)
    corpus = corpus_from_pairs("made up", pairs)

    rng = np.random.default_rng(0)
    of_pair = dict(zip(numbers["pair_id"], unit_vectors(rng, len(numbers), dimension)))
    queries = near(rng, of_pair, corpus.queries["question_id"])
    candidates = near(rng, of_pair, corpus.candidates["group"])
    return corpus, queries, candidates


def near(
    rng: np.random.Generator, of_pair: dict[str, np.ndarray], pair_ids: pd.Series
) -> np.ndarray:
    """Return a vector near that of each pair."""
    middles = np.stack([of_pair[name] for name in pair_ids])
    return middles + unit_vectors(rng, *middles.shape)


def evaluate(queries: np.ndarray, candidates: np.ndarray, corpus: RetrievalCorpus) -> object:
    """Return every figure of a corpus."""
    return summarise(rank(queries, candidates, corpus), corpus)


def of_runs() -> list[Row]:
    """Return what a comparison takes by the number of runs."""
    with tempfile.TemporaryDirectory() as folder:
        return [{"runs": count, **measured(comparison(Path(folder), count))} for count in RUNS]


def comparison(folder: Path, count: int) -> Callable[[], object]:
    """Return the comparison of a study of so many runs, made in a folder of copies."""
    names = [f"strategy-{number}" for number in range(count // SEEDS)] or ["strategy-0"]
    systems = [{"name": name, "strategy": "hybrid"} for name in names]
    params = Params.load(KEPT / "study.yaml").but(
        study=f"{count}-runs", output_dir=str(folder), systems=systems, seeds=list(range(SEEDS))
    )
    study = Study.open_to_compare(params)
    kept = sorted(KEPT.glob("e5-small-*-s*/"))
    trained = [run for run in kept if "untrained" not in run.name and "bm25" not in run.name]
    for number, run in enumerate(study.runs()):
        shutil.copytree(trained[number % len(trained)], run.run)

    def compare() -> object:
        runs = finished_runs(study)
        if len(runs) != count:
            raise SystemExit(f"{len(runs)} runs, not {count}")
        compared = differences(runs)
        return intervals(runs), claims(compared, "strategy-0"), cheapest(runs)

    return compare


_PARTS: dict[str, Callable[[], list[Row]]] = {
    "passages": of_passages,
    "languages": of_languages,
    "runs": of_runs,
}

if __name__ == "__main__":
    main()
