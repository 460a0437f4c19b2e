"""The folder of a study: where each step reads and writes, and whether it is finished.

A step is finished when it has written its marker, last, holding a fingerprint of everything its result depends
on: its parameters, its input files, the code of its notebook, and the steps before it. Whoever finds a marker
with the same fingerprint need not repeat the step.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridlib import __version__
from hybridlib.batching import plugins
from hybridlib.batching.strategies import STRATEGIES
from hybridlib.config.parameters import BUILT_IN, UNTRAINED
from hybridlib.config.params import Params
from hybridlib.data import corpus
from hybridlib.errors import InputError
from hybridlib.files import check_writable, read_json, resolve, write_json
from hybridlib.study.fingerprint import _BUILT_IN_ONLY, _content_hash, _digest, _notebook_code
from hybridlib.study.manifest import _STARTED, environment

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

NOTEBOOKS = {
    "data": "01_data_prep",
    "training": "02_hybrid_training",
    "evaluation": "03_evaluation",
    "bias": "04_bias_analysis",
    "comparison": "05_comparison",
}


RUN_STEPS = ("training", "evaluation", "bias")


def run_name(params: Params) -> str:
    """``<encoder>-<strategy>-s<seed>``: the folder of a run inside its study."""
    encoder = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", Path(params.encoder.partition("@")[0]).name) or BUILT_IN
    )
    return f"{encoder}-{params.strategy}-s{params.seed}"


@dataclass(frozen=True)
class Study:
    """One study, seen from one run of its grid.

    Attributes:
        params: the study's parameters; encoder, strategy and seed say which run.
    """

    params: Params

    @property
    def folder(self) -> Path:
        return resolve(self.params.output_dir) / self.params.study

    @property
    def data(self) -> Path:
        """Written by 01: train.parquet, validation/, evaluation/, tokenizer/."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """Written by 02, 03, 04: params.yaml, model/, metrics.json, per_query.parquet, figures/, run.json."""
        return self.folder / run_name(self.params)

    @property
    def trained(self) -> Study:
        """The run whose model this one evaluates: itself, or the same run of the study ``trained_in``."""
        return (
            self
            if self.params.trained_in is None
            else Study(self.params.but(study=self.params.trained_in, trained_in=None))
        )

    @property
    def model(self) -> Path:
        """The trained encoder, a transformers folder."""
        return self.place("training") / "model"

    @property
    def comparison(self) -> Path:
        """Written by 05."""
        return self.folder / "comparison"

    def place(self, step: str) -> Path:
        """The folder that a step writes to."""
        return {"data": self.data, "training": self.trained.run, "comparison": self.comparison}.get(
            step, self.run
        )

    def figures(self, step: str) -> Path:
        """The folder of a step's figures, made if need be."""
        folder = self.place(step) / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def cells(self) -> list[Study]:
        """The runs of the grid, encoder by encoder, strategy by strategy, seed by seed.

        An encoder that was not made here is the same untrained whatever the seed: it runs with the first one alone.

        Raises:
            InputError: two encoders would share a folder.
        """
        grid = self.params
        runs = [
            Study(grid.but(encoder=e, strategy=s, seed=n))
            for e in grid.encoders
            for s in grid.strategies
            for n in (grid.seeds[:1] if s == UNTRAINED and e != BUILT_IN else grid.seeds)
        ]
        names = [run_name(run.params) for run in runs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"encoders: two of them would write to {twice[0]!r}; give their folders different names"
            )
        return runs

    # ------------------------------------------------------------------------------------------ finished or not

    def marker(self, step: str) -> Path:
        return self.place(step) / f"{NOTEBOOKS[step]}.done.json"

    def is_done(self, step: str) -> bool:
        """Whether the step's marker is there and nothing that it depends on has changed since (an exported run's inputs
        are elsewhere: its marker is taken at its word)."""
        try:
            said = read_json(self.marker(step))
        except (OSError, ValueError):
            return False
        return said.get("exported", False) or said.get("fingerprint") == self.fingerprint(step)

    def fingerprint(self, step: str) -> str:
        """A hash of all that the step's result depends on."""
        return _digest(
            {
                "version": __version__,
                "notebook": _notebook_code(NOTEBOOKS[step]),
                **self._depends_on(step),
            }
        )

    def _depends_on(self, step: str) -> dict[str, Any]:
        """Parameters, input files and earlier steps of a step."""
        chosen = self._params_of(step)
        if step == "data":
            return {
                "params": {
                    **self._params_of("train-data"),
                    **self._params_of("eval-data"),
                    **chosen,
                },
                "files": [self._input("train_corpus_path"), self._input("eval_corpus_path")],
            }
        if step == "training":
            data = {**self._params_of("data"), **self._params_of("train-data")}
            lexicon = [self._input("lexicon_path")] if "lexicon_path" in self._options() else []
            return {
                "params": chosen,
                "data": data,
                "files": [
                    self._input("train_corpus_path"),
                    self._encoder_files(),
                    *lexicon,
                    *plugins.content(self.params),
                ],
            }
        if step == "evaluation":
            data = {**self._params_of("data"), **self._params_of("eval-data")}
            return {
                "params": chosen,
                "data": data,
                "files": [self._input("eval_corpus_path")],
                "training": self.fingerprint("training"),
            }
        if step == "bias":
            return {"params": chosen, "evaluation": self.fingerprint("evaluation")}
        return {
            "params": chosen,
            "runs": {
                run_name(run.params): read_json(run.marker("bias"))["fingerprint"]
                for run in self.cells()
                if run.is_done("bias")
            },
        }

    def _params_of(self, step: str) -> dict[str, Any]:
        """The parameters that a step reads, those left out that this encoder or strategy ignores."""
        values = self.params.plain()
        names = {
            name
            for name, field in Params.model_fields.items()
            if field.json_schema_extra["step"] == step
        }
        if step == "training":
            if self.params.encoder != BUILT_IN:
                names -= _BUILT_IN_ONLY
            names -= {
                option for other in STRATEGIES.values() for option in other.options
            } - self._options()
            if self.params.strategy == UNTRAINED:
                names &= {
                    "encoder",
                    "strategy",
                    "seed",
                    "pooling",
                    "projection",
                    "query_prefix",
                    "passage_prefix",
                    "max_length",
                } | _BUILT_IN_ONLY
            if (
                self.params.projection is None
            ):  # as before there was this parameter: runs that are finished stay finished
                names.discard("projection")
        return {name: values[name] for name in sorted(names)}

    def _options(self) -> set[str]:
        return (
            set(STRATEGIES[self.params.strategy].options)
            if self.params.strategy in STRATEGIES
            else set()
        )

    def _input(self, name: str) -> str | list[str | None] | None:
        """What the file or folder that a parameter names holds; a list of them for a list."""
        path = getattr(self.params, name)
        if isinstance(path, list):
            return [None if one is None else _content_hash(resolve(one)) for one in path]
        return None if path is None else _content_hash(resolve(path))

    def _encoder_files(self) -> str | None:
        folder = resolve(self.params.encoder)
        return (
            _content_hash(folder) if self.params.encoder != BUILT_IN and folder.is_dir() else None
        )

    # ------------------------------------------------------------------------------------------- begin and finish

    def begin(self, step: str) -> Study:
        """Call first in a notebook: runs what it needs and is missing, forgets the step's old marker, notes the time.

        Raises:
            InputError: the output folder cannot be written to, or a step before this one failed.
        """
        from hybridlib.study import runner

        check_writable(self.place(step))
        runner.run_missing(self, step)
        self.marker(step).unlink(missing_ok=True)
        if step in RUN_STEPS:
            self.params.save(self.run / "params.yaml")
        _STARTED[step, str(self.place(step))] = time.time()
        return self

    def finish(self, step: str, **outputs: Any) -> dict[str, Any]:
        """Call last in a notebook: writes run.json and then the marker; returns what the marker holds."""
        seconds = time.time() - _STARTED.get((step, str(self.place(step))), time.time())
        record = {"fingerprint": self.fingerprint(step), "seconds": round(seconds, 1), **outputs}
        manifest = self.place(step) / "run.json"
        known = read_json(manifest) if manifest.exists() else {}
        steps = {**known.get("steps", {}), step: record}
        write_json(
            manifest,
            {
                "run": run_name(self.params),
                "seed": self.params.seed,
                "processes": int(os.environ.get("WORLD_SIZE", 1)),
                "inputs": self._depends_on("data"),
                **environment(),
                "steps": steps,
            },
        )
        write_json(self.marker(step), record)
        return record

    # ------------------------------------------------------------------------------------------------ what it holds

    def metrics(self) -> dict[str, Any]:
        """metrics.json of this run."""
        return read_json(self.run / "metrics.json")

    def finished_runs(self) -> list[Study]:
        """The runs of the grid whose bias step is done."""
        return [run for run in self.cells() if run.is_done("bias")]

    def missing_runs(self) -> list[str]:
        """Names of the grid's runs that are not finished."""
        return [run_name(run.params) for run in self.cells() if not run.is_done("bias")]

    def has_texts(self) -> bool:
        """Whether the evaluation corpus is there; an exported study has none."""
        return (self.data / "evaluation" / "corpus.json").exists()

    def evaluation_corpus(self) -> corpus.RetrievalCorpus:
        return corpus.RetrievalCorpus.load(self.data / "evaluation")

    def validation_corpus(self) -> corpus.RetrievalCorpus:
        return corpus.RetrievalCorpus.load(self.data / "validation")

    def starting_encoder(self, make: bool = True) -> DualEncoder:
        """The encoder before training: made here (built-in; unless another process of this run did), or loaded."""
        params = self.params
        source = params.encoder
        if source == BUILT_IN:
            from transformers import AutoTokenizer

            from hybridlib.model.built_in import make_encoder
            from hybridlib.model.loading import DEFAULT_LENGTH

            source = str(self.run / "initial")
            if make:
                shutil.rmtree(source, ignore_errors=True)
                make_encoder(
                    AutoTokenizer.from_pretrained(self.data / "tokenizer"),
                    Path(source),
                    params.seed,
                    params.hidden_size,
                    params.layers,
                    params.attention_heads,
                    params.max_length or DEFAULT_LENGTH,
                )
        elif resolve(source).is_dir():
            source = str(resolve(source))
        return load_encoder(params, source)


def load_encoder(params: Params, source: str) -> DualEncoder:
    """The encoder at ``source`` with the pooling, prefixes, length, dropout and projection of ``params``, on this process's device."""
    from hybridlib.distributed import processes
    from hybridlib.model.encoder import DualEncoder

    return DualEncoder.load(
        source,
        params.pooling,
        params.query_prefix,
        params.passage_prefix,
        params.max_length,
        params.dropout,
        params.projection,
        params.seed,
    ).to(processes().device)
