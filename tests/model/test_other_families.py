"""Families beside those of the paper: what padding does to them, their lengths, their limits."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, processors
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder

# What makes a model of any family tiny, under the names that the families use.
TINY = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "num_heads"), 2),
    **dict.fromkeys(
        ("intermediate_size", "d_ff", "ffn_dim", "n_inner", "d_inner", "hidden_dim"), 64
    ),
    **dict.fromkeys(("d_head", "head_dim", "d_kv", "attention_head_size"), 16),
    "num_key_value_heads": 2,
    "vocab_size": 600,
    "pad_token_id": 1,
}

# These read padding: by a Fourier transform, a convolution, landmarks or hashes over the positions.
PADDED = ("fnet", "convbert", "nystromformer", "yoso")

# Models of these families number their positions from behind the padding id.
OFFSET = (
    "mpnet",
    "data2vec-text",
    "luke",
    "longformer",
    "roberta-prelayernorm",
    "camembert",
    "esm",
)

# All other families of encoders and decoders for text that can be made as small.
PLAIN = (
    *("albert", "bert", "bert-generation", "big_bird", "biogpt", "bloom", "deberta", "deberta-v2"),
    *("distilbert", "electra", "ernie", "eurobert", "flaubert", "gemma", "gpt2", "gpt_neox"),
    *("layoutlm", "llama", "mamba", "megatron-bert", "mistral", "mobilebert", "modernbert", "mra"),
    *("nomic_bert", "openai-gpt", "opt", "phi", "qwen2", "qwen3", "rembert", "roberta", "roformer"),
    *("splinter", "squeezebert", "t5", "mt5", "umt5", "xlm", "xlm-roberta", "xlnet"),
)

WITHOUT_TEXT = {
    "canine": "has no plain table of token embeddings",
    "ibert": "has no plain table of token embeddings",
    "dpr": "a dpr model, which cannot encode a text by its token ids alone",
    "xmod": r"a xmod model, which cannot encode .*Input language unknown",
    "clip": "the config of clip has no hidden_size; it is not a text encoder",
}


def tiny_model(family: str, **changes: Any) -> PreTrainedModel:
    """Return a tiny model with random weights."""
    config_class = getattr(transformers, CONFIG_MAPPING_NAMES[family])
    model_name = MODEL_MAPPING_NAMES[family]
    model_class = getattr(
        transformers, model_name if isinstance(model_name, str) else model_name[0]
    )
    default = config_class()
    sizes = {key: value for key, value in TINY.items() if hasattr(default, key)}
    torch.manual_seed(0)
    return model_class(config_class(**sizes | changes))


@pytest.fixture
def save(tiny_encoder, tmp_path):
    """Return a function that writes a model with a tokenizer as a plain transformers folder."""

    def write(model: PreTrainedModel) -> Path:
        model.save_pretrained(tmp_path / "encoder")
        AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "encoder")
        return tmp_path / "encoder"

    return write


def load(folder: Path, **options: Any) -> DualEncoder:
    """Load an encoder without prefixes."""
    return DualEncoder.load(folder, query_prefix="", passage_prefix="", **options)


def one_by_one(encoder: DualEncoder, texts: list[str]) -> np.ndarray:
    """Return vectors of texts that were encoded alone."""
    return np.concatenate([encoder.encode([text], "query") for text in texts])


def by_the_library(folder: Path, texts: list[str]) -> np.ndarray:
    """Return the vectors of sentence-transformers of texts alone, 128 tokens of each."""
    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = min(128, model.max_seq_length)
    return model.encode(texts, batch_size=1, normalize_embeddings=True)


def check_batches(folder: Path, texts: list[str]) -> DualEncoder:
    """A text has one vector, in any batch, and it is the library's of the text alone."""
    encoder = load(folder)
    alone = one_by_one(encoder, texts)
    assert np.abs(encoder.encode(texts, "query") - alone).max() < 1e-5
    assert np.abs(by_the_library(folder, texts) - alone).max() < 1e-5
    return encoder


@pytest.mark.parametrize("family", PADDED)
def test_where_padding_counts_batches_have_none(family, save, texts):
    encoder = check_batches(save(tiny_model(family)), texts[:20])
    assert encoder.equal_lengths
    ids = encoder.tokenize(texts, "query")
    batches = encoder.micro_batches(ids, 8192)
    assert all(len({len(ids[row]) for row in rows}) == 1 for rows in batches)
    assert sorted(np.concatenate(batches)) == list(range(len(texts)))
    # Training sees the vectors of evaluation.
    expected = encoder.encode(texts[:20], "query")
    with torch.no_grad():
        assert np.abs(encoder.eval()(ids[:20]).numpy() - expected).max() < 1e-5


def test_where_padding_does_not_count_batches_have_some(encoder, texts):
    assert not encoder.equal_lengths
    ids = encoder.tokenize(texts, "query")
    assert len(encoder.micro_batches(ids, 100_000)) < len({len(row) for row in ids})


@pytest.mark.slow
@pytest.mark.parametrize("family", [*PLAIN, *OFFSET])
def test_every_family_has_the_vectors_of_the_library(family, save, texts):
    changes = {"entity_vocab_size": 5, "entity_emb_size": 8} if family == "luke" else {}
    encoder = check_batches(save(tiny_model(family, **changes)), texts[:6])
    assert not encoder.equal_lengths


@pytest.mark.slow
@pytest.mark.parametrize("family", PLAIN)
def test_every_family_encodes_as_many_tokens_as_it_allows(family, save):
    """At all positions that the config has; one more is refused."""
    small = {"max_position_embeddings": 40}
    model = tiny_model(family)
    if "max_position_embeddings" not in model.config.to_dict() or family == "xlnet":
        pytest.skip("has no largest number of positions, or another name for it")
    check_longest(save(tiny_model(family, **small)), 40 if "roberta" not in family else 38)


@pytest.mark.parametrize("family", OFFSET)
def test_positions_begin_behind_the_padding_id(family, save):
    """Of 42 positions 40 are left: 41 and 42 tokens would read beyond the table."""
    changes = {"entity_vocab_size": 5, "entity_emb_size": 8} if family == "luke" else {}
    if family == "longformer":
        changes = {"attention_window": 4}
    check_longest(save(tiny_model(family, max_position_embeddings=42, **changes)), 40)


def check_longest(folder: Path, longest: int) -> None:
    """So many tokens are encoded; one or two more are refused."""
    encoder = load(folder, max_length=longest)
    ids = encoder.tokenize(["word " * 200], "query")
    assert len(ids[0]) == longest
    assert np.isfinite(encoder.encode(["word " * 200], "query")).all()
    for length in (longest + 1, longest + 2):
        with pytest.raises(InputError, match=rf"max_length \({length}\): .* {longest} positions"):
            load(folder, max_length=length)
    # A stored length beyond the positions is cut.
    assert load(folder).max_length == longest


@pytest.mark.parametrize("family", WITHOUT_TEXT)
def test_what_is_no_text_encoder_is_refused(family, save):
    changes: dict[str, Any] = {}
    if family == "clip":
        part = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        part |= {"intermediate_size": 16, "projection_dim": 16}
        image = {**part, "image_size": 32, "patch_size": 16}
        changes = {"text_config": {**part, "vocab_size": 600}, "vision_config": image}
    folder = save(tiny_model(family, **changes))
    with pytest.raises(InputError, match=WITHOUT_TEXT[family]) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_what_a_tokenizer_gives_besides_the_ids_must_not_count(save):
    """XLNet's tokenizer marks a token as of another type; that is not passed on."""
    folder = save(tiny_model("bert", type_vocab_size=3))
    rules = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    rules.post_processor = processors.TemplateProcessing(
        single="$A:0 </s>:0 <s>:2", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(
        tokenizer_object=rules, pad_token="<pad>", model_input_names=names
    ).save_pretrained(folder)
    with pytest.raises(InputError, match="on what its tokenizer gives besides the token ids"):
        load(folder)


def test_bigbird_keeps_to_lengths_that_it_attends_to_in_full(save):
    folder = save(tiny_model("big_bird", block_size=4, num_random_blocks=1))
    assert load(folder, max_length=28).max_length == 28
    for length in (29, None):
        with pytest.raises(InputError, match=r"beyond 28 .* Set max_length to 28"):
            load(folder, max_length=length)


@pytest.mark.parametrize(("causal", "pooling"), [(None, "last"), (False, "mean")])
def test_a_causal_language_model_has_the_last_token(causal, pooling, save):
    folder = save(transformers.GPT2LMHeadModel(tiny_model("gpt2").config))
    change_config(folder, is_causal=causal, architectures=["GPT2ForCausalLM"])
    assert load(folder).pooling == pooling
    assert load(folder, pooling="mean").pooling == "mean"


def change_config(folder: Path, **entries: Any) -> None:
    """Set entries of a config; None leaves them as they are."""
    config = transformers.AutoConfig.from_pretrained(folder)
    for key, value in entries.items():
        if value is not None:
            setattr(config, key, value)
    config.save_pretrained(folder)


def test_the_first_look_leaves_chance_and_mode_as_they_were(tiny_encoder):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    encoder = DualEncoder.load(tiny_encoder)
    assert torch.equal(torch.rand(3), expected)
    assert encoder.training == DualEncoder(encoder.backbone, encoder.tokenizer).training


@pytest.mark.parametrize("stored", [True, False])
def test_the_first_look_leaves_the_tokenizer_as_it_was(stored, tiny_encoder, tmp_path):
    """Published tokenizers may have a truncation and a padding in their file."""
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    rules = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if stored:
        rules.enable_truncation(17, stride=1, direction="left")
        rules.enable_padding(pad_id=1, pad_token="<pad>", length=17)
    rules.save(str(folder / "tokenizer.json"))
    encoder = DualEncoder.load(folder)
    assert encoder.tokenizer.backend_tokenizer.to_str() == rules.to_str()


def test_a_text_without_tokens_is_refused(encoder, tiny_encoder):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", special_tokens=[]
    )
    bare = DualEncoder(encoder.backbone, tokenizer, prefixes={"query": "", "passage": ""})
    with pytest.raises(InputError, match="the query '' has no tokens, and so no vector"):
        bare.encode(["a text", ""], "query")


def test_one_text_is_not_a_list_of_texts(encoder):
    with pytest.raises(InputError, match=r"texts is a text \('Bern'\); give a list of texts"):
        encoder.encode("Bern", "query")


@pytest.mark.parametrize("pooling", ["max", "MEAN", ""])
def test_an_unknown_pooling_of_the_caller_is_refused(pooling, tiny_encoder):
    with pytest.raises(InputError, match=r"pooling .* must be one of mean, cls, last"):
        DualEncoder.load(tiny_encoder, pooling=pooling)


def test_the_families_are_those_of_the_installed_library():
    for family in (*PADDED, *OFFSET, *PLAIN, *WITHOUT_TEXT):
        assert inspect.isclass(getattr(transformers, CONFIG_MAPPING_NAMES[family]))
