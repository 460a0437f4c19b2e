"""The dual encoder: its vectors, its micro-batches, what it saves and what it freezes."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertModel

from hybridlib.errors import InputError
from hybridlib.model.batches import micro_batches
from hybridlib.model.defaults import PAPER_PREFIXES
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.identity import describe
from hybridlib.model.precision import in_precision
from hybridlib.model.trainable import check_trainable

# ---------------------------------------------------------------------------------------- vectors


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_do_not_depend_on_the_batch(pooling, tiny_encoder, texts):
    encoder = DualEncoder.load(tiny_encoder, pooling=pooling)
    single = np.concatenate([encoder.encode([text], "passage") for text in texts])
    for budget in (1, 100, 700, 100_000):
        assert np.allclose(encoder.encode(texts, "passage", budget), single, atol=1e-5)
    assert len(np.unique(single.round(4), axis=0)) > 1


def test_vectors_come_in_the_order_of_the_texts(encoder, texts, rng):
    vectors = encoder.encode(texts, "query")
    order = rng.permutation(len(texts))
    shuffled = encoder.encode([texts[row] for row in order], "query", 150)
    assert np.allclose(shuffled, vectors[order], atol=1e-5)


def test_equal_texts_have_equal_vectors(encoder, texts, rng):
    """To the bit, at any position: else duplicates would not tie."""
    rows = rng.integers(0, len(texts), 300)
    vectors = encoder.encode([texts[row] for row in rows], "passage", 200)
    for row in np.unique(rows):
        copies = vectors[rows == row]
        assert (copies == copies[0]).all()


def test_encoding_in_bf16_gives_nearly_the_same_vectors(tiny_encoder, texts):
    encoder = DualEncoder.load(tiny_encoder)
    exact = encoder.encode(texts, "query")
    before = describe(encoder)
    encoder.encode_precision = "bf16"
    rounded = encoder.encode([*texts, texts[0]], "query")
    assert rounded.dtype == np.float32
    cosines = (rounded[:-1] * exact).sum(1)
    assert cosines.min() > 0.999
    assert not np.array_equal(rounded[:-1], exact)
    assert np.array_equal(rounded[-1], rounded[0])
    # Vectors on disk of one precision are not those of another.
    assert describe(encoder) != before


def test_encoding_in_int8_gives_nearly_the_same_vectors(tiny_encoder, texts):
    """Whatever the batch. Afterwards, the encoder is what it was."""
    encoder = DualEncoder.load(tiny_encoder)
    exact = encoder.encode(texts, "query")
    before = describe(encoder)
    encoder.encode_precision = "int8"
    rounded = encoder.encode(texts, "query")
    cosines = (rounded * exact).sum(1)
    assert cosines.min() > 0.999
    assert not np.allclose(rounded, exact, atol=1e-7)
    assert np.allclose(encoder.encode(texts, "query", 100), rounded, atol=1e-5)
    assert describe(encoder) != before
    encoder.encode_precision = "fp32"
    assert np.array_equal(encoder.encode(texts, "query"), exact)


def test_a_layer_in_int8_is_exact_in_whole_numbers():
    torch.manual_seed(0)
    layer = torch.nn.Linear(96, 40)
    rows = torch.randn(5, 7, 96) * torch.rand(5, 7, 1)
    row_scale = rows.abs().amax(-1, keepdim=True) / 127
    weight_scale = layer.weight.abs().amax(-1, keepdim=True) / 127
    numbers = (rows / row_scale).round().double()
    weights = (layer.weight / weight_scale).round().double()
    expected = numbers @ weights.T * weight_scale.T * row_scale + layer.bias
    with torch.no_grad(), in_precision(layer, "int8"):
        assert torch.allclose(layer(rows).double(), expected, atol=1e-5)


def test_int8_is_not_computed_by_the_slow_reference(capfd):
    """On many processors oneDNN has no other for signed inputs; it is thousands of times slower."""
    layer = torch.nn.Linear(96, 40)
    mkldnn = torch.backends.mkldnn
    with torch.no_grad(), in_precision(layer, "int8"), mkldnn.verbose(mkldnn.VERBOSE_ON):
        layer(torch.randn(32, 96))
    products = [line for line in capfd.readouterr().out.splitlines() if "exec,cpu,matmul" in line]
    assert products and not any("matmul,ref" in line for line in products)


def test_int8_is_for_cpus(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder).to("meta")
    encoder.encode_precision = "int8"
    with pytest.raises(
        InputError, match=r"encode_precision \(int8\) is for CPUs; on meta use bf16"
    ):
        encoder.encode(["a"], "query")


def test_vectors_do_not_depend_on_the_kind_of_attention(tiny_encoder, texts):
    """Without padding, and with padding that the plain attention leaves out."""
    encoder = DualEncoder.load(tiny_encoder)
    config = encoder.backbone.config
    assert config._attn_implementation == "packed"
    fused = encoder.encode(texts, "query")
    encoder.backbone.set_attn_implementation("eager")
    assert config._attn_implementation == "eager"
    assert np.allclose(encoder.encode(texts, "query"), fused, atol=1e-5)


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode([], "query").shape == (0, 32)


def test_vectors_have_unit_length(encoder, texts):
    vectors = encoder.encode(texts, "passage")
    assert encoder.dimension == 32
    assert vectors.shape == (len(texts), 32)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_vector_without_a_direction_names_its_text(tiny_encoder):
    """Zero or not finite, when texts are encoded and in training."""
    encoder = DualEncoder.load(tiny_encoder, projection=8)
    texts = ["a", "Bern is a city"]
    ids = encoder.tokenize(texts, "passage")
    for value in (0.0, float("nan"), float("inf"), 1e38):
        with torch.no_grad():
            encoder.dense[0].weight.fill_(value)
        with pytest.raises(InputError, match=r"2 of 2 vectors are zero or not finite.*'.*a'"):
            encoder(ids)
        with pytest.raises(InputError, match=r"2 of 2 vectors .*\(side passage\)"):
            encoder.encode(texts, "passage")


def test_forward_gives_the_vectors_of_encode_and_a_gradient(encoder, texts):
    ids = encoder.tokenize(texts, "query")
    encoder.eval()
    expected = encoder.encode(texts, "query")
    for budget in (64, 8192):
        assert np.allclose(encoder(ids, budget).detach().numpy(), expected, atol=1e-5)
    encoder.zero_grad()
    encoder(ids, 64)[:, 0].sum().backward()
    assert encoder.backbone.get_input_embeddings().weight.grad.abs().max() > 0
    encoder.zero_grad()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_by_hand(pooling, tiny_encoder, texts):
    vectors = DualEncoder.load(tiny_encoder, pooling=pooling).encode(texts, "passage", 400)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    backbone = AutoModel.from_pretrained(tiny_encoder).eval()
    # 64 tokens, as the folder says.
    options = {"truncation": True, "max_length": 64, "return_tensors": "pt"}
    for text, vector in zip(texts, vectors):
        ids = tokenizer("Passage: " + text, **options)["input_ids"]
        with torch.no_grad():
            hidden = backbone(input_ids=ids).last_hidden_state[0].numpy()
        pooled = hidden[0] if pooling == "cls" else hidden.mean(0)
        assert np.allclose(vector, pooled / np.linalg.norm(pooled), atol=1e-5)


def test_prefixes_stand_before_the_texts(tiny_encoder, encoder, texts):
    bare = DualEncoder.load(tiny_encoder, query_prefix="", passage_prefix="")
    for side, prefix in PAPER_PREFIXES.items():
        prefixed = [prefix + text for text in texts]
        assert encoder.tokenize(texts, side) == bare.tokenize(prefixed, side)
        vectors = encoder.encode(texts, side)
        assert np.allclose(vectors, bare.encode(prefixed, side), atol=1e-5)
    assert np.allclose(bare.encode(texts, "query"), bare.encode(texts, "passage"), atol=1e-6)
    queries = encoder.encode(texts, "query")
    assert not np.allclose(queries, encoder.encode(texts, "passage"), atol=1e-3)


def test_long_texts_are_cut_at_max_length(tiny_encoder, encoder, texts):
    short = DualEncoder.load(tiny_encoder, max_length=12)
    kept = short.tokenize(texts, "query")
    full = encoder.tokenize(texts, "query")
    assert max(map(len, kept)) == 12
    assert 12 < max(map(len, full)) <= 64
    end = short.tokenizer.sep_token_id
    for cut, whole in zip(kept, full):
        assert cut == (whole if len(whole) <= 12 else [*whole[:11], end])


def test_encoding_leaves_the_mode_as_it_was(encoder, texts):
    """In training mode too the vectors are those without dropout."""
    vectors = encoder.eval().encode(texts[:5], "query")
    assert not encoder.training
    assert np.allclose(encoder.train().encode(texts[:5], "query"), vectors, atol=1e-6)
    assert encoder.training
    encoder.eval()


# ---------------------------------------------------------------------------------- micro-batches


@pytest.mark.parametrize("budget", [1, 16, 64, 300, 10_000])
def test_micro_batches_hold_every_row_once_within_the_budget(budget, rng):
    lengths = rng.integers(1, 60, 200).tolist()
    batches = micro_batches(lengths, budget)
    assert sorted(np.concatenate(batches)) == list(range(200))
    longest = [max(lengths[row] for row in rows) for rows in batches]
    assert all(len(rows) == 1 or len(rows) * most <= budget for rows, most in zip(batches, longest))
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("equal_lengths", [False, True])
@pytest.mark.parametrize("call", [0, 5, 40, 1000])
@pytest.mark.parametrize("budget", [1, 30, 90, 10_000])
def test_no_other_split_takes_less_time(budget, call, equal_lengths, padded, rng):
    """Every split of ten rows in order of length, by plain loops."""

    def tokens(part: list[int]) -> int:
        return len(part) * part[0] if padded else sum(part)

    lengths = rng.integers(1, 30, 10).tolist()
    ordered = sorted(lengths, reverse=True)
    times = []
    for ends in product([False, True], repeat=9):
        cuts = [0, *(place for place, is_end in enumerate(ends, 1) if is_end), 10]
        parts = [ordered[start:end] for start, end in pairwise(cuts)]
        fits = all(len(part) == 1 or tokens(part) <= budget for part in parts)
        if fits and not (equal_lengths and any(part[0] > part[-1] for part in parts)):
            times.append(sum(tokens(part) + call for part in parts))
    batches = micro_batches(lengths, budget, equal_lengths, call, padded)
    taken = [tokens([lengths[row] for row in rows]) + call for rows in batches]
    assert sum(taken) == min(times)
    assert [lengths[row] for rows in batches for row in rows] == ordered


def test_many_texts_have_little_padding(rng):
    """Less than a twentieth, whatever their lengths."""
    lengths = rng.integers(4, 128, 2000).tolist()
    batches = micro_batches(lengths, 8192)
    padded = sum(len(rows) * lengths[rows[0]] for rows in batches)
    assert 0 < 1 - sum(lengths) / padded < 0.05


@pytest.mark.parametrize(
    ("device", "training", "budget"),
    [("cpu", True, 2048), ("cpu", False, 2048), ("meta", True, 16_384), ("meta", False, 65_536)],
)
def test_a_device_other_than_the_cpu_takes_larger_micro_batches(
    device, training, budget, tiny_encoder
):
    """The device `meta`, which computes nothing, stands for a GPU."""
    encoder = DualEncoder.load(tiny_encoder).to(device).train(training)
    token_ids = [[0] * 16] * 10_000
    batches = encoder.micro_batches(token_ids)
    assert max(len(rows) for rows in batches) == budget // 16
    assert [rows.tolist() for rows in batches] == [
        rows.tolist() for rows in encoder.micro_batches(token_ids, budget)
    ]


def test_too_little_memory_of_a_gpu_says_what_to_lower(tiny_encoder, monkeypatch):
    def refuse(*arguments: object, **named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    encoder = DualEncoder.load(tiny_encoder)
    monkeypatch.setattr(encoder, "embed", refuse)
    with pytest.raises(InputError, match="memory of the GPU does not suffice; lower encode_tokens"):
        encoder.encode(["one"], "query")


# --------------------------------------------------------------------------------- save and load


@pytest.mark.parametrize(
    ("pooling", "query", "passage"), [("cls", "query: ", ""), ("mean", "Frage: ", "คำตอบ ")]
)
def test_a_saved_encoder_carries_its_settings(
    pooling, query, passage, tiny_encoder, texts, tmp_path
):
    original = DualEncoder.load(tiny_encoder, pooling, query, passage)
    original.save(tmp_path / "model")
    loaded = DualEncoder.load(tmp_path / "model")
    assert loaded.pooling == pooling
    assert loaded.prefixes == {"query": query, "passage": passage}
    for side in ("query", "passage"):
        assert np.array_equal(loaded.encode(texts, side), original.encode(texts, side))
    overruled = DualEncoder.load(tmp_path / "model", pooling="mean", query_prefix="Q ")
    assert overruled.pooling == "mean"
    assert overruled.prefixes == {"query": "Q ", "passage": passage}


def test_a_plain_transformers_folder_is_pooled_by_mean_with_the_prefixes_of_the_paper(
    encoder, tmp_path
):
    encoder.backbone.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    loaded = DualEncoder.load(tmp_path)
    assert loaded.pooling == "mean"
    assert loaded.prefixes == PAPER_PREFIXES


def test_the_folder_is_one_of_transformers_and_of_sentence_transformers(tiny_encoder):
    model = AutoModel.from_pretrained(tiny_encoder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    assert isinstance(model, BertModel)
    assert model.config.hidden_size == 32
    assert len(tokenizer) == model.config.vocab_size

    modules = json.loads((tiny_encoder / "modules.json").read_text())
    kinds = [module["type"].split(".")[-1] for module in modules]
    assert kinds == ["Transformer", "Pooling", "Normalize"]
    assert all((tiny_encoder / module["path"]).is_dir() for module in modules)
    assert json.loads((tiny_encoder / "1_Pooling" / "config.json").read_text()) == {
        "word_embedding_dimension": 32,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": False,
        "pooling_mode_lasttoken": False,
    }
    assert not list(tiny_encoder.glob("*.bin"))


def test_weights_are_loaded_in_single_precision(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "half")
    AutoModel.from_pretrained(tiny_encoder, dtype=torch.bfloat16).save_pretrained(tmp_path / "half")
    loaded = DualEncoder.load(tmp_path / "half")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_config_entries_can_be_overridden(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder, hidden_dropout_prob=0.25)
    modules = encoder.named_modules()
    assert {module.p for name, module in modules if name.endswith("output.dropout")} == {0.25}


def test_a_kill_while_saving_leaves_the_old_model(encoder, monkeypatch, tmp_path):
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    encoder.save(tmp_path / "model")
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "model").iterdir()}
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr(type(encoder.tokenizer), "save_pretrained", full)
        encoder.save(tmp_path / "model")
    after = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "model").iterdir()}
    assert after == before
    assert DualEncoder.load(tmp_path / "model").max_length == 64


# ---------------------------------------------------------------------------- freezing, precision


def test_the_frozen_parts_are_named(tiny_encoder):
    encoder = DualEncoder.load(tiny_encoder)
    assert encoder.freeze() is None
    assert all(weight.requires_grad for weight in encoder.parameters())
    with pytest.raises(InputError, match=r"freeze_layers \(2\): the encoder has 1 layers"):
        encoder.freeze(layers=2)
    frozen = encoder.freeze(embeddings=True, layers=1)
    assert frozen.startswith("frozen: the embeddings and the first 1 of 1 layers, ")
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_fp16_is_refused_for_t5_alone(encoder, families):
    message = "mt5 was trained in bfloat16 and overflows to NaN in fp16; use bf16 or fp32"
    mt5 = DualEncoder.load(families["mt5"])
    with pytest.raises(InputError, match=message):
        check_trainable(mt5, "fp16")
    check_trainable(mt5, "bf16")
    check_trainable(encoder, "fp16")
