"""The folder of a study: where each step reads and writes, and the runs of its grid."""

from __future__ import annotations

import itertools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hybridlib.batching import plugins
from hybridlib.batching.strategies import STRATEGIES, check_strategies
from hybridlib.config.names import BM25, BUILT_IN, NO_BATCHES, RUN_VECTORS, SOUP, UNTRAINED
from hybridlib.config.params import Params, names_of_step
from hybridlib.config.systems import seeds_of_soup
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.files import check_writable, read_json, resolve

NOTEBOOKS = {
    "data": "01_data_prep",
    "training": "02_hybrid_training",
    "evaluation": "03_evaluation",
    "bias": "04_bias_analysis",
    "comparison": "05_comparison",
}
RUN_STEPS = ("training", "evaluation", "bias")
GRID_FILE = "study.yaml"  # the parameters of an exported study, in its folder

# What the encoder is before it is trained: all that an untrained run reads of the training.
_BUILT_IN_ONLY = {"hidden_size", "layers", "attention_heads"}
_ENCODER_OPTIONS = {
    "encoder",
    "strategy",
    "seed",
    "pooling",
    "projection",
    "query_prefix",
    "passage_prefix",
    "max_length",
    "encode_precision",
    *_BUILT_IN_ONLY,
}
# What a soup alone reads.
_SOUP_OPTIONS = {"soup_of", "soup_seeds", "soup_share"}
# All that BM25 reads of training and evaluation.
_BM25_OPTIONS = {"encoder", "strategy", "seed", "top_k", "score_block"}


@dataclass(frozen=True)
class Study:
    """One study, seen from one run of its grid.

    Attributes:
        params: the study's parameters; encoder, strategy, seed and the parameters of the grid say
            which run.
    """

    params: Params

    @classmethod
    def open(cls, params: Params) -> Study:
        """Load the plugins of a study and check the names of its strategies.

        Raises:
            InputError: a plugin fails, or no strategy has one of the names.
        """
        plugins.load(params.plugins)
        named = [entry["strategy"] for entry in params.systems] or params.strategies
        check_strategies([params.strategy, *named])
        return cls(params)

    @classmethod
    def open_to_compare(cls, params: Params) -> Study:
        """Open a study of which finished runs alone are used.

        An exported study is taken as it is: its strategies ran elsewhere, and may be plugins or
        names of an earlier version.

        Raises:
            InputError: as :meth:`open`, of a study that is not exported.
        """
        study = cls(params)
        return study if (study.folder / GRID_FILE).exists() else cls.open(params)

    @classmethod
    def open_run(cls, folder: Path) -> Study:
        """Open a run with a model by the run's folder, wherever its study lies.

        Raises:
            InputError: it is no folder of a run, or the run has no model.
        """
        folder = folder.resolve()
        file = folder / "params.yaml"
        if not file.is_file():
            raise InputError(
                f"{folder}: no params.yaml; give the folder of a run, inside its study's"
            )
        place = {"output_dir": str(folder.parent.parent), "study": folder.parent.name}
        study = cls(Params.load(file, place))
        is_finished = study.marker("training").is_file() and study.model.is_dir()
        if study.run != folder or not is_finished:
            raise InputError(f"{folder}: has no finished training; finish the run first")
        return study

    # --------------------------------------------------------------------------------------- paths

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return resolve(self.params.output_dir) / self.params.study

    @property
    def data(self) -> Path:
        """Written by 01: train.parquet, validation/, evaluation/, tokenizer/."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """Written by 02 to 04: params.yaml, model/, metrics.json, per_query.parquet, run.json."""
        return self.folder / run_name(self.params)

    @property
    def model(self) -> Path:
        """The trained encoder, a transformers folder."""
        return self.folder_of("training") / "model"

    @property
    def parts(self) -> list[Path]:
        """The folders of the runs that a soup is made of; none of any other run."""
        params = self.trained.params
        seeds = seeds_of_soup(params.seed, params.soup_seeds)
        return [
            self.trained.folder / run_name(params.but(system=name, seed=seed))
            for name, seed in itertools.product(params.soup_of, seeds)
        ]

    @property
    def vectors(self) -> Path | None:
        """The store of the candidates' vectors, written by 03; None if they are in memory."""
        return self.run / RUN_VECTORS if self.params.vectors == "disk" else None

    @property
    def comparison(self) -> Path:
        """Written by 05."""
        return self.folder / "comparison"

    @property
    def trained(self) -> Study:
        """The run whose model this one evaluates: itself, or the same run of ``trained_in``."""
        if self.params.trained_in is None:
            return self
        return Study(self.params.but(study=self.params.trained_in, trained_in=None))

    def folder_of(self, step: str) -> Path:
        """Return the folder that a step writes to."""
        if step == "training":
            return self.trained.run
        return {"data": self.data, "comparison": self.comparison}.get(step, self.run)

    def check_writable(self, step: str) -> None:
        """Refuse to run a step where that is not possible, or would replace what is kept.

        Raises:
            InputError: the step's folder cannot be written to, or the study is an exported one.
        """
        if step != "comparison" and self._has_exported_runs():
            raise InputError(
                f"{self.folder}: an exported study, to be compared; to run it again, choose "
                "another folder, for example -p output_dir outputs"
            )
        check_writable(self.folder_of(step))

    def _has_exported_runs(self) -> bool:
        """Return whether a run of the folder is the copy that an export keeps."""
        markers = self.folder.glob(f"*/{NOTEBOOKS['bias']}.done.json")
        return any('"exported": true' in marker.read_text(encoding="utf-8") for marker in markers)

    def marker(self, step: str) -> Path:
        """Return the file that a step writes last."""
        return marker_in(self.folder_of(step), step)

    def unmark(self, step: str) -> None:
        """Take back that a step is finished, and with it every step that reads its results.

        These are the later steps of the run, the comparison, and what ``also_evaluate`` makes of
        the same model. 01 gives the same data again, so the runs that were made from them stay.
        """
        later = RUN_STEPS[RUN_STEPS.index(step) :] if step in RUN_STEPS else [step]
        studies = [self]
        if step == "training":
            studies = [self.trained, *self._evaluated_elsewhere(), self]
        for study in studies:
            for each in [*later, "comparison"]:
                study.marker(each).unlink(missing_ok=True)

    def remove_drawn(self, step: str) -> None:
        """Remove a step's figures, and the tables of 05: the next need not have the same names."""
        shutil.rmtree(self._figures(step), ignore_errors=True)
        if step == "comparison":
            for kind in ("csv", "md", "tex"):
                for table in self.comparison.glob(f"*.{kind}"):
                    table.unlink()

    def _evaluated_elsewhere(self) -> list[Study]:
        """Return the same run in each study of ``also_evaluate``."""
        return [Study(params) for params in self.trained.params.further()]

    def figures(self, step: str) -> Path:
        """Return the folder of a step's figures, made if need be."""
        folder = self._figures(step)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _figures(self, step: str) -> Path:
        """Return the folder of a step's figures; the steps of a run have one each."""
        folder = self.folder_of(step) / "figures"
        return folder / NOTEBOOKS[step] if step in RUN_STEPS else folder

    # ---------------------------------------------------------------------------------------- runs

    def runs(self) -> list[Study]:
        """Return the runs of the grid: by encoder, strategy, parameters of the grid, and seed.

        Where the study has ``systems``, these take the place of strategies and parameters. A
        parameter of the grid varies only the strategies that read it. An encoder that was not
        made here is the same untrained whatever the seed, and so is BM25: they run with the first
        one alone.

        Raises:
            InputError: two encoders would share a folder.
        """
        grid = self.params
        runs = []
        for encoder, cell in itertools.product(grid.encoders, self._cells()):
            settings = {"encoder": encoder, **cell}
            seeds = settings.pop("seeds", grid.seeds)
            if is_fixed(cell["strategy"], encoder):
                seeds = seeds[:1]
            runs += [Study(grid.but(**settings, seed=seed)) for seed in seeds]
        names = [run_name(run.params) for run in runs]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"encoders: two of them would write to {name!r}; give their folders "
                    "different names"
                )
        return runs

    def run_called(self, name: str) -> Study:
        """Return a run of the grid by its name, or by its number from 1 in the order of the grid.

        Raises:
            InputError: the grid has no such run.
        """
        runs = self.runs()
        names = [run_name(run.params) for run in runs]
        if name in names:
            return runs[names.index(name)]
        if re.fullmatch("[0-9]+", name) and 1 <= int(name) <= len(runs):
            return runs[int(name) - 1]
        raise InputError(
            f"no run of {self.params.study} is called {name!r}; there are {', '.join(names)}, or "
            f"numbers from 1 to {len(runs)}"
        )

    def _cells(self) -> list[dict[str, Any]]:
        """Return what is run with each encoder and seed, as changes of the study's parameters."""
        cells = []
        for entry in self.params.systems:
            cell = {name: value for name, value in entry.items() if name != "name"}
            cells.append({**cell, "system": entry["name"]})
        if cells:
            return cells
        for strategy in self.params.strategies:
            values = []
            for name, choices in self.params.grid.items():
                default = Params.model_fields[name].default
                values.append(choices if reads(strategy, name) else [default])
            for choice in itertools.product(*values):
                cell = dict(zip(self.params.grid, choice, strict=True))
                cells.append({"strategy": strategy, **cell})
        return cells

    # -------------------------------------------------------------------------------- what it holds

    def metrics(self) -> dict[str, Any]:
        """Read metrics.json of this run."""
        return read_json(self.run / "metrics.json")

    def training_pairs(self) -> pd.DataFrame:
        """Read the training pairs of the study."""
        return pd.read_parquet(self.data / "train.parquet")

    def has_texts(self) -> bool:
        """Return whether the evaluation corpus is there; an exported study has none."""
        return (self.data / "evaluation" / "corpus.json").exists()

    def evaluation_corpus(self) -> RetrievalCorpus:
        """Read the corpus that the study evaluates on."""
        return RetrievalCorpus.load(self.data / "evaluation")

    def validation_corpus(self) -> RetrievalCorpus:
        """Read the corpus that the study validates on."""
        return RetrievalCorpus.load(self.data / "validation")


def marker_in(folder: Path, step: str) -> Path:
    """Return the file that a step writes last, in the step's folder."""
    return folder / f"{NOTEBOOKS[step]}.done.json"


def label(params: Params) -> str:
    """Return what a run is called beside others: its strategy, and what the grid changes of it.

    A run of ``systems`` has the name of its entry.

    Example:
        >>> label(Params(strategy="hybrid", grid={"alpha": [0.25, 0.5]}, alpha=0.25))
        'hybrid-alpha-0.25'
    """
    if params.system is not None:
        return params.system
    parts = [params.strategy]
    for name, value in varied(params).items():
        parts += [name, re.sub(r"[^A-Za-z0-9._-]+", "-", str(value))]
    return "-".join(parts)


def varied(params: Params) -> dict[str, Any]:
    """Return the parameters of the grid that the run reads and that differ from their default."""
    values = {}
    for name in params.grid:
        value = getattr(params, name)
        if value != Params.model_fields[name].default and reads(params.strategy, name):
            values[name] = value
    return values


def run_name(params: Params) -> str:
    """Return ``<encoder>-<label>-s<seed>``: the folder of a run inside its study."""
    # `name@revision` is an id of the hub; an `@` in a path is part of it.
    source = params.encoder
    is_path = source.startswith((".", "/", "~")) or source.count("/") > 1
    name = Path(source if is_path else source.partition("@")[0]).name
    encoder = re.sub(r"[^A-Za-z0-9._-]+", "-", name) or BUILT_IN
    return f"{encoder}-{label(params)}-s{params.seed}"


def is_fixed(strategy: str, encoder: str) -> bool:
    """Return whether a run is the same whatever its seed."""
    return strategy == BM25 or (strategy == UNTRAINED and encoder != BUILT_IN)


def reads(strategy: str, name: str) -> bool:
    """Return whether a strategy's run depends on a parameter of training or evaluation."""
    if strategy == BM25:
        return name in _BM25_OPTIONS
    if name in _SOUP_OPTIONS:
        return strategy == SOUP
    if strategy in NO_BATCHES and name in names_of_step("training"):
        return name in _ENCODER_OPTIONS
    # What a built-in strategy names as its option is read by those that name it alone.
    special = {
        option for entry in STRATEGIES.values() if entry.built_in for option in entry.options
    }
    if name in special and strategy in STRATEGIES:
        return name in STRATEGIES[strategy].options
    return True


def training_parameters(params: Params) -> list[str]:
    """Return the parameters that the training of this run depends on, sorted."""
    names = {name for name in names_of_step("training") if reads(params.strategy, name)}
    if params.encoder != BUILT_IN:
        names -= _BUILT_IN_ONLY
    return sorted(names)
