"""The options of every command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hybridlib import __version__
from hybridlib.cli.mining_options import add_mine, add_score
from hybridlib.cli.model_options import add_card, add_correct, add_push
from hybridlib.cli.options import add_command, add_encoder_options
from hybridlib.config.yaml_files import add_overrides

EXAMPLES = """examples:
  hybridlib run params/quickstart.yaml
  hybridlib evaluate path/to/encoder --corpus xquad-r --corpus-path path/to/xquad-r --out results
  hybridlib params alpha steps
  hybridlib COMMAND --help"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; ``options.command`` is the name of a command."""
    parser = argparse.ArgumentParser(
        prog="hybridlib",
        description="Hybrid batch training for multilingual retrieval.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    _add_run(commands)
    _add_choose(commands)
    _add_compare(commands)
    _add_combine(commands)
    _add_export(commands)
    _add_soup(commands)
    add_mine(commands)
    add_score(commands)
    _add_evaluate(commands)
    add_correct(commands)
    add_card(commands)
    add_push(commands)
    _add_listings(commands)
    return parser


def _add_run(commands: Any) -> None:
    """Add ``hybridlib run``."""
    run = add_command(
        commands,
        "run",
        "run a study: every notebook over its grid",
        "Run a study; run it again to repeat only what is not finished.",
        " params/quickstart.yaml -p alpha 0.3 -p study my-study",
    )
    run.add_argument("params", type=Path, help="the study's parameter file")
    add_overrides(run)
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="only print the plan: runs, steps, an estimate of hours and disk, a command for each "
        "run",
    )
    run.add_argument(
        "--device",
        default="a100",
        help="whose hours --dry-run estimates: v100, a100, h100, l4, rtx4090, cpu (default a100)",
    )
    run.add_argument(
        "--only",
        metavar="RUN",
        help="only this run of the grid, without the comparison: <encoder>-<strategy>-s<seed>, or "
        "its number in the plan; or `data`: only 01 and the encoders of the hub, which need no GPU",
    )


def _add_choose(commands: Any) -> None:
    """Add ``hybridlib choose``."""
    choose = add_command(
        commands,
        "choose",
        "try the settings of a grid on validation",
        "Train every run of the grid, judge it on validation alone, and print a table. Run it "
        "again to repeat only what is not finished.",
        " params/quickstart.yaml -p grid '{learning_rate: [1e-3, 3e-3]}'",
    )
    choose.add_argument("params", type=Path, help="the parameter file; its grid holds the trials")
    add_overrides(choose)


def _add_compare(commands: Any) -> None:
    """Add ``hybridlib compare``."""
    compare = add_command(
        commands,
        "compare",
        "make the tables and figures of studies again",
        "Run 05_comparison on the finished runs of studies, and on those of their also_evaluate. "
        "Of a single study the tables are printed.",
        " outputs/reference/quickstart",
    )
    compare.add_argument(
        "params",
        type=Path,
        nargs="+",
        metavar="STUDY",
        help="a study's parameter file, or the folder of an exported study",
    )
    compare.add_argument(
        "--jobs", type=int, default=1, help="studies compared at a time (default 1)"
    )
    add_overrides(compare)


def _add_combine(commands: Any) -> None:
    """Add ``hybridlib combine``."""
    combine = add_command(
        commands,
        "combine",
        "combine the claims of several studies",
        "Combine the paper's claims over studies (random effects): tables, a figure and sentences.",
        " outputs/reference/study_x_to_m outputs/reference/study_m_to_x --out outputs/combined",
    )
    combine.add_argument(
        "studies",
        type=Path,
        nargs="+",
        metavar="STUDY",
        help="a study's parameter file, or the folder of an exported study; answer.md has values "
        "of the first",
    )
    combine.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for combined.csv, combined.md, by_study.md, answer.md, forest.png",
    )


def _add_export(commands: Any) -> None:
    """Add ``hybridlib export``."""
    export = add_command(
        commands,
        "export",
        "keep what a comparison needs of a study",
        "Copy logs, metrics and per-query results of the finished runs.",
        " params/quickstart.yaml --out outputs/reference",
    )
    export.add_argument("params", type=Path, help="the study's parameter file")
    export.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/reference"),
        help="where to, in a folder of the study's name (default outputs/reference)",
    )
    export.add_argument(
        "--choice",
        action="store_true",
        help="only the record of `hybridlib choose`: the table of trials",
    )
    add_overrides(export)


def _add_soup(commands: Any) -> None:
    """Add ``hybridlib soup``."""
    soup = add_command(
        commands,
        "soup",
        "average the weights of several trainings",
        "Write an encoder: the untrained one, moved by a share of what finished runs moved it on "
        "average.",
        " outputs/my-study/e5-hybrid-s0 outputs/my-study/e5-hybrid-s1 --share 0.5 --out soup",
    )
    soup.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN_FOLDER", help="the folder of a finished run"
    )
    soup.add_argument(
        "--share",
        type=float,
        required=True,
        help="of the mean movement; 1 takes the mean of the trained weights",
    )
    soup.add_argument(
        "--out", type=Path, required=True, help="a new folder; `encoders` of a study can name it"
    )


def _add_evaluate(commands: Any) -> None:
    """Add ``hybridlib evaluate``."""
    evaluate = add_command(
        commands,
        "evaluate",
        "evaluate one encoder, or BM25",
        "Evaluate a transformers folder or hub id, or BM25: three settings and language bias.",
        " path/to/encoder --corpus xquad-r --corpus-path path/to/xquad-r --out results",
    )
    evaluate.add_argument(
        "encoder",
        help="a transformers folder, a hub id (name or name@revision), or bm25: a search by words",
    )
    evaluate.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for metrics.json, per_query.parquet and ranks; those of an earlier "
        "evaluation, and its TREC files, are replaced",
    )
    _add_corpus_options(evaluate.add_argument_group("corpus"))
    encoder = evaluate.add_argument_group("encoder")
    add_encoder_options(encoder)
    encoder.add_argument(
        "--encode-precision",
        choices=("fp32", "bf16", "int8"),
        help="number format of encoding (default fp32); int8 is for CPUs",
    )
    encoder.add_argument(
        "--truncate-dim",
        type=int,
        nargs="+",
        metavar="WIDTH",
        help="evaluate vectors cut to so many first dimensions, too (Matryoshka encoders)",
    )
    _add_tokenizer_option(encoder)
    _add_correction_options(evaluate.add_argument_group("corrections of language bias"))
    _add_output_options(evaluate.add_argument_group("vectors and rankings"))


def _add_corpus_options(group: argparse._ArgumentGroup) -> None:
    """Add what is searched."""
    group.add_argument(
        "--corpus",
        required=True,
        help="xquad-r, mlqa-r, miracl, belebele, neuclir, mkqa, ir-datasets, folder, pairs or "
        "facts; docs/corpora.md",
    )
    group.add_argument(
        "--corpus-path",
        help="the corpus's folder or file (miracl: or its hub id); without it xquad-r and mlqa-r "
        "are downloaded",
    )
    group.add_argument("--languages", nargs="+", help="only these languages")
    group.add_argument(
        "--candidate-text",
        choices=["sentence", "context"],
        help="LAReQA candidates: the sentence (default), or with its paragraph",
    )
    group.add_argument(
        "--top-k",
        type=int,
        help="depth of the top lists and language shares, and of recall and nDCG beside 1, 10 and "
        "100 (default 10)",
    )


def _add_tokenizer_option(group: argparse._ArgumentGroup) -> None:
    """Add what makes the words of BM25."""
    group.add_argument(
        "--tokenizer",
        help="bm25: a transformers folder or hub id whose tokenizer makes the words (default: "
        "8,000 subwords learned from the candidates)",
    )


def _add_correction_options(group: argparse._ArgumentGroup) -> None:
    """Add the training-free corrections."""
    group.add_argument(
        "--corrections",
        nargs="*",
        metavar="NAME",
        help="training-free corrections to report as well: centering, lir, shift, filter, or a "
        "chain such as centering+filter; fitted on --parallel-path, with @candidates behind it on "
        "the candidates (default: none)",
    )
    group.add_argument(
        "--lir-directions", type=int, help="directions per language that lir removes (default 1)"
    )
    group.add_argument(
        "--parallel-path",
        help="parallel text to fit corrections on: a folder of aligned <lang>.txt, a table of "
        "pairs, or ntrex to download NTREX-128",
    )


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    """Add what is written beside the results."""
    group.add_argument(
        "--vectors",
        type=Path,
        help="keep the candidates' vectors in this folder, as float16 on disk, for a corpus larger "
        "than memory; a killed evaluation goes on from there",
    )
    group.add_argument(
        "--trec",
        action="store_true",
        help="also write TREC run and qrels files, one pair per setting and language (pair), to "
        "OUT/trec",
    )
    group.add_argument(
        "--trec-depth",
        type=int,
        help="candidates per query in the run files; 0 writes all (default 100)",
    )


def _add_listings(commands: Any) -> None:
    """Add ``hybridlib params`` and ``hybridlib strategies``."""
    listing = add_command(
        commands,
        "params",
        "print every parameter",
        "Print every parameter, or those that are named.",
        " alpha steps",
    )
    listing.add_argument("names", nargs="*", metavar="NAME", help="a parameter (default: all)")
    add_command(
        commands,
        "strategies",
        "print the batch strategies",
        "Print the batch strategies, one line each.",
        "",
    )
