"""A finished study whose runs are made-up rankings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from toys import random_corpus, rank_scores

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation.evaluate import Evaluation, summarise_correction
from hybridlib.evaluation.metrics import summarise
from hybridlib.files import write_json
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study.fingerprint import fingerprint
from hybridlib.study.folder import Study

LABELS = ["untrained", "x-x-mono", "x-y", "hybrid", "hybrid-alpha-0.25"]
MANIFEST = {
    "commit": "abc",
    "versions": {"torch": "2.13.0", "transformers": "5.0"},
    "hardware": {"cpus": 2, "machine": "x86_64", "gpus": []},
}


def make_study(output_dir: Path) -> Study:
    """Finish a grid in which strategies get better one by one; its last run is missing.

    Chinese is evaluated and not trained on.
    """
    study = Study(
        Params(
            study="made-up",
            output_dir=output_dir,
            strategies=["untrained", "x-x-mono", "x-y", "hybrid"],
            grid={"alpha": [0.5, 0.25]},
            seeds=[0, 1],
            languages=["ar", "de", "en"],
        )
    )
    rng = np.random.default_rng(7)
    corpus = random_corpus(rng, questions=30, presence=0.9)
    relevant = np.zeros((len(corpus.queries), len(corpus.candidates)), dtype=np.float32)
    relevant[corpus.qrels["query"], corpus.qrels["candidate"]] = 1
    for number, run in enumerate(study.runs()[:-1]):
        scores = [rng.random(relevant.shape) + relevant * (number + more) / 20 for more in (0, 5)]
        plain, centred = (rank_scores(part, corpus) for part in scores)
        _finish(run, number, corpus, plain, centred)
    return study


def _finish(
    run: Study, number: int, corpus: RetrievalCorpus, plain: Ranking, centred: Ranking
) -> None:
    """Write all that an export copies."""
    corrections = {"centering": summarise_correction(centred, corpus, "candidates")}
    metrics = {**summarise(plain, corpus), "corrections": corrections}
    vectors = np.empty((0, 0), dtype=np.float32)
    result = Evaluation(corpus, metrics, plain, {"centering": centred}, vectors, vectors)
    result.save(run.run)
    run.params.save(run.run / "params.yaml")
    steps = {"evaluation": {"seconds": 30.0}}
    if run.params.strategy != "untrained":
        steps["training"] = {"seconds": 60.0 * (number + 1), "steps": 60}
    write_json(run.run / "run.json", {**MANIFEST, "seed": run.params.seed, "steps": steps})
    (run.run / "training.jsonl").write_text('{"step": 0}\n{"step": 1, "loss": 0.123456789}\n')
    write_json(run.marker("bias"), {"fingerprint": fingerprint(run, "bias")})
