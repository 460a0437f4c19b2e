"""Layouts that sentence-transformers reads and this package does not: one error that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from st_folders import (
    DENSE,
    POOLING,
    TRANSFORMER,
    USE,
    WIDTH,
    both,
    dense,
    holds,
    modules,
    moves,
    read,
    removes,
    replaces,
    sets,
    write,
)

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

OF_ANOTHER = "my_package.layers.{0}"
MESSAGES = {"message": {"method": "forward", "method_output_name": "last_hidden_state"}}
MASKED = {"text": {"method": "forward", "method_output_name": "logits"}}
SHUFFLED = (
    ("Transformer",),
    ("Transformer", "Dense"),
    ("Pooling", "Transformer"),
    ("Transformer", "Transformer", "Pooling"),
    ("Transformer", "Dense", "Pooling"),
    ("Transformer", "Normalize", "Pooling"),
    ("Transformer", "Pooling", "Pooling"),
    ("Pooling",),
)

UNKNOWN_KEY = r"the key 'surprise' is not known; known are "

REFUSED = {
    # Keys that are not known, in each file.
    "key of a module": (
        lambda folder: write(
            folder / "modules.json", [m | {"surprise": 1} for m in read(folder / "modules.json")]
        ),
        rf"modules.json, entry 0: {UNKNOWN_KEY}",
    ),
    "key of the transformer": (sets(TRANSFORMER, surprise=1), rf"{TRANSFORMER}: {UNKNOWN_KEY}"),
    "key of the pooling": (sets(POOLING, surprise=1), rf"{POOLING}: {UNKNOWN_KEY}"),
    "unknown older pooling": (
        sets(POOLING, pooling_mode_median_tokens=True),
        "the key 'pooling_mode_median_tokens' is not known",
    ),
    "key of a dense layer": (sets(DENSE, surprise=1), rf"{DENSE}: {UNKNOWN_KEY}"),
    "key of normalize": (
        replaces("3_Normalize/config.json", {"surprise": 1}),
        rf"3_Normalize/config.json: {UNKNOWN_KEY}",
    ),
    "key of the use": (sets(USE, surprise=1), rf"{USE}: {UNKNOWN_KEY}"),
    # Modules.
    **{
        " ".join(kinds): (modules(*kinds), rf"lists {', '.join(kinds)}; supported is one")
        for kinds in SHUFFLED
    },
    "classes of another package": (
        modules("Transformer", "Pooling", types=OF_ANOTHER),
        r"names a module 'my_package.layers.Transformer'",
    ),
    "a module of the folder's own": (
        modules("Transformer", "Pooling", types="modeling_mine.{0}"),
        r"names a module 'modeling_mine.Transformer'",
    ),
    "a file of another package": (
        modules("Transformer", "Pooling", types="sentence_transformers.mine.{0}"),
        r"names a module 'sentence_transformers.mine.Transformer'",
    ),
    "a router first": (modules("Router", "Pooling"), "lists Router, Pooling; supported is one"),
    "arguments of a module": (
        lambda folder: write(
            folder / "modules.json",
            [m | {"kwargs": ["task"]} for m in read(folder / "modules.json")],
        ),
        r"entry 0: kwargs \['task'\] is not supported",
    ),
    "two modules of one name": (
        lambda folder: write(
            folder / "modules.json", [m | {"name": "0"} for m in read(folder / "modules.json")]
        ),
        "gives one name to two modules: 0, 0, 0, 0",
    ),
    "a module's name that torch does not take": (
        replaces(
            "modules.json",
            [{"idx": 0, "name": "a.0", "path": "", "type": "sentence_transformers.models.Pooling"}],
        ),
        "name 'a.0' is not supported",
    ),
    "a path out of the folder": (
        lambda folder: write(
            folder / "modules.json",
            [m | {"path": "../" + m["path"]} for m in read(folder / "modules.json")],
        ),
        r"the path '../' leads out of the folder",
    ),
    # The transformer.
    "another task": (sets(TRANSFORMER, transformer_task="fill-mask"), "'fill-mask' is not"),
    "messages": (sets(TRANSFORMER, modality_config=MESSAGES), "modality_config"),
    "another output": (sets(TRANSFORMER, modality_config=MASKED), "'logits' is not supported"),
    "vectors of the transformer's own": (
        sets(TRANSFORMER, module_output_name="sentence_embedding"),
        "module_output_name 'sentence_embedding' is not supported",
    ),
    "processing": (
        sets(TRANSFORMER, processing_kwargs={"text": {"max_length": 8}}),
        "processing_kwargs .* is not supported",
    ),
    "length of queries": (sets(TRANSFORMER, query_length=8), "query_length 8 is not supported"),
    "length of passages": (sets(TRANSFORMER, document_length=8), "document_length 8 is not"),
    "query expansion": (
        sets(TRANSFORMER, query_expansion={"strategy": "fixed", "length": 32}),
        "query_expansion .* is not supported",
    ),
    "another tokenizer": (
        sets(TRANSFORMER, tokenizer_name_or_path="bert-base-uncased"),
        "tokenizer_name_or_path 'bert-base-uncased' is not supported",
    ),
    "half precision": (
        sets(TRANSFORMER, model_args={"torch_dtype": "float16"}),
        "'float16' is not",
    ),
    "a model argument": (
        sets(TRANSFORMER, model_kwargs={"variant": "fp16"}),
        "the key 'model_kwargs.variant' is not known",
    ),
    "a tokenizer argument": (
        sets(TRANSFORMER, tokenizer_args={"do_lower_case": True}),
        "the key 'tokenizer_args.do_lower_case' is not known",
    ),
    "a processor argument": (
        sets(TRANSFORMER, processor_kwargs={"padding_side": "left"}),
        "the key 'processor_kwargs.padding_side' is not known",
    ),
    "a config argument that the config has not": (
        sets(TRANSFORMER, config_args={"surprise": 1}),
        "the config of bert has no surprise",
    ),
    "a config argument that the weights do not fit": (
        sets(TRANSFORMER, config_args={"num_hidden_layers": 1}),
        "without a use are encoder.layer.1",
    ),
    "half precision by a config argument": (
        sets(TRANSFORMER, config_kwargs={"dtype": "bfloat16"}),
        "config_kwargs.dtype 'bfloat16' is not supported",
    ),
    "arguments under both names": (
        sets(TRANSFORMER, model_args={}, model_kwargs={}),
        "both model_args and model_kwargs",
    ),
    # The pooling.
    "several poolings": (
        sets(POOLING, pooling_mode=["cls", "mean"]),
        "asks for pooling cls, mean; supported are mean, cls, lasttoken, one of them",
    ),
    "several older poolings": (
        sets(POOLING, pooling_mode_cls_token=True),
        "asks for pooling cls, mean; supported",
    ),
    "no pooling but its key": (sets(POOLING, pooling_mode=None), "pooling_mode.* None is not"),
    "weighted mean": (
        sets(POOLING, "pooling_mode_mean_tokens", pooling_mode_weightedmean_tokens=True),
        "asks for pooling weightedmean",
    ),
    "pooling without the prompt": (sets(POOLING, include_prompt=False), "without the prompt"),
    # Dense layers.
    "dense on tokens": (
        sets(DENSE, module_input_name="token_embeddings"),
        "module_input_name 'token_embeddings' is not supported",
    ),
    "dense to another name": (
        sets(DENSE, module_output_name="projected"),
        "module_output_name 'projected' is not supported",
    ),
    "residual": (sets(DENSE, use_residual=True), "use_residual True is not supported"),
    "activation of another package": (
        sets(DENSE, activation_function="my_package.Tanh"),
        "has the activation 'my_package.Tanh'",
    ),
    "activation that is null": (sets(DENSE, activation_function=None), "activation_function None"),
    "normalize of tokens": (
        replaces("3_Normalize/config.json", {"module_input_name": "token_embeddings"}),
        "module_input_name 'token_embeddings' is not supported",
    ),
    # The use.
    "dot products": (
        both(modules("Transformer", "Pooling"), sets(USE, similarity_fn_name="dot")),
        "scores by 'dot'; supported are cosine",
    ),
    "dot products of truncated vectors": (
        sets(USE, similarity_fn_name="dot", truncate_dim=7),
        "scores by 'dot'",
    ),
    "distances": (sets(USE, similarity_fn_name="euclidean"), "scores by 'euclidean'"),
    "another score": (sets(USE, similarity_fn_name="maxsim"), "similarity_fn_name 'maxsim' is not"),
    "a cross-encoder": (sets(USE, model_type="CrossEncoder"), "model_type 'CrossEncoder' is not"),
    "a sparse encoder": (sets(USE, model_type="SparseEncoder"), "model_type 'SparseEncoder' is"),
    "truncated to nothing": (sets(USE, truncate_dim=0), "truncate_dim 0 is not supported"),
    "truncated from behind": (sets(USE, truncate_dim=-3), "truncate_dim -3 is not supported"),
    "a prompt that is no text": (sets(USE, prompts={"query": 1}), "prompts.query 1 is not"),
    "an unknown default prompt": (
        sets(USE, default_prompt_name="sts"),
        "default_prompt_name is 'sts', and there is no such prompt; there are query, passage",
    ),
    "a default prompt for queries": (
        sets(USE, prompts={"document": "say: ", "sts": "compare: "}, default_prompt_name="sts"),
        r"has a default prompt \(sts\) and none for each query; set query_prefix",
    ),
    "a default prompt for passages": (
        sets(USE, prompts={"query": "ask: "}, default_prompt_name="query"),
        r"has a default prompt \(query\) and none for each passage; set passage_prefix",
    ),
    "a prompt called corpus": (
        sets(USE, prompts={"query": "ask: ", "corpus": "say: "}),
        "has a prompt called corpus and none called document or passage; set passage_prefix",
    ),
    "a requirement that is not met": (
        sets(USE, requirements={"transformers": ">=99"}),
        r"needs transformers>=99",
    ),
    "an adapter": (holds("adapter_config.json", "{}"), r"has an adapter \(adapter_config.json\)"),
    # Parts without the whole.
    "no modules.json": (removes("modules.json"), f"has a {USE} but no modules.json"),
    "no modules.json and no prompts": (
        both(removes("modules.json"), removes(USE)),
        f"has a {POOLING} but no modules.json",
    ),
    "no modules.json but a dense layer": (
        both(removes("modules.json"), removes(USE), removes("1_Pooling"), removes(TRANSFORMER)),
        f"has a {DENSE} but no modules.json",
    ),
    "no modules.json but an older length": (
        both(
            removes("modules.json"),
            removes(USE),
            removes("1_Pooling"),
            removes("2_Dense"),
            moves(TRANSFORMER, "sentence_roberta_config.json"),
        ),
        "has a sentence_roberta_config.json but no modules.json",
    ),
    "no pooling": (removes("1_Pooling"), rf"{POOLING} is missing"),
    "no width of the pooling": (sets(POOLING, "word_embedding_dimension"), "has no embedding_dim"),
    "a pooling of another width": (
        sets(POOLING, word_embedding_dimension=WIDTH + 1),
        "vectors of 32 numbers, and the pooling expects 33",
    ),
    "no dense layer": (removes("2_Dense"), "2_Dense has no config.json"),
    "no weights of the dense layer": (
        removes("2_Dense/model.safetensors"),
        "2_Dense has no model.safetensors; pickled weights are not loaded",
    ),
    "a dense layer of another width": (
        dense("2_Dense", 31, 24),
        "a dense layer expects vectors of 31 numbers, and gets 32",
    ),
    "a dense layer that is not as its file says": (
        sets(DENSE, out_features=23),
        r"has the tensors .*24.*, and by its config.json it must have .*23",
    ),
    "a bias without a use": (sets(DENSE, bias=False), "has the tensors .*linear.bias"),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_a_layout_that_is_not_read_is_refused(layout, st_folder):
    change, message = REFUSED[layout]
    change(st_folder)
    with pytest.raises(InputError, match=message) as error:
        DualEncoder.load(st_folder)
    assert str(error.value).startswith(str(st_folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "kind",
    ["a default prompt for queries", "a default prompt for passages", "a prompt called corpus"],
)
def test_a_prefix_of_the_caller_settles_an_unclear_prompt(kind, st_folder):
    REFUSED[kind][0](st_folder)
    encoder = DualEncoder.load(st_folder, query_prefix="Q ", passage_prefix="P ")
    assert encoder.prefixes == {"query": "Q ", "passage": "P "}


def test_instructor_models_leave_their_prompt_out(st_folder, monkeypatch):
    """By their name alone, as in sentence-transformers."""
    (st_folder / "hkunlp").mkdir()
    (st_folder / "hkunlp" / "instructor-base").symlink_to(st_folder)
    monkeypatch.chdir(st_folder)
    with pytest.raises(InputError, match="asks for pooling mean without the prompt"):
        DualEncoder.load("hkunlp/instructor-base")


def test_a_folder_without_prompts_has_those_of_the_paper(st_folder):
    """As documented: the paper's prefixes are for encoders that state none."""
    for content in ({}, {"prompts": {}}, {"prompts": None}):
        (st_folder / USE).write_text(json.dumps(content))
        encoder = DualEncoder.load(st_folder)
        assert encoder.prefixes == {"query": "Query: ", "passage": "Passage: "}


def test_a_part_of_a_folder_is_refused_by_every_file(st_folder):
    """Each file that modules.json names, and each key that its module needs."""
    for file in sorted(path for path in st_folder.rglob("*") if path.is_file()):
        # Written by tokenizers beside the two files that are read.
        if file.name in ("special_tokens_map.json", "generation_config.json"):
            continue
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError):
            DualEncoder.load(st_folder)
        file.write_bytes(content)
    DualEncoder.load(Path(st_folder))
