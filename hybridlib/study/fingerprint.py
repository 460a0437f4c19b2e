"""Whether a step is finished: a hash of everything that its result depends on.

A step is finished when it has written its marker, last, with its fingerprint: of its parameters,
the files that they name, the code of its notebook and of the modules that it uses, and the steps
before it. A step whose marker holds the same fingerprint need not be repeated.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hybridlib import __version__
from hybridlib.batching import plugins
from hybridlib.config.names import BUILT_IN
from hybridlib.config.params import names_of_step
from hybridlib.files import content_hash, project_root, read_json, resolve
from hybridlib.modules import code_hash
from hybridlib.study.folder import NOTEBOOKS, Study, marker_in, run_name, training_parameters

# The modules that a step enters by; what they import counts too.
_DATA = ("hybridlib.data.prepare",)
MODULES = {
    "data": (*_DATA, "hybridlib.model.built_in"),
    "training": (*_DATA, "hybridlib.model.built_in", "hybridlib.training.loop"),
    "evaluation": (*_DATA, "hybridlib.evaluation.evaluate", "hybridlib.evaluation.lexical"),
    "bias": (
        "hybridlib.evaluation.bias",
        "hybridlib.evaluation.fitting",
        "hybridlib.evaluation.scripts",
    ),
    "comparison": (
        "hybridlib.study.cautions",
        "hybridlib.study.free",
        "hybridlib.study.one_query",
        "hybridlib.study.paper",
        "hybridlib.study.power",
        "hybridlib.figures",
    ),
}


def is_done(study: Study, step: str) -> bool:
    """Return whether a step has finished and nothing that it depends on has changed since.

    The inputs of an exported run are elsewhere, so its marker counts as it is.
    """
    try:
        marker = read_json(study.marker(step))
    except (OSError, ValueError):
        return False
    return marker.get("exported", False) or marker.get("fingerprint") == fingerprint(study, step)


def finished_runs(study: Study) -> list[Study]:
    """Return the runs of the grid whose last step is done."""
    return [run for run in study.runs() if is_done(run, "bias")]


def missing_runs(study: Study) -> list[str]:
    """Return the names of the grid's runs that are not finished."""
    return [run_name(run.params) for run in study.runs() if not is_done(run, "bias")]


def fingerprint(study: Study, step: str) -> str:
    """Return a hash of all that the step's result depends on."""
    return _digest(
        {
            "version": __version__,
            "notebook": _notebook_code(NOTEBOOKS[step]),
            "modules": code_hash(MODULES[step]),
            **inputs(study, step),
        }
    )


def inputs(study: Study, step: str) -> dict[str, Any]:
    """Return the parameters, the files and the earlier steps that a step depends on."""
    params = study.params
    train_data = [*names_of_step("data"), *names_of_step("train-data")]
    eval_data = [*names_of_step("data"), *names_of_step("eval-data")]
    if step == "data":
        return _values(study, [*train_data, *names_of_step("eval-data")])
    if step == "training":
        values = _values(study, [*train_data, *training_parameters(params)])
        content = plugins.content(params.strategy, params.plugins)
        parts = {"parts": [_trained(part) for part in study.parts]} if study.parts else {}
        return {**values, "encoder": _encoder_hash(params.encoder), "plugins": content, **parts}
    if step == "evaluation":
        values = _values(study, [*eval_data, *names_of_step("evaluation")])
        return {**values, "training": fingerprint(study.trained, "training")}
    if step == "bias":
        values = _values(study, names_of_step("bias"))
        return {**values, "evaluation": fingerprint(study, "evaluation")}
    markers = {}
    for run in finished_runs(study):
        markers[run_name(run.params)] = read_json(run.marker("bias"))["fingerprint"]
    return {**_values(study, names_of_step("comparison")), "runs": markers}


def _values(study: Study, names: list[str]) -> dict[str, Any]:
    """Return the values of some parameters, and the content of the files that they name."""
    plain = study.params.plain()
    files = {}
    for name in names:
        value = getattr(study.params, name)
        paths = value if isinstance(value, list) else [value]
        if any(isinstance(path, Path) for path in paths):
            files[name] = [None if path is None else content_hash(resolve(path)) for path in paths]
    return {"params": {name: plain[name] for name in sorted(names)}, "files": files}


def _trained(run: Path) -> str | None:
    """Return the fingerprint of the finished training in a run's folder; None where none is."""
    marker = marker_in(run, "training")
    return read_json(marker).get("fingerprint") if marker.exists() else None


def _encoder_hash(encoder: str) -> str | None:
    """Return the hash of an encoder's folder; None for one that is made here or of the hub."""
    folder = resolve(encoder)
    return content_hash(folder) if encoder != BUILT_IN and folder.is_dir() else None


def _notebook_code(name: str) -> str | None:
    """Return a hash of a notebook's code cells; its prose and outputs do not count."""
    file = project_root() / "notebooks" / f"{name}.ipynb"
    if not file.exists():
        return None
    sources = []
    for cell in read_json(file)["cells"]:
        is_parameters = "parameters" in cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and not is_parameters:
            sources.append("".join(cell["source"]))
    return _digest(sources)


def _digest(value: Any) -> str:
    """Return a short hash of a value that JSON can write."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
