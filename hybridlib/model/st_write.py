"""Writing the layout of sentence-transformers, as its older versions do and every version reads."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from torch import nn

from hybridlib.files import write_json
from hybridlib.model.layers import Truncate, UnitLength
from hybridlib.model.st_dense import write_dense
from hybridlib.model.st_format import Layout
from hybridlib.model.st_router import write_router


def write(folder: Path, layout: Layout, hidden_size: int) -> None:
    """Write modules.json and the files it names into a transformers folder.

    Args:
        folder: has the weights and the tokenizer already.
        layout: what is written.
        hidden_size: width of the vectors before the dense layers.
    """
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    truncation = {}
    for layer in layout.dense or ():
        if isinstance(layer, Truncate):
            truncation["truncate_dim"] = layer.size
        elif isinstance(layer, nn.Linear | UnitLength):
            kind = "Dense" if isinstance(layer, nn.Linear) else "Normalize"
            modules.append((f"{len(modules)}_{kind}", kind))
    modules.append((f"{len(modules)}_Normalize", "Normalize"))
    if layout.correction is not None:
        modules.append((f"{len(modules)}_Router", "Router"))
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    _write_modules(folder, modules)
    if layout.correction is not None:
        write_router(folder / modules[-2][0], layout.correction)

    length = {"max_seq_length": layout.max_length, "do_lower_case": layout.lower_case}
    write_json(folder / "sentence_bert_config.json", length)
    pooling: dict[str, Any] = {
        "word_embedding_dimension": hidden_size,
        "pooling_mode_mean_tokens": layout.pooling == "mean",
        "pooling_mode_cls_token": layout.pooling == "cls",
        "pooling_mode_lasttoken": layout.pooling == "last",
    }
    write_json(folder / "1_Pooling" / "config.json", pooling)
    # What is a passage here is a document to encode_document of sentence-transformers.
    prompts = layout.prefixes | {"document": layout.prefixes["passage"]}
    use = {"prompts": prompts, "similarity_fn_name": "cosine", **truncation}
    write_json(folder / "config_sentence_transformers.json", use)
    paths = [path for path, kind in modules if kind == "Dense"]
    for path, (linear, activation) in zip(paths, _linear_and_activation(layout.dense)):
        write_dense(folder / path, linear, activation)


def _write_modules(folder: Path, modules: list[tuple[str, str]]) -> None:
    """Write modules.json and the folders of the modules, given as (path, kind)."""
    entries = []
    for number, (path, kind) in enumerate(modules):
        (folder / path).mkdir(exist_ok=True)
        module_type = f"sentence_transformers.models.{kind}"
        entries.append({"idx": number, "name": str(number), "path": path, "type": module_type})
    write_json(folder / "modules.json", entries)


def _linear_and_activation(dense: nn.Sequential | None) -> list[tuple[nn.Linear, nn.Module]]:
    """Return each linear layer with the activation that follows it."""
    pairs = []
    for layer, following in itertools.pairwise(dense or ()):
        if isinstance(layer, nn.Linear):
            pairs.append((layer, following))
    return pairs
