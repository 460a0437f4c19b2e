"""How an encoder is to be used, as its folder says it in the layout of sentence-transformers.

The layout is modules.json and the files it names. It is read as sentence-transformers 6 reads it,
or refused: docs/training.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from torch import nn

from hybridlib.errors import InputError
from hybridlib.model.layers import Truncate, UnitLength
from hybridlib.model.source import Source, one_line
from hybridlib.model.st_config import (
    MODULE_TYPES,
    TRANSFORMER_FILES,
    EncoderConfig,
    ModuleEntry,
    NormalizeConfig,
    PoolingConfig,
    TransformerConfig,
    check,
    read_config,
    read_object,
)
from hybridlib.model.st_dense import read_dense
from hybridlib.model.st_router import read_router

_USE = "config_sentence_transformers.json"

_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# Those that are supported, under their names here.
_POOLINGS = {"mean": "mean", "cls": "cls", "lasttoken": "last"}

# Of these sentence-transformers leaves the prompt out of the mean, whatever their files say.
_WITHOUT_PROMPT = (
    "hkunlp/instructor-base",
    "hkunlp/instructor-large",
    "hkunlp/instructor-xl",
)

# The prompts of a side, the first that is stated counts.
_PROMPTS = {"query": ("query",), "passage": ("document", "passage")}


@dataclass
class Layout:
    """What the files of an encoder say; None where they are silent.

    Attributes:
        pooling: ``mean``, ``cls`` or ``last``.
        prefixes: by side, ``query`` and ``passage``; none if the folder states no prompt at all.
        unclear: by side, why sentence-transformers itself has two answers for its prompt.
        max_length: tokens kept of each text.
        dense: layers behind the pooling.
        lower_case: texts are put into lower case before they are tokenised.
        subfolder: of the transformer.
        width: that the pooling expects of the transformer.
        config_changes: entries of the transformer's config.
        correction: a linear layer for each side, behind unit length.
        complete: there is a modules.json.
    """

    pooling: str | None = None
    prefixes: dict[str, str] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)
    max_length: int | None = None
    dense: nn.Sequential | None = None
    lower_case: bool = False
    subfolder: str = ""
    width: int | None = None
    config_changes: dict[str, Any] = field(default_factory=dict)
    correction: nn.ModuleDict | None = None
    complete: bool = False


def read(source: Source) -> Layout:
    """Return the layout of an encoder; an empty one if it has no modules.json.

    Raises:
        InputError: a module or a setting is unknown or not supported, or a part is missing.
    """
    file = source.file("modules.json")
    if file is None:
        _refuse_parts(source)
        return Layout()
    modules = read_modules(source, file)
    layout = Layout(complete=True)
    _read_transformer(source, modules[0].path, layout)
    _read_pooling(source, modules[1].path, layout)
    layers = _read_layers(source, modules[2:], layout)
    normalized = MODULE_TYPES[modules[-1].type] == "Normalize"
    truncate_dim = _read_use(source, normalized, layout)

    # Vectors get unit length at the end anyway.
    while layers and isinstance(layers[-1], UnitLength):
        layers.pop()
    if truncate_dim and layout.correction is not None:
        raise InputError(
            f"{source.name}: {_USE} has a truncate_dim, and modules.json a Router; vectors that "
            "are corrected as a whole are not cut: remove truncate_dim"
        )
    if truncate_dim:
        layers.append(Truncate(truncate_dim))
    if layers:
        layout.dense = nn.Sequential(*layers)
    return layout


def _refuse_parts(source: Source) -> None:
    """Refuse files of the layout without the modules.json that says how they belong together."""
    named = [source.folder / path for path in (_USE, *TRANSFORMER_FILES)]
    modules = sorted(source.folder.glob("[0-9]_*/config.json"))
    for file in (named[0], *modules, *named[1:]):
        if file.exists():
            path = file.relative_to(source.folder).as_posix()
            raise InputError(
                f"{source.name}: has a {path} but no modules.json, so it is a part of a "
                "sentence-transformers folder; fetch the whole, or delete this file to use it as "
                "a plain transformers folder"
            )


def read_modules(source: Source, file: Path) -> list[ModuleEntry]:
    """Return the entries of modules.json, in an order that is supported.

    Raises:
        InputError: a module is unknown or not supported.
    """
    content = read_object(file)
    where = f"{source.name}: modules.json"
    if not isinstance(content, list) or not content:
        raise InputError(f"{where} is not a list of modules; fetch it again")
    entries = []
    for number, record in enumerate(content):
        entry = check(record, f"{where}, entry {number}", ModuleEntry)
        if entry.type not in MODULE_TYPES:
            raise InputError(
                f"{where} names a module {entry.type!r}; supported are Transformer, Pooling, "
                "Dense, Normalize and Router of sentence_transformers"
            )
        path = PureWindowsPath(entry.path)
        if path.anchor or ".." in path.parts:
            raise InputError(f"{where}: the path {entry.path!r} leads out of the folder")
        entries.append(entry)

    kinds = [MODULE_TYPES[entry.type] for entry in entries]
    # What corrects queries and passages is fitted on unit vectors, and comes last.
    end = ["Normalize", "Router", "Normalize"]
    later = kinds[2:-3] if kinds[-3:] == end else kinds[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or not {"Dense", "Normalize"}.issuperset(later):
        raise InputError(
            f"{where} lists {', '.join(kinds)}; supported is one Transformer, one Pooling, and "
            "behind them Dense and Normalize, and at the end perhaps Normalize, Router, Normalize"
        )
    # sentence-transformers keeps one of two modules that have one name.
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise InputError(f"{where} gives one name to two modules: {', '.join(names)}")
    return entries


def _read_transformer(source: Source, path: str, layout: Layout) -> None:
    """Read the settings of the Transformer module into the layout."""
    config = None
    for name in TRANSFORMER_FILES:
        config = read_config(source, _join(path, name), TransformerConfig)
        if config and config.model_fields_set:
            break
    config = config or TransformerConfig()

    # Each of three entries may stand under its older name.
    where = f"{source.name}: {name}"
    for older, newer in (
        ("model_args", "model_kwargs"),
        ("tokenizer_args", "processor_kwargs"),
        ("config_args", "config_kwargs"),
    ):
        if {older, newer} <= config.model_fields_set:
            raise InputError(f"{where} has both {older} and {newer}, its newer name; keep one")
    # What is not read of these stands for nothing else than what is done anyway.
    changes = {**(config.config_args.model_extra or {}), **(config.config_kwargs.model_extra or {})}
    length = config.processor_kwargs.model_max_length or config.tokenizer_args.model_max_length

    layout.subfolder = path
    layout.max_length = length or config.max_seq_length
    layout.lower_case = config.do_lower_case
    layout.config_changes = changes


def _read_pooling(source: Source, path: str, layout: Layout) -> None:
    """Read the settings of the Pooling module into the layout."""
    file = _join(path, "config.json")
    config = read_config(source, file, PoolingConfig)
    if config is None or (config.embedding_dimension or config.word_embedding_dimension) is None:
        raise InputError(
            f"{source.name}: {file} is missing or has no embedding_dimension; fetch it again"
        )
    # The newer layout has one mode or a list of them, the older one a boolean for each mode.
    if "pooling_mode" not in config.model_fields_set:
        modes = [mode for key, mode in _POOLING_KEYS.items() if getattr(config, key)] or ["mean"]
    elif isinstance(config.pooling_mode, str):
        modes = [config.pooling_mode]
    else:
        modes = config.pooling_mode

    with_prompt = config.include_prompt and source.name not in _WITHOUT_PROMPT
    if len(modes) != 1 or modes[0] not in _POOLINGS or not with_prompt:
        pooling = ", ".join(modes) or "none"
        if not with_prompt:
            pooling += " without the prompt"
        raise InputError(
            f"{source.name}: {file} asks for pooling {pooling}; "
            f"supported are {', '.join(_POOLINGS)}, one of them, prompt included"
        )
    layout.pooling = _POOLINGS[modes[0]]
    layout.width = config.embedding_dimension or config.word_embedding_dimension


def _read_layers(source: Source, modules: list[ModuleEntry], layout: Layout) -> list[nn.Module]:
    """Return the layers behind the pooling; a Router goes into the layout."""
    layers: list[nn.Module] = []
    for entry in modules:
        if MODULE_TYPES[entry.type] == "Router":
            layout.correction = read_router(source, entry.path)
        elif MODULE_TYPES[entry.type] == "Dense":
            layers += read_dense(source, entry.path)
        else:
            read_config(source, _join(entry.path, "config.json"), NormalizeConfig)
            layers.append(UnitLength())
    return layers


def _read_use(source: Source, normalized: bool, layout: Layout) -> int | None:
    """Read config_sentence_transformers.json into the layout, and return its truncate_dim.

    Args:
        source: of the encoder.
        normalized: the last module gives vectors unit length.
        layout: gets the prompts.
    """
    config = read_config(source, _USE, EncoderConfig) or EncoderConfig()
    similarity = config.similarity_fn_name or "cosine"
    # Of unit vectors, the dot product is the cosine.
    is_cosine = similarity == "dot" and normalized and not config.truncate_dim
    if similarity != "cosine" and not is_cosine:
        raise InputError(
            f"{source.name}: {_USE} scores by {similarity!r}; supported are cosine, and dot "
            "behind a Normalize module. Set similarity_fn_name to 'cosine' to use it with cosines"
        )
    _check_requirements(source, config.requirements or {})
    _read_prompts(source, config, layout)
    return config.truncate_dim


def _read_prompts(source: Source, config: EncoderConfig, layout: Layout) -> None:
    """Read the prompts of queries and passages into the layout."""
    prompts = {name: prompt or "" for name, prompt in (config.prompts or {}).items()}
    default = config.default_prompt_name
    if default is not None and default not in prompts:
        raise InputError(
            f"{source.name}: default_prompt_name is {default!r}, and there is no such prompt; "
            f"there are {', '.join(prompts) or 'none'}"
        )
    if not prompts:
        return
    for side, names in _PROMPTS.items():
        stated = [prompts[name] for name in names if name in prompts]
        if stated:
            layout.prefixes[side] = stated[0]
        elif default is not None and prompts[default]:
            # Its encode takes the default prompt, its encode_query and encode_document none.
            layout.unclear[side] = f"a default prompt ({default}) and none for each {side}"
        elif side == "passage" and prompts.get("corpus"):
            # Its documentation says that encode_document takes this one, which it never does.
            layout.unclear[side] = "a prompt called corpus and none called document or passage"
        else:
            layout.prefixes[side] = ""


def _check_requirements(source: Source, requirements: dict[str, Any]) -> None:
    """Refuse an encoder that needs another version of an installed package."""
    # transformers takes about a second to import, and few encoders state requirements.
    from transformers.utils.versions import require_version

    for package, requirement in requirements.items():
        specifier = requirement.get("specifier") if isinstance(requirement, dict) else requirement
        # What the other library needs for its own reading is not needed here.
        if package.replace("_", "-") == "sentence-transformers":
            continue
        name = "torch" if package == "pytorch" else package
        try:
            require_version(f"{name}{specifier}")
        except Exception as error:  # not installed, another version, or not a specifier
            raise InputError(
                f"{source.name}: needs {name}{specifier} ({one_line(error)})"
            ) from None


def _join(path: str, file: str) -> str:
    """Return the path of a file of a module; the path of the first module is often empty."""
    return f"{path}/{file}" if path else file
