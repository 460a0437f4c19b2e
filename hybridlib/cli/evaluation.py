"""The command ``hybridlib evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hybridlib.config.corrections import ON_CANDIDATES, CorrectionName
from hybridlib.config.names import BM25
from hybridlib.config.params import Params
from hybridlib.data.lareqa import LAREQA_LANGUAGES
from hybridlib.data.prepare import evaluation_corpus
from hybridlib.distributed import connect
from hybridlib.errors import InputError
from hybridlib.evaluation.evaluate import (
    NOT_ALWAYS,
    Evaluation,
    evaluate,
    evaluation_options,
)
from hybridlib.evaluation.fitting import check_correction_names
from hybridlib.evaluation.lexical import ABOUT, evaluate_lexical
from hybridlib.evaluation.translate_test import PASSAGE
from hybridlib.files import check_writable, written_aside
from hybridlib.model.tokenizer import learn_tokenize, load_tokenize
from hybridlib.retrieval.lexical import LexicalScores
from hybridlib.retrieval.trec import (
    Scores,
    check_depth,
    files_of_cells,
    vector_scores,
    write_scores,
)
from hybridlib.study.encoders import load_encoder

# Options that are parameters of the same name.
_PARAMETERS = (
    "lir_directions",
    "top_k",
    "pooling",
    "query_prefix",
    "passage_prefix",
    "max_length",
    "encode_precision",
    "candidate_text",
)

_TREC_DEPTH = 100


# Options of an encoder, which BM25 does not have.
_OF_ENCODERS = (
    "pooling",
    "query_prefix",
    "passage_prefix",
    "max_length",
    "encode_precision",
    "corrections",
    "lir_directions",
    "parallel_path",
    "vectors",
    "truncate_dim",
)


def evaluate_encoder(options: argparse.Namespace) -> int:
    """Evaluate one encoder, in one process or in all those of a launcher; or BM25.

    Raises:
        InputError: an option, the corpus or the encoder cannot be used.
    """
    process, _ = connect()
    params = _params_of(options)
    _check_options(options, params)
    check_writable(options.out)
    if options.encoder == BM25:
        return _evaluate_bm25(options, params) if process == 0 else 0
    corpus = evaluation_corpus(params)
    encoder = load_encoder(params, options.encoder)
    result = evaluate(encoder, corpus, vectors_folder=options.vectors, **evaluation_options(params))
    if process > 0:
        return 0  # its share of the encoding is done

    about = {
        "encoder": options.encoder,
        "pooling": encoder.pooling,
        "prefixes": encoder.prefixes,
        "max_length": encoder.max_length,
        "encode_precision": encoder.encode_precision,
    }
    scores = vector_scores(result.query_vectors, result.candidate_vectors)
    _save(result, about, options, scores, params.score_block)
    print(
        f"{options.encoder}: {encoder.pooling} pooling, {encoder.prefixes['query']!r} before "
        f"queries, {encoder.prefixes['passage']!r} before passages, {encoder.max_length} tokens"
    )
    _print_results(result)
    print(f"wrote {options.out / 'metrics.json'}")
    return 0


def _evaluate_bm25(options: argparse.Namespace, params: Params) -> int:
    """Evaluate BM25 over the subwords of a tokenizer."""
    corpus = evaluation_corpus(params)
    if options.tokenizer is None:
        tokenize = learn_tokenize(corpus.candidates["text"], params.vocab_size)
        name = "learned from the candidates"
    else:
        tokenize = load_tokenize(options.tokenizer)
        name = options.tokenizer
    scores = LexicalScores(corpus, tokenize)
    result = evaluate_lexical(corpus, scores, top_k=params.top_k, score_block=params.score_block)
    about = {"encoder": BM25, "tokenizer": name, **ABOUT}
    _save(result, about, options, scores, params.score_block)
    print(f"{BM25}: k1 {ABOUT['k1']}, b {ABOUT['b']}, tokenizer {name}")
    _print_results(result)
    print(f"wrote {options.out / 'metrics.json'}")
    return 0


def _save(
    result: Evaluation,
    about: dict[str, Any],
    options: argparse.Namespace,
    scores: Scores,
    score_block: int,
) -> None:
    """Replace the results of an earlier evaluation in the folder, its TREC files among them."""
    earlier = [options.out / name for name in NOT_ALWAYS]
    earlier += files_of_cells(options.out / "trec")
    with written_aside(options.out, "metrics.json", earlier) as aside:
        result.save(aside, about)
        if options.trec:
            write_scores(aside / "trec", result.corpus, scores, _trec_depth(options), score_block)


def _check_options(options: argparse.Namespace, params: Params) -> None:
    """Refuse options that fail later, or change nothing without another one.

    Raises:
        InputError: the first such option.
    """
    if options.encoder == BM25:
        for name in _OF_ENCODERS:
            if getattr(options, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} is of encoders, and {BM25} is none; leave it out")
    elif options.tokenizer is not None:
        raise InputError(f"--tokenizer is of {BM25}; an encoder has its own")
    check_correction_names(params.corrections, options.vectors)
    check_depth(_trec_depth(options))
    if options.trec:
        check_writable(options.out / "trec")
    names = [CorrectionName.parse(name) for name in params.corrections]
    has_lir = any("lir" in name.steps for name in names)
    on_texts = [text for text, name in zip(params.corrections, names) if not name.on_candidates]
    needs = (
        ("--trec-depth", options.trec_depth, "--trec", options.trec),
        ("--lir-directions", options.lir_directions, "--corrections lir", has_lir),
        ("--parallel-path", options.parallel_path, "--corrections without @candidates", on_texts),
    )
    for option, value, needed, present in needs:
        if value is not None and not present:
            raise InputError(f"{option} changes nothing without {needed}; give both or neither")
    if on_texts and options.parallel_path is None:
        raise InputError(
            f"--corrections {on_texts[0]} is fitted on parallel text: give --parallel-path, or "
            f"write {on_texts[0]}{ON_CANDIDATES} to fit it on the candidates that are searched"
        )
    if options.candidate_text is not None and params.eval_corpus not in LAREQA_LANGUAGES:
        raise InputError(
            f"--candidate-text is of {' and '.join(LAREQA_LANGUAGES)}; "
            f"{params.eval_corpus} has passages"
        )


def _trec_depth(options: argparse.Namespace) -> int | None:
    """Return how many candidates of a query the run files have; None: all."""
    if options.trec_depth is None:
        return _TREC_DEPTH
    return options.trec_depth if options.trec_depth else None


def _params_of(options: argparse.Namespace) -> Params:
    """Return the parameters that the options set."""
    values = {
        "encoder": options.encoder,
        "eval_corpus": options.corpus,
        "eval_corpus_path": _from_current_folder(options.corpus_path),
        "eval_languages": options.languages,
        "corrections": options.corrections or [],
        "truncate_dims": options.truncate_dim,
        "parallel_path": _from_current_folder(options.parallel_path),
    }
    values.update({name: getattr(options, name) for name in _PARAMETERS})
    given = {name: value for name, value in values.items() if value is not None}
    return Params.check(given, "hybridlib evaluate")


def _from_current_folder(path: str | None) -> Path | None:
    """Return a path of the command line, which starts at the current folder.

    What does not exist may be a hub id, and stays.
    """
    if path is None:
        return None
    return Path.cwd() / path if Path(path).exists() else Path(path)


def _print_results(result: Evaluation) -> None:
    """Print the corpus, the main figures, and which figures the corpus cannot give.

    What is said of a correction without figures is a warning of :func:`evaluate`.
    """
    corpus = result.corpus
    print(
        f"{corpus.name}: {len(corpus.queries):,} queries, {len(corpus.candidates):,} candidates "
        f"({corpus.candidate_text}), {len(corpus.languages)} languages"
    )
    print(result.headline().to_string(float_format="{:.4f}".format))
    figures: dict[str, list[str]] = {}
    for figure, reason in result.metrics["bias"]["left_out"].items():
        figures.setdefault(reason, []).append(figure)
    for reason, names in figures.items():
        print(f"left out: {', '.join(names)} ({reason})")
    _print_translate_test(result)


def _print_translate_test(result: Evaluation) -> None:
    """Print what perfect translations of the questions would find, or why that is not known."""
    try:
        table = result.translate_test()
    except InputError as error:
        print(f"left out: {error}")
        return
    for row in table.itertuples():
        line = (
            f"translate-test: {row.setting} mAP {row.as_asked:.4f} as asked, {row.translated:.4f} "
            f"with questions translated perfectly into {row.translated_into}"
        )
        if row.translated_into == PASSAGE:
            line += " language"
        if row.without_translation:
            total = row.queries + row.without_translation
            line += f" ({row.without_translation:,} of {total:,} left out: no translation)"
        print(line)
