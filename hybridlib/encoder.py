"""The dual encoder: one transformers encoder for queries and passages, pooled and normalised.

Folders are read and written in the layout of sentence-transformers (modules.json, a pooling config, prompts), so
a trained model says by itself how it wants to be used.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel, MT5EncoderModel, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from hybridlib.errors import InputError
from hybridlib.files import read_json, write_json

logger = logging.getLogger(__name__)
disable_progress_bar()  # of reading and writing weights: they clutter notebooks; downloads keep theirs
Side = Literal["query", "passage"]
PAPER_PREFIXES = {"query": "Query: ", "passage": "Passage: "}  # arXiv 2408.10536


class DualEncoder(nn.Module):
    """Texts to unit vectors; the cosine of two is their dot product.

    Args:
        backbone: a transformers encoder.
        tokenizer: its tokenizer.
        pooling: ``mean`` over the tokens that are not padding, or ``cls``: the first token.
        prefixes: text put before every query and every passage.
        max_length: tokens kept of each text, special tokens included.
    """

    def __init__(self, backbone: nn.Module, tokenizer: Any, pooling: str = "mean", prefixes: dict[str, str] | None = None, max_length: int = 128) -> None:
        super().__init__()
        self.backbone, self.tokenizer = backbone, tokenizer
        self.pooling, self.prefixes, self.max_length = pooling, dict(prefixes or PAPER_PREFIXES), max_length

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.backbone.config.hidden_size

    def tokenize(self, texts: Iterable[str], side: Side) -> list[list[int]]:
        """Token ids of each text behind its prefix, cut to max_length, without padding."""
        prefixed = [self.prefixes[side] + text for text in texts]
        return self.tokenizer(prefixed, truncation=True, max_length=self.max_length, return_attention_mask=False)["input_ids"]

    def pad(self, token_ids: list[list[int]]) -> dict[str, Tensor]:
        """A rectangular batch: input_ids and attention_mask, ``[texts, longest]`` each."""
        rows = [torch.tensor(ids) for ids in token_ids]
        lengths = torch.tensor([len(row) for row in rows])
        input_ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        attention_mask = (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": input_ids.to(self.device), "attention_mask": attention_mask.to(self.device)}

    def forward(self, token_ids: list[list[int]], token_budget: int = 8192, seed: int | None = None) -> Tensor:
        """Unit vectors ``[texts, dimension]``, float32, in the order given.

        Texts go through in length order, in micro-batches of at most ``token_budget`` tokens, padding included:
        that saves padding and changes the vectors by no more than rounding. With a ``seed``, the dropout of
        micro-batch n is that of ``seed + n``, whatever was drawn before.
        """
        batches = micro_batches([len(ids) for ids in token_ids], token_budget)
        vectors = []
        for number, rows in enumerate(batches):
            if seed is not None:
                torch.manual_seed(seed + number)
            vectors.append(self._embed(**self.pad([token_ids[row] for row in rows])))
        back = np.argsort(np.concatenate(batches))
        return torch.cat(vectors)[torch.from_numpy(back).to(self.device)]

    def _embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors of one padded batch."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        return nn.functional.normalize(pooled, dim=-1)

    @torch.inference_mode()
    def encode(self, texts: Iterable[str], side: Side, token_budget: int = 8192, progress: bool = False) -> np.ndarray:
        """Vectors ``[texts, dimension]`` (float32, unit length) in the order given.

        Texts go through in length order, in micro-batches of at most ``token_budget`` tokens, padding included.
        """
        was_training = self.training
        self.eval()
        token_ids = self.tokenize(texts, side)
        vectors = np.empty((len(token_ids), self.dimension), dtype=np.float32)
        with tqdm(total=len(token_ids), desc=f"encoding {side}", unit="text", disable=not progress, mininterval=2) as bar:
            for rows in micro_batches([len(ids) for ids in token_ids], token_budget):
                vectors[rows] = self._embed(**self.pad([token_ids[row] for row in rows])).cpu().numpy()
                bar.update(len(rows))
        self.train(was_training)
        return vectors

    @classmethod
    def load(cls, name: str | Path, pooling: str | None = None, query_prefix: str | None = None, passage_prefix: str | None = None, max_length: int = 128, **config: Any) -> DualEncoder:
        """Load a transformers folder or a hub id (``name`` or ``name@revision``), in float32, safetensors only.

        Pooling and prefixes that are None come from the folder's sentence-transformers files where they say,
        else they are ``mean`` and the paper's. ``config`` overrides entries of the model's config.

        Raises:
            InputError: the folder or its weights are missing, the hub cannot be reached, or the files are of
                a kind that is not loaded; with what to do.
        """
        name, revision = _locate(str(name))
        try:
            settings = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False, **config)
            tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
            backbone = _load_backbone(name, revision, settings)
        except (OSError, ValueError) as error:
            raise InputError(_load_failure(name, error)) from error
        if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes up where there is none
            raise InputError(f"{name}: no tokenizer; save the model's tokenizer there with save_pretrained")
        said = _sentence_transformers_settings(name, revision)
        prefixes = {
            "query": _first(query_prefix, said.get("query"), PAPER_PREFIXES["query"]),
            "passage": _first(passage_prefix, said.get("passage"), PAPER_PREFIXES["passage"]),
        }
        return cls(backbone, tokenizer, _first(pooling, said.get("pooling"), "mean"), prefixes, max_length)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer, pooling and prompts: a sentence-transformers folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backbone.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        for module in ("1_Pooling", "2_Normalize"):
            (folder / module).mkdir(exist_ok=True)
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        write_json(folder / "modules.json", [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"} for i, (path, kind) in enumerate(kinds)])
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": self.max_length, "do_lower_case": False})
        write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": self.dimension, "pooling_mode_cls_token": self.pooling == "cls", "pooling_mode_mean_tokens": self.pooling == "mean"})
        write_json(folder / "config_sentence_transformers.json", {"prompts": self.prefixes, "similarity_fn_name": "cosine"})


def micro_batches(lengths: list[int], token_budget: int) -> list[np.ndarray]:
    """Row numbers in batches of similar length, longest first; a batch holds at most ``token_budget`` tokens,
    padding included, or one text. From 16 texts on it ends before padding becomes a twentieth of it."""
    order = np.argsort(np.negative(lengths), kind="stable")
    batches, start, total = [], 0, 0
    for end, row in enumerate(order):
        size, longest = end - start + 1, lengths[order[start]]
        total += lengths[row]
        if size > 1 and (size * longest > token_budget or (size > 16 and total < 0.95 * size * longest)):
            batches.append(order[start:end])
            start, total = end, lengths[row]
    return batches + [order[start:]] * (start < len(order))


def make_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer trained on ``texts``; the same texts, in any order and process, give the same tokenizer
    (a Unigram model would not: its trainer adds up in an order that changes from process to process)."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(sorted(texts), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("<s>", "</s>")])
    names = dict(bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names)


def make_encoder(tokenizer: PreTrainedTokenizerFast, folder: Path, seed: int, hidden_size: int, layers: int, attention_heads: int, max_length: int) -> None:
    """Write a small transformer with random weights, initialised from ``seed``, as a transformers folder."""
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=hidden_size, num_hidden_layers=layers, num_attention_heads=attention_heads, intermediate_size=4 * hidden_size,
        max_position_embeddings=max(max_length, 512), type_vocab_size=1, pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        DualEncoder(BertModel(config, add_pooling_layer=False), tokenizer, max_length=max_length).save(folder)


def _locate(name: str) -> tuple[str, str | None]:
    """A local folder as it is, or a hub id and its revision."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise InputError(f"{folder}: no config.json: not a transformers folder")
        if not list(folder.glob("*.safetensors")):
            raise InputError(f"{folder}: no weights (*.safetensors); save the model there with save_pretrained")
        return name, None
    if name.startswith((".", "/", "~")) or folder.is_file() or name.count("/") > 1:
        raise InputError(f"{name}: no such folder; give a transformers folder or a hub id")
    hub_id, _, revision = name.partition("@")
    return hub_id, revision or None


def _load_backbone(name: str, revision: str | None, config: Any) -> nn.Module:
    """The encoder half, without a pooling head nobody trained."""
    kind = MT5EncoderModel if config.model_type in ("mt5", "umt5") else AutoModel
    extra = {}
    if kind is AutoModel and "add_pooling_layer" in inspect.signature(AutoModel._model_mapping[type(config)].__init__).parameters:
        extra["add_pooling_layer"] = False
    return kind.from_pretrained(name, revision=revision, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, **extra)


def _load_failure(name: str, error: Exception) -> str:
    if Path(name).is_dir():
        return f"{name}: cannot be loaded as a transformers encoder: {error}"
    return (
        f"{name}: neither a folder here nor to be had from the hub ({type(error).__name__}: {str(error).splitlines()[0]}). Offline? Fetch it on a machine with a network "
        f"(`hf download {name} --local-dir FOLDER`), copy FOLDER here, and give its path instead of the id."
    )


def _sentence_transformers_settings(name: str, revision: str | None) -> dict[str, str]:
    """Pooling and prefixes as the model's own sentence-transformers files say them."""
    said: dict[str, str] = {}
    pooling = _read_json(name, revision, "1_Pooling/config.json")
    for mode, key in (("mean", "pooling_mode_mean_tokens"), ("cls", "pooling_mode_cls_token")):
        if pooling.get(key):
            said["pooling"] = mode
    prompts = _read_json(name, revision, "config_sentence_transformers.json").get("prompts") or {}
    said.update({side: prompts[side] for side in ("query", "passage") if side in prompts})
    return said


def _read_json(name: str, revision: str | None, file: str) -> dict[str, Any]:
    """A JSON file of a model folder or hub repository; empty where there is none."""
    from transformers.utils import cached_file

    path = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False)
    return read_json(Path(path)) if path else {}


def _first(*values: str | None) -> str:
    return next(value for value in values if value is not None)
