"""The run of BM25 in a study: the steps of an encoder's run, without an encoder and notebooks.

It searches the subwords of the encoder beside which it stands. It trains nothing and has no seed.
"""

from __future__ import annotations

import json
from typing import Any

from hybridlib.config.names import BM25, BUILT_IN
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.evaluation.bias import by_language
from hybridlib.evaluation.metrics import headline
from hybridlib.files import resolve, write_text
from hybridlib.retrieval.ranking import Ranking
from hybridlib.study.folder import Study


def search_by_words(study: Study, step: str) -> dict[str, Any]:
    """Carry out a step of a BM25 run, and write its files.

    Args:
        study: the run.
        step: ``training``: the figures on the validation corpus, as the log of a training has
            them; ``evaluation``: all figures; ``bias``: those of each language.

    Returns:
        What the step's marker is to say.
    """
    steps = {"training": _validate, "evaluation": _evaluate, "bias": _bias}
    return steps[step](study)


def _validate(study: Study) -> dict[str, Any]:
    """Write a training log of step 0."""
    settings = _search(study, study.validation_corpus()).metrics["settings"]
    measured = {f"validation {name} mAP": values["map"] for name, values in settings.items()}
    write_text(study.run / "training.jsonl", json.dumps({"step": 0, **measured}) + "\n")
    return {"steps": 0, "source": study.params.encoder}


def _evaluate(study: Study) -> dict[str, Any]:
    """Write metrics, ranks and what each query got."""
    from hybridlib.evaluation.lexical import ABOUT

    params = study.params
    result = _search(study, study.evaluation_corpus())
    about = {"encoder": params.encoder, "strategy": BM25, "seed": params.seed, **ABOUT}
    result.save(study.run, about)
    return headline(result.metrics)


def _bias(study: Study) -> dict[str, Any]:
    """Write the bias figures of each language."""
    corpus = study.evaluation_corpus()
    table = by_language(Ranking.load(study.run), corpus, study.params.top_k)
    table.to_csv(study.run / "bias.csv")
    figures = study.metrics()["bias"]
    return {name: value for name, value in figures.items() if isinstance(value, float)}


def _search(study: Study, corpus: RetrievalCorpus) -> Any:
    """Return the evaluation of a corpus by the subwords of the run's encoder."""
    # These load torch and transformers, which take seconds.
    from hybridlib.evaluation.lexical import evaluate_lexical
    from hybridlib.model.tokenizer import load_tokenize
    from hybridlib.retrieval.lexical import LexicalScores

    params = study.params
    source = params.encoder
    if source == BUILT_IN:
        source = str(study.trained.data / "tokenizer")
    elif resolve(source).is_dir():
        source = str(resolve(source))
    scores = LexicalScores(corpus, load_tokenize(source))
    options = {"top_k": params.top_k, "score_block": params.score_block}
    return evaluate_lexical(corpus, scores, **options, progress=False)
