"""The dual encoder: one transformers encoder for queries and passages, pooled and normalised.

Folders are read and written in the layout of sentence-transformers (modules.json, a pooling config, prompts), so
a trained model says by itself how it wants to be used.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoTokenizer

from hybridlib.distributed import all_sum, rank_and_world
from hybridlib.errors import InputError
from hybridlib.model import st_format
from hybridlib.model.loading import (
    _T5,
    DEFAULT_LENGTH,
    _first,
    _length,
    _load_backbone,
    _load_failure,
    _locate,
    _projection,
    _set_dropout,
)

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
        dense: layers behind the pooling (LaBSE has one).
    """

    def __init__(
        self,
        backbone: nn.Module,
        tokenizer: Any,
        pooling: str = "mean",
        prefixes: dict[str, str] | None = None,
        max_length: int = DEFAULT_LENGTH,
        dense: nn.Sequential | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.tokenizer, self.dense = backbone, tokenizer, dense
        self.source: dict[
            str, str | None
        ] = {}  # where it was loaded from: name, revision asked for, commit it was
        self.pooling, self.prefixes, self.max_length = (
            pooling,
            dict(prefixes or PAPER_PREFIXES),
            max_length,
        )

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.dense[-2].out_features if self.dense else self.backbone.config.hidden_size

    def tokenize(self, texts: Iterable[str], side: Side) -> list[list[int]]:
        """Token ids of each text behind its prefix, cut to max_length, without padding."""
        prefixed = [self.prefixes[side] + text for text in texts]
        return (
            []
            if not prefixed
            else self.tokenizer(
                prefixed, truncation=True, max_length=self.max_length, return_attention_mask=False
            )["input_ids"]
        )

    def pad(self, token_ids: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """A rectangular batch: input_ids and attention_mask, ``[texts, longest]`` each."""
        rows = [torch.tensor(ids) for ids in token_ids]
        lengths = torch.tensor([len(row) for row in rows])
        input_ids = nn.utils.rnn.pad_sequence(
            rows, batch_first=True, padding_value=self.tokenizer.pad_token_id
        )
        attention_mask = (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()
        return {
            "input_ids": input_ids.to(self.device),
            "attention_mask": attention_mask.to(self.device),
        }

    def forward(
        self, token_ids: list[list[int]], token_budget: int = 8192, seed: int | None = None
    ) -> Tensor:
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
        hidden = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state.float()
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        return nn.functional.normalize(
            pooled if self.dense is None else self.dense(pooled).float(), dim=-1
        )

    @torch.inference_mode()
    def encode(
        self,
        texts: Iterable[str],
        side: Side,
        token_budget: int = 8192,
        progress: bool = False,
        shared: bool = True,
    ) -> np.ndarray:
        """Vectors ``[texts, dimension]`` (float32, unit length) in the order given.

        Texts go through in length order, in micro-batches of at most ``token_budget`` tokens, padding included. Equal
        texts go through once and have equal vectors, so that they tie. Several processes share the work, and each has all
        vectors in the end: all must ask for the same texts, unless ``shared`` is false and each encodes its own.
        """
        was_training = self.training
        self.eval()
        first: dict[tuple[int, ...], int] = {}
        number = np.array(
            [first.setdefault(tuple(ids), len(first)) for ids in self.tokenize(texts, side)],
            dtype=np.int64,
        )
        token_ids = list(first)
        vectors = np.zeros((len(token_ids), self.dimension), dtype=np.float32)
        batches, (rank, world) = (
            micro_batches([len(ids) for ids in token_ids], token_budget),
            rank_and_world() if shared else (0, 1),
        )
        with tqdm(
            total=len(token_ids),
            desc=f"encoding {side}",
            unit="text",
            disable=not progress or rank > 0,
            mininterval=2,
        ) as bar:
            for share, rows in enumerate(batches):
                if share % world == rank:
                    vectors[rows] = (
                        self._embed(**self.pad([token_ids[row] for row in rows])).cpu().numpy()
                    )
                bar.update(len(rows))
        vectors = (all_sum(vectors) if shared else vectors)[number]
        self.train(was_training)
        return vectors

    @classmethod
    def load(
        cls,
        name: str | Path,
        pooling: str | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        max_length: int | None = None,
        dropout: float | None = None,
        projection: int | None = None,
        seed: int = 0,
        **config: Any,
    ) -> DualEncoder:
        """Load a transformers folder or a hub id (``name`` or ``name@revision``), in float32, safetensors only.

        Pooling, prefixes and length that are None come from the folder's sentence-transformers files where they say,
        else they are ``mean``, the paper's and 128. Dense layers come from these files; where they name none,
        ``projection`` is the width of one behind the pooling, a random rotation made from ``seed`` (it keeps cosines as far
        as its width allows). ``dropout`` sets every dropout of the model's config, ``config`` any other entry of it.

        Raises:
            InputError: the folder or its weights are missing, the hub cannot be reached, the files are of a kind that
                is not loaded, max_length is more than the model has positions for, or projection is not the width of
                the dense layers that there are; with what to do.
        """
        name, revision = _locate(str(name))
        try:
            settings = AutoConfig.from_pretrained(
                name, revision=revision, trust_remote_code=False, **config
            )
            _set_dropout(name, settings, dropout)
            tokenizer = AutoTokenizer.from_pretrained(
                name, revision=revision, trust_remote_code=False
            )
            backbone = _load_backbone(name, revision, settings)
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(_load_failure(name, error)) from error
        if len(tokenizer) <= len(
            tokenizer.all_special_ids
        ):  # what transformers makes up where there is none
            raise InputError(
                f"{name}: no tokenizer; save the model's tokenizer there with save_pretrained"
            )
        if tokenizer.pad_token_id is None:
            raise InputError(
                f"{name}: its tokenizer has no pad_token; set one (tokenizer.pad_token = tokenizer.eos_token) and save it again"
            )
        said = st_format.read(name, revision)
        prefixes = {
            "query": _first(query_prefix, said.prefixes.get("query"), PAPER_PREFIXES["query"]),
            "passage": _first(
                passage_prefix, said.prefixes.get("passage"), PAPER_PREFIXES["passage"]
            ),
        }
        dense = said.dense or _projection(backbone.config.hidden_size, projection, seed)
        encoder = cls(
            backbone,
            tokenizer,
            _first(pooling, said.pooling, "mean"),
            prefixes,
            _length(name, settings, max_length, said.max_length),
            dense,
        )
        if projection not in (None, encoder.dimension):
            raise InputError(
                f"projection ({projection}): {name} has dense layers of its own, to a width of {encoder.dimension}; leave projection at null"
            )
        local = Path(name).is_dir()
        encoder.source = {
            "encoder": Path(name).name if local else name,
            "revision": None if local else revision or "main",
            "commit": getattr(settings, "_commit_hash", None),
        }
        return encoder

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer, pooling, prompts and dense layers: a sentence-transformers folder.

        It is written aside and then put in the place of an old one, so that it is never there by half.
        """
        aside = folder.with_name(folder.name + ".part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        self.backbone.save_pretrained(aside)
        self.tokenizer.save_pretrained(aside)
        st_format.write(
            aside,
            st_format.Layout(self.pooling, self.prefixes, self.max_length, self.dense),
            self.backbone.config.hidden_size,
        )
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)

    def freeze(self, embeddings: bool = False, layers: int = 0) -> str | None:
        """Leave the embeddings (of tokens, positions and types), or the first so many transformer layers, as they are.

        Returns:
            What is frozen, in a sentence; None if nothing.

        Raises:
            InputError: the encoder has fewer layers.
        """
        stack = max(
            (module for module in self.backbone.modules() if isinstance(module, nn.ModuleList)),
            key=len,
        )
        if layers > len(stack):
            raise InputError(f"freeze_layers ({layers}): the encoder has {len(stack)} layers")
        parts = [*stack[:layers]]
        if embeddings:
            parts += [
                self.backbone.get_input_embeddings(),
                *(
                    module
                    for name, module in self.backbone.named_children()
                    if name == "embeddings"
                ),
            ]
        for part in parts:
            part.requires_grad_(False)
        if not parts:
            return None
        what = ["the embeddings"] * embeddings + [f"the first {layers} of {len(stack)} layers"] * (
            layers > 0
        )
        frozen, total = (
            sum(p.numel() for p in self.parameters() if keep or not p.requires_grad) / 1e6
            for keep in (False, True)
        )
        return f"frozen: {' and '.join(what)}, {frozen:.1f} of {total:.1f} M parameters"


def check_precision(encoder: DualEncoder, precision: str) -> None:
    """Refuse what is known to fail: T5 models overflow in fp16.

    Raises:
        InputError: with what to use instead.
    """
    if precision == "fp16" and encoder.backbone.config.model_type in _T5:
        raise InputError(
            f"precision: {encoder.backbone.config.model_type} was trained in bfloat16 and overflows to NaN in fp16; use bf16 or fp32"
        )


def micro_batches(lengths: list[int], token_budget: int) -> list[np.ndarray]:
    """Row numbers in batches of similar length, longest first; a batch holds at most ``token_budget`` tokens,
    padding included, or one text. From 16 texts on it ends before padding becomes a twentieth of it."""
    order = np.argsort(np.negative(lengths), kind="stable")
    batches, start, total = [], 0, 0
    for end, row in enumerate(order):
        size, longest = end - start + 1, lengths[order[start]]
        total += lengths[row]
        if size > 1 and (
            size * longest > token_budget or (size > 16 and total < 0.95 * size * longest)
        ):
            batches.append(order[start:end])
            start, total = end, lengths[row]
    return batches + [order[start:]] * (start < len(order))
