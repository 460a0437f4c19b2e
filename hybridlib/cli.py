"""The command ``hybridlib``: run a study, evaluate an encoder, list parameters and strategies."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib import __version__
from hybridlib.errors import InputError

EXAMPLES = """examples:
  hybridlib run params/quickstart.yaml
  hybridlib evaluate path/to/encoder --corpus xquad-r --corpus-path path/to/xquad-r --out results
  hybridlib params alpha steps
  hybridlib COMMAND --help"""


STUDY_EXAMPLE = "example: hybridlib run params/quickstart.yaml -p alpha 0.3 -p study my-study"


COMPARE_EXAMPLE = "example: hybridlib compare outputs/reference/quickstart"


EXPORT_EXAMPLE = "example: hybridlib export params/quickstart.yaml --out outputs/reference"


EVALUATE_EXAMPLE = "example: hybridlib evaluate path/to/encoder --corpus xquad-r --corpus-path path/to/xquad-r --out results"


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 all well, 1 a run failed, 2 bad input."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.WARNING)  # a study's log file takes more than the screen
    for noisy in ("papermill", "transformers"):
        logging.getLogger(noisy).propagate = False
        logging.getLogger(noisy).addHandler(logging.NullHandler())
    try:
        return options.command(options)
    except InputError as error:
        print(f"hybridlib: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads the output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(
        prog="hybridlib",
        description="Hybrid batch training for multilingual retrieval.",
        epilog=EXAMPLES,
        **shape,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="run a study: every notebook over its grid",
        description="Run a study; run it again to repeat only what is not finished.",
        epilog=STUDY_EXAMPLE,
        **shape,
    )
    run.add_argument("params", type=Path, help="the study's parameter file")
    run.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter, read as YAML",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="only print the plan: runs, steps, an estimate of hours and disk, a command for each run",
    )
    run.add_argument(
        "--device",
        default="a100",
        help="whose hours --dry-run estimates: v100, a100, h100, l4, rtx4090, cpu (default a100)",
    )
    run.add_argument(
        "--only",
        metavar="RUN",
        help="only this run of the grid, <encoder>-<strategy>-s<seed>, without the comparison",
    )
    run.set_defaults(command=_run)

    compare = commands.add_parser(
        "compare",
        help="make a study's tables and figures again",
        description="Run 05_comparison on the runs of a study that are finished.",
        epilog=COMPARE_EXAMPLE,
        **shape,
    )
    compare.add_argument(
        "params", type=Path, help="the study's parameter file, or the folder of an exported study"
    )
    compare.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter, read as YAML",
    )
    compare.set_defaults(command=_compare)

    export = commands.add_parser(
        "export",
        help="keep what a comparison needs of a study",
        description="Copy logs, metrics and per-query results of the finished runs.",
        epilog=EXPORT_EXAMPLE,
        **shape,
    )
    export.add_argument("params", type=Path, help="the study's parameter file")
    export.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/reference"),
        help="where to, in a folder of the study's name (default outputs/reference)",
    )
    export.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set one parameter, read as YAML",
    )
    export.set_defaults(command=_export)

    evaluate = commands.add_parser(
        "evaluate",
        help="evaluate one encoder",
        description="Evaluate a transformers folder or hub id: three settings and language bias.",
        epilog=EVALUATE_EXAMPLE,
        **shape,
    )
    evaluate.add_argument(
        "encoder", help="a transformers folder, or a hub id (name or name@revision)"
    )
    evaluate.add_argument(
        "--corpus",
        required=True,
        help="xquad-r, mlqa-r, miracl, folder, pairs or facts; docs/corpora.md",
    )
    evaluate.add_argument(
        "--corpus-path", help="the corpus's folder or file (miracl: or its hub id)"
    )
    evaluate.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for metrics.json, per_query.parquet and ranks",
    )
    evaluate.add_argument("--languages", nargs="+", help="only these languages")
    evaluate.add_argument(
        "--pooling",
        choices=["mean", "cls"],
        help="default: what the encoder's folder says, else mean",
    )
    evaluate.add_argument(
        "--query-prefix", help="default: what the encoder's folder says, else 'Query: '"
    )
    evaluate.add_argument(
        "--passage-prefix", help="default: what the encoder's folder says, else 'Passage: '"
    )
    evaluate.add_argument("--max-length", type=int, help="tokens kept of a text (default 128)")
    evaluate.add_argument(
        "--top-k",
        type=int,
        help="depth of the top lists and language shares, and of recall and nDCG beside 1, 10 and 100 (default 10)",
    )
    evaluate.add_argument(
        "--candidate-text",
        choices=["sentence", "context"],
        help="LAReQA candidates: the sentence (default), or with its paragraph",
    )
    evaluate.add_argument(
        "--corrections",
        nargs="*",
        metavar="NAME",
        help="training-free corrections to report as well: centering, lir, shift (default: none)",
    )
    evaluate.add_argument(
        "--lir-directions", type=int, help="directions per language that lir removes (default 1)"
    )
    evaluate.add_argument(
        "--parallel-path",
        help="parallel passages for shift: a folder of aligned <lang>.txt, or a table of pairs",
    )
    evaluate.add_argument(
        "--vectors",
        type=Path,
        help="keep the candidates' vectors in this folder, as float16 on disk, for a corpus larger than memory; a killed evaluation goes on from there",
    )
    evaluate.add_argument(
        "--trec",
        action="store_true",
        help="also write TREC run and qrels files, one pair per setting and language (pair), to OUT/trec",
    )
    evaluate.add_argument(
        "--trec-depth",
        type=int,
        default=100,
        help="candidates per query in the run files; 0 writes all (default 100)",
    )
    evaluate.set_defaults(command=_evaluate)

    listing = commands.add_parser(
        "params",
        help="print every parameter",
        description="Print every parameter, or those that are named.",
        epilog="example: hybridlib params alpha steps",
        **shape,
    )
    listing.add_argument("names", nargs="*", metavar="NAME", help="a parameter (default: all)")
    listing.set_defaults(command=_params)
    commands.add_parser(
        "strategies",
        help="print the batch strategies",
        description="Print the batch strategies, one line each.",
        epilog="example: hybridlib strategies",
        **shape,
    ).set_defaults(command=_strategies)
    return parser


def _run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from hybridlib.config.params import Params
    from hybridlib.config.yaml_files import parse_overrides
    from hybridlib.study.fingerprint import is_done
    from hybridlib.study.folder import NOTEBOOKS, Study
    from hybridlib.study.runner import Outcome, run_study

    params = Params.load(options.params, parse_overrides(options.p))

    if options.dry_run:
        from hybridlib.study import plan

        print(
            plan.describe(
                plan.plan(params, options.params, options.device, options.p), options.device
            )
        )
        return 0

    def report(outcome: Outcome) -> None:
        detail = f" in {outcome.seconds:.0f} s" if outcome.seconds else ""
        tqdm.write(
            f"{outcome.name}: {NOTEBOOKS[outcome.step]} {outcome.state}{detail}{': ' + outcome.reason if outcome.reason else ''}",
            file=sys.stdout,
        )

    outcomes = run_study(params, report, only=options.only)
    for study in map(Study, (params, *params.further())):
        if is_done(study, "comparison"):
            _show_tables(study.comparison)
        print(
            f"Executed notebooks and figures: {study.folder}"
            + (f" (compared in {study.comparison})" if is_done(study, "comparison") else "")
        )
    bad = [outcome for outcome in outcomes if not outcome.good]
    for outcome in bad:
        print(
            f"{outcome.state}: {outcome.name} {NOTEBOOKS[outcome.step]}: {outcome.reason}"
            + (f" (see {outcome.notebook})" if outcome.notebook else "")
        )
    return 1 if bad else 0


def _show_tables(folder: Path) -> None:
    for table in ("results.md", "intervals.md", "verdict.md"):
        print(f"\n{(folder / table).read_text(encoding='utf-8')}")


def _compare(options: argparse.Namespace) -> int:
    from hybridlib.config.params import Params
    from hybridlib.config.yaml_files import parse_overrides
    from hybridlib.files import resolve
    from hybridlib.study import export
    from hybridlib.study.fingerprint import finished_runs
    from hybridlib.study.folder import Study

    file = export.grid_of(options.params)
    moved = (
        {}
        if file == resolve(options.params)
        else {"output_dir": str(file.parent.parent), "study": file.parent.name}
    )  # an export may lie anywhere
    study = Study(Params.load(file, {**moved, **parse_overrides(options.p)}))
    folder = export.compare(study)
    _show_tables(folder)
    print(
        f"Tables and figures of {len(finished_runs(study))} of {len(study.runs())} runs: {folder}"
    )
    return 0


def _export(options: argparse.Namespace) -> int:
    from hybridlib.config.params import Params
    from hybridlib.config.yaml_files import parse_overrides
    from hybridlib.study import export
    from hybridlib.study.folder import Study

    study = Study(Params.load(options.params, parse_overrides(options.p)))
    exported = export.export(study, options.out)
    print(
        f"exported {len(exported)} of {len(study.runs())} runs to {options.out / study.params.study}"
    )
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from hybridlib.config.params import Params
    from hybridlib.data import prepare
    from hybridlib.distributed import processes, rank_and_world
    from hybridlib.evaluation import evaluate, metrics
    from hybridlib.files import check_writable
    from hybridlib.retrieval import rank, trec
    from hybridlib.study.encoders import load_encoder

    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        processes()

    given = {
        "encoder": options.encoder,
        "eval_corpus": options.corpus,
        "eval_corpus_path": _here(options.corpus_path),
        "eval_languages": options.languages,
    }
    given.update(
        {"corrections": options.corrections or [], "parallel_path": _here(options.parallel_path)}
    )
    given.update(
        {
            name: getattr(options, name)
            for name in (
                "lir_directions",
                "top_k",
                "pooling",
                "query_prefix",
                "passage_prefix",
                "max_length",
                "candidate_text",
            )
        }
    )
    params = Params.check(
        {name: value for name, value in given.items() if value is not None}, "hybridlib evaluate"
    )
    if options.vectors and params.corrections:
        raise InputError(
            "--vectors with --corrections: corrected vectors are held in memory; leave one of them out"
        )
    check_writable(options.out)
    corpus = prepare.evaluation_corpus(params)
    evaluate.check_corrections(params, corpus)
    encoder = load_encoder(params, options.encoder)
    vectors = rank.encode_corpus(encoder, corpus, params.encode_tokens, folder=options.vectors)
    ranking = rank.rank(*vectors, corpus, params.top_k, params.score_block, progress=True)
    metrics = {
        "encoder": options.encoder,
        "pooling": encoder.pooling,
        "prefixes": encoder.prefixes,
        "max_length": encoder.max_length,
        **metrics.summarise(ranking, corpus, params.top_k),
    }
    corrected = evaluate.corrected(params, encoder, corpus, *vectors)
    metrics["corrections"] = evaluate.summarise_corrected(params, corrected, corpus)
    if rank_and_world()[0] > 0:
        return 0  # its share of the encoding is done
    evaluate.write_results(options.out, metrics, ranking, corpus, corrected)
    if options.trec:
        trec.write_trec(
            options.out / "trec", corpus, *vectors, options.trec_depth or None, params.score_block
        )
    print(
        f"{corpus.name}: {len(corpus.queries):,} queries, {len(corpus.candidates):,} candidates ({corpus.candidate_text}), {len(corpus.languages)} languages"
    )
    columns = {
        "as it is": metrics.headline(metrics),
        **{name: metrics.headline(part) for name, part in metrics["corrections"].items()},
    }
    print(pd.DataFrame(columns).to_string(float_format=lambda value: f"{value:.4f}"))
    needs: dict[str, list[str]] = {}
    for figure, reason in metrics["bias"]["left_out"].items():
        needs.setdefault(reason, []).append(figure)
    for reason, figures in needs.items():
        print(f"left out: {', '.join(figures)} ({reason})")
    print(f"wrote {options.out / 'metrics.json'}")
    return 0


def _here(path: str | None) -> Path | None:
    """A path of the command line: it starts at the current folder; what is not there may be a hub id."""
    return None if path is None else Path.cwd() / path if Path(path).exists() else Path(path)


def _params(options: argparse.Namespace) -> int:
    from hybridlib.config.describe import describe
    from hybridlib.config.params import Params

    for name in options.names:
        if name not in Params.model_fields:
            Params.check({name: None}, "hybridlib params")  # says which name is nearest
    table = describe()
    shown = table[table["name"].isin(options.names)] if options.names else table
    for number, (section, rows) in enumerate(shown.groupby("section", sort=False)):
        print(f"{chr(10) if number else ''}# {section}")
        for row in rows.itertuples():
            unit, limits = (
                f" ({row.unit})" if row.unit else "",
                f", {row.range}" if row.range else "",
            )
            print(f"\n{row.name}: {row.default}\n    {row.type}{unit}{limits}")
            print(textwrap.fill(row.meaning, 110, initial_indent="    ", subsequent_indent="    "))
    return 0


def _strategies(options: argparse.Namespace) -> int:
    from hybridlib.batching.strategies import STRATEGIES
    from hybridlib.config.names import UNTRAINED

    print(f"{UNTRAINED:<14} the encoder as it is")
    for name, entry in STRATEGIES.items():
        print(f"{name:<14} {entry.meaning}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
