"""The JSON files of the sentence-transformers layout: which keys are read, and their values.

An unknown key or value is an error, because it may change the vectors. ``None`` as a type means
that the key may stand there and must be null.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hybridlib.errors import InputError
from hybridlib.model.source import Source, one_line, refuse_pointer

# sentence-transformers reads the first of these that is there and not empty.
TRANSFORMER_FILES = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)

# Every name under which sentence-transformers 6 knows a module. A class of another package may
# end in the same word.
_IN_BASE = ("Transformer", "Dense", "Normalize", "Router")
_KINDS = (*_IN_BASE, "Pooling")
_MODULES = {
    "sentence_transformers.models.{0}": _KINDS,
    "sentence_transformers.models.{0}.{0}": _KINDS,
    "sentence_transformers.base.modules.{0}": _IN_BASE,
    "sentence_transformers.base.modules.{1}.{0}": _IN_BASE,
    "sentence_transformers.sentence_transformer.modules.{0}": _KINDS,
    "sentence_transformers.sentence_transformer.modules.{1}.{0}": ("Pooling", "Normalize"),
}
MODULE_TYPES = {
    pattern.format(kind, kind.lower()): kind
    for pattern, kinds in _MODULES.items()
    for kind in kinds
}

Positive = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """A JSON object with known keys only, and no conversion of values."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


Config = TypeVar("Config", bound=Strict)


class ModuleEntry(Strict):
    """An entry of modules.json; ``idx`` is not used, the order of the list counts."""

    idx: int | None = None
    name: Annotated[str, Field(pattern=r"^[^.]+$")]  # of a module of torch
    path: str
    type: str
    kwargs: Annotated[list[str], Field(max_length=0)] = []


class ModelArguments(Strict):
    """What the weights are loaded with; nothing else than what is done anyway."""

    torch_dtype: Literal["auto", "float32"] | None = None
    dtype: Literal["auto", "float32"] | None = None
    attn_implementation: Literal["eager", "sdpa"] | None = None
    add_pooling_layer: bool | None = None
    use_safetensors: bool | None = None
    trust_remote_code: bool | None = None  # is never followed


class TokenizerArguments(Strict):
    """What the tokenizer is loaded with."""

    model_max_length: Positive | None = None
    trust_remote_code: bool | None = None  # is never followed


class ConfigArguments(BaseModel):
    """Entries of the config that are changed; which there are depends on the family."""

    model_config = ConfigDict(extra="allow", strict=True)

    torch_dtype: Literal["auto", "float32"] | None = None
    dtype: Literal["auto", "float32"] | None = None
    trust_remote_code: bool | None = None  # is never followed


class Output(Strict):
    """The method of the transformer that is called, and which of its outputs is used."""

    method: Literal["forward"]
    method_output_name: (
        Literal["last_hidden_state"]
        | Annotated[list[Literal["last_hidden_state"]], Field(min_length=1, max_length=1)]
    )


class Modalities(Strict):
    """The kinds of input."""

    text: Output


class TransformerConfig(Strict):
    """sentence_bert_config.json, or one of its older names."""

    max_seq_length: Positive | None = None
    do_lower_case: bool = False
    transformer_task: Literal["feature-extraction"] = "feature-extraction"
    modality_config: Modalities | None = None
    module_output_name: Literal["token_embeddings"] = "token_embeddings"
    processing_kwargs: Annotated[dict[str, Any], Field(max_length=0)] = {}
    unpad_inputs: bool | None = None
    query_length: None = None
    document_length: None = None
    query_expansion: None = None
    tokenizer_name_or_path: None = None
    model_kwargs: ModelArguments = ModelArguments()
    model_args: ModelArguments = ModelArguments()
    processor_kwargs: TokenizerArguments = TokenizerArguments()
    tokenizer_args: TokenizerArguments = TokenizerArguments()
    config_kwargs: ConfigArguments = ConfigArguments()
    config_args: ConfigArguments = ConfigArguments()


class PoolingConfig(Strict):
    """config.json of a Pooling module: one mode or a list, or in older files a key for each."""

    embedding_dimension: Positive | None = None
    word_embedding_dimension: Positive | None = None
    pooling_mode: str | list[str] = []
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False
    include_prompt: bool = True


class DenseConfig(Strict):
    """config.json of a Dense module."""

    in_features: Positive
    out_features: Positive
    bias: bool = True
    activation_function: str = "torch.nn.modules.activation.Tanh"
    module_input_name: Literal["sentence_embedding"] = "sentence_embedding"
    module_output_name: Literal["sentence_embedding"] | None = None
    use_residual: Literal[False] = False


class NormalizeConfig(Strict):
    """config.json of a Normalize module; older ones have none."""

    module_input_name: Literal["sentence_embedding"] = "sentence_embedding"
    module_output_name: Literal["sentence_embedding"] | None = None


class RouterParameters(Strict):
    """How a Router chooses; with a task, as in encode_query, the default route has no effect."""

    default_route: Literal["query", "document"] | None = None
    allow_empty_key: bool = True
    route_mappings: Annotated[dict[str, str], Field(max_length=0)] = {}


OneModule = Annotated[
    list[Annotated[str, Field(pattern=r"^\w+$")]], Field(min_length=1, max_length=1)
]


class RouterConfig(Strict):
    """router_config.json: the modules of each route, and the type of each module."""

    types: dict[str, str]
    structure: dict[str, OneModule]
    parameters: RouterParameters = RouterParameters()


class EncoderConfig(Strict):
    """config_sentence_transformers.json."""

    versions: dict[str, Any] = Field(default={}, alias="__version__")
    model_type: Literal["SentenceTransformer"] = "SentenceTransformer"
    prompts: dict[str, str | None] | None = None
    default_prompt_name: str | None = None
    similarity_fn_name: Literal["cosine", "dot", "euclidean", "manhattan"] | None = None
    truncate_dim: Positive | None = None
    requirements: dict[str, Any] | None = None


def read_config(source: Source, path: str, kind: type[Config]) -> Config | None:
    """Return a checked JSON file of an encoder, or None if there is none.

    Raises:
        InputError: names the file and the first key that is unknown or not supported.
    """
    file = source.file(path)
    if file is None:
        return None
    return check(read_object(file), f"{source.name}: {path}", kind)


def check(content: Any, where: str, kind: type[Config]) -> Config:
    """Return the content of a JSON file, checked.

    Raises:
        InputError: begins with ``where`` and names the first key that is at fault.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_fault(error, kind)}") from None


def _fault(error: ValidationError, kind: type[Strict]) -> str:
    """Return what is wrong with a JSON file, from the first of pydantic's errors."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in kind.model_fields.items()]
        return f"the key {key!r} is not known; known are {', '.join(known)}"
    if fault["type"] == "missing":
        return f"the key {key!r} is missing"
    message = fault["msg"].replace("Input should be", "it must be")
    value = one_line(repr(fault["input"]))
    return f"{key or 'content'} {value} is not supported; {message}"


def read_object(file: Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        InputError: the file is not JSON, or a key stands twice in it.
    """
    refuse_pointer(file)
    try:
        return json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_unique_keys)
    except ValueError as error:
        raise InputError(f"{file}: is not read as JSON ({error}); fetch it again") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; a key that stands twice is an error."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands twice")
        content[key] = value
    return content
