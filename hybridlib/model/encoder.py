"""The dual encoder: one transformers encoder for queries and passages, pooled and normalised.

Folders are read and written in the layout of sentence-transformers (modules.json, a pooling
config, prompts), so a trained model carries its own settings.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from hybridlib.config.names import POOLINGS
from hybridlib.distributed import all_sum, rank_and_world
from hybridlib.errors import InputError
from hybridlib.model import st_format, st_write
from hybridlib.model.batches import advised_on_memory, limits_on, micro_batches, unique_rows
from hybridlib.model.card import write_card
from hybridlib.model.defaults import DEFAULT_LENGTH, PAPER_PREFIXES
from hybridlib.model.directions import check_directions
from hybridlib.model.layers import output_width, projection_layer
from hybridlib.model.loading import (
    check_prefixes,
    kept_length,
    load_parts,
    rules_kept,
    stated_pooling,
)
from hybridlib.model.packing import allow_packing, hidden_states, is_packed
from hybridlib.model.precision import in_precision
from hybridlib.model.prefixes import choose_prefixes
from hybridlib.model.probe import check_encodes
from hybridlib.model.source import locate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from hybridlib.model.adapter import Adapter

Side = Literal["query", "passage"]


class DualEncoder(nn.Module):
    """Maps texts to unit vectors; the dot product of two is their cosine.

    Args:
        backbone: a transformers encoder.
        tokenizer: its tokenizer.
        pooling: ``mean`` over the tokens that are not padding, ``cls`` (the first token) or
            ``last``.
        prefixes: text put before every query and every passage.
        max_length: tokens kept of each text, special tokens included.
        dense: layers behind the pooling (LaBSE has one).

    Attributes:
        source: where it was loaded from: name, requested revision, commit.
        adapter: that is being trained, until it is merged.
        correction: of language bias: a linear layer for each side, applied to unit vectors.
        lower_case: the tokenizer puts texts into lower case because a setting beside it says so.
        equal_lengths: batches hold texts of one length only, because padding would change the
            vectors.

    Example:
        >>> encoder = DualEncoder.load(tiny)  # a transformers folder, or a hub id
        >>> queries = encoder.encode(["How far away is the Moon?"], "query")
        >>> passages = encoder.encode(["It is 384,400 km from the Earth.", "A bee."], "passage")
        >>> (queries @ passages.T).shape  # cosines
        (1, 2)
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: Any,
        pooling: str = "mean",
        prefixes: dict[str, str] | None = None,
        max_length: int = DEFAULT_LENGTH,
        dense: nn.Sequential | None = None,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise InputError(f"pooling ({pooling!r}): it must be one of {', '.join(POOLINGS)}")
        allow_packing(backbone)
        self.backbone: PreTrainedModel = backbone
        self.tokenizer = tokenizer
        self.dense = dense
        self.pooling = pooling
        self.prefixes = dict(prefixes or PAPER_PREFIXES)
        self.max_length = max_length
        self.source: dict[str, str | None] = {}
        self.lower_case = False
        self.equal_lengths = False
        self.encode_precision = "fp32"
        self.correction: nn.ModuleDict | None = None
        self.adapter: Adapter | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.backbone.parameters()).device

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return output_width(self.dense, self.backbone.config.hidden_size)

    def tokenize(self, texts: Iterable[str], side: Side) -> list[list[int]]:
        """Return the token ids of each text behind its prefix, cut to max_length, unpadded."""
        if isinstance(texts, str):
            raise InputError(f"texts is a text ({texts[:40]!r}); give a list of texts")
        prefixed = [self.prefixes[side] + text for text in texts]
        if not prefixed:
            return []
        tokens = self.tokenizer(
            prefixed, truncation=True, max_length=self.max_length, return_attention_mask=False
        )
        if not all(tokens["input_ids"]):
            row = next(row for row, ids in enumerate(tokens["input_ids"]) if not ids)
            raise InputError(f"the {side} {prefixed[row]!r} has no tokens, and so no vector")
        return tokens["input_ids"]

    def pad(self, token_ids: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return a rectangular batch: input_ids and attention_mask, ``[texts, longest]`` each."""
        rows = [torch.tensor(ids) for ids in token_ids]
        lengths = torch.tensor([len(row) for row in rows])
        padding = self.tokenizer.pad_token_id
        input_ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
        # Sentinel tokens of a tokenizer may lie beyond the embeddings.
        table: Any = self.backbone.get_input_embeddings()
        if input_ids.numel() and input_ids.max() >= len(table.weight):
            raise InputError(
                f"a text has the token {self.tokenizer.convert_ids_to_tokens(int(input_ids.max()))}"
                ", for which the model has no embedding"
            )
        attention_mask = (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()
        return {
            "input_ids": input_ids.to(self.device),
            "attention_mask": attention_mask.to(self.device),
        }

    def forward(
        self,
        token_ids: Sequence[Sequence[int]],
        token_budget: int | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """Return unit vectors ``[texts, dimension]``, float32, in the order given.

        Texts go through in length order, in micro-batches. That changes vectors by rounding alone.

        Args:
            token_ids: what :meth:`tokenize` returns.
            token_budget: as in :meth:`encode`.
            seed: the dropout of micro-batch n is that of ``seed + n``, whatever was drawn before.

        Raises:
            InputError: a text has no direction: its vector is zero or not finite.
        """
        batches = self.micro_batches(token_ids, token_budget)
        vectors = []
        for number, rows in enumerate(batches):
            if seed is not None:
                torch.manual_seed(seed + number)
            vectors.append(self.embed(**self.pad([token_ids[row] for row in rows])))
        original_order = torch.from_numpy(np.argsort(np.concatenate(batches)))
        ordered = torch.cat(vectors)[original_order.to(self.device)]
        check_directions(ordered, token_ids, self.tokenizer)
        return ordered

    def micro_batches(
        self, token_ids: Sequence[Sequence[int]], token_budget: int | None = None
    ) -> list[np.ndarray]:
        """Return row numbers in micro-batches, longest first; see :func:`micro_batches`."""
        lengths = [len(ids) for ids in token_ids]
        budget, call = limits_on(self.device, self.training, token_budget)
        padded = not is_packed(self.backbone)
        return micro_batches(lengths, budget, self.equal_lengths, call, padded)

    def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the unit vectors of one padded batch."""
        parts = hidden_states(self.backbone, input_ids, attention_mask)
        pooled = torch.cat([self.pool(hidden.float(), mask) for hidden, mask in parts])
        return nn.functional.normalize(pooled, dim=-1)

    def pool(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Return one vector for each text, ``[texts, dimension]``, behind the dense layers."""
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        elif self.pooling == "last":
            # Padding stands at the end, whatever side the tokenizer would pad.
            last = attention_mask.sum(1) - 1
            pooled = hidden[torch.arange(len(hidden), device=hidden.device), last]
        else:
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        if self.dense is not None:
            pooled = self.dense(pooled).float()
        return pooled

    def correct(self, vectors: Tensor, side: Side) -> Tensor:
        """Return unit vectors as the correction of their side leaves them, if there is one."""
        if self.correction is None:
            return vectors
        with torch.autocast(vectors.device.type, enabled=False):
            return nn.functional.normalize(self.correction[side](vectors.float()), dim=-1)

    @torch.no_grad()  # in inference mode, autocast would round the weights for every micro-batch
    def encode(
        self,
        texts: Iterable[str],
        side: Side,
        token_budget: int | None = None,
        progress: bool = False,
        shared: bool = True,
    ) -> np.ndarray:
        """Return vectors ``[texts, dimension]`` (float32, unit length) in the order given.

        Texts go through in length order, in micro-batches. Equal texts go through once and have
        equal vectors, so that their scores tie. The attribute ``encode_precision`` may be ``bf16``
        or, on a CPU, ``int8``.

        Args:
            texts: what to encode.
            side: whose prefix the texts get.
            token_budget: tokens of a micro-batch at most, padding included; None: what suits the
                device.
            progress: show a progress bar.
            shared: several processes share the work, and each has all vectors in the end; all must
                ask for the same texts. If false, each process encodes its own texts.

        Raises:
            InputError: a text has no tokens, its vector is zero or not finite, int8 is not to be
                had on this device, or a GPU's memory does not suffice.
        """
        was_training = self.training
        self.eval()
        unique, number = unique_rows(self.tokenize(texts, side))
        vectors = np.zeros((len(unique), self.dimension), dtype=np.float32)
        rank, world = rank_and_world() if shared else (0, 1)
        bar = tqdm(
            total=len(unique),
            desc=f"encoding {side}",
            unit="text",
            disable=not progress or rank > 0,
            mininterval=2,
        )
        memory = advised_on_memory("lower encode_tokens (token_budget)")
        with bar, memory, in_precision(self.backbone, self.encode_precision):
            batches = self.micro_batches(unique, token_budget)
            for index, rows in enumerate(batches):
                # The processes take the micro-batches in turn.
                if index % world == rank:
                    batch = self.pad([unique[row] for row in rows])
                    vectors[rows] = self.correct(self.embed(**batch), side).cpu().numpy()
                bar.update(len(rows))
        if shared:
            vectors = all_sum(vectors)
        self.train(was_training)
        check_directions(torch.from_numpy(vectors), unique, self.tokenizer, side)
        return vectors[number]

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
        **config_changes: Any,
    ) -> DualEncoder:
        """Load a transformers folder or a hub id, in float32, safetensors only.

        Pooling, prefixes and length that are None come from the folder's sentence-transformers
        files. Where a folder has no modules.json, they are ``mean`` (of a causal language model
        ``last``), the paper's prefixes and 128 tokens. Where its files state no prompt at all, the
        prefixes are the paper's.

        Args:
            name: a folder, or ``name`` or ``name@revision`` of the hub.
            pooling: ``mean``, ``cls`` or ``last``.
            query_prefix: text put before every query.
            passage_prefix: text put before every passage.
            max_length: tokens kept of each text.
            dropout: sets every dropout of the model's config.
            projection: width of a dense layer behind the pooling, where the folder has none: a
                random rotation, which keeps cosines as far as its width allows.
            seed: of the projection.
            **config_changes: any other entry of the model's config.

        Raises:
            InputError: the folder or a part of it is missing, damaged or not supported, the hub
                cannot be reached, max_length is more than the model has positions for, projection
                is not the width of the folder's dense layers, or vectors would mean nothing.
        """
        files = locate(str(name))
        layout = st_format.read(files)
        config, backbone, tokenizer = load_parts(files, layout, dropout, config_changes)

        # What the caller gives comes before what the folder says, and that before the defaults.
        prefixes = choose_prefixes(files, layout, query_prefix, passage_prefix)
        length = kept_length(files.name, backbone, tokenizer, layout, max_length)
        with rules_kept(tokenizer):
            check_prefixes(files.name, tokenizer, prefixes, length)
        width = None if layout.correction else projection
        dense = layout.dense or projection_layer(backbone.config.hidden_size, width, seed)
        encoder = cls(
            backbone,
            tokenizer,
            stated_pooling(config, layout) if pooling is None else pooling,
            prefixes,
            length,
            dense,
        )
        if projection not in (None, encoder.dimension):
            raise InputError(
                f"projection ({projection}): {files.name} has dense layers of its own, to a width "
                f"of {encoder.dimension}; leave projection at null"
            )
        encoder.lower_case = layout.lower_case
        encoder.correction = layout.correction
        encoder.source = files.about(config)
        with rules_kept(tokenizer):
            check_encodes(encoder, files.name)
        return encoder

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer, pooling, prompts, dense layers and a model card.

        The result is a folder of sentence-transformers. It is written aside and then replaces an
        old one, so that a kill leaves either the old folder or the new one.
        """
        aside = folder.with_name(folder.name + ".part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        (self.adapter or self.backbone).save_pretrained(aside)
        self.tokenizer.save_pretrained(aside)
        layout = st_format.Layout(
            pooling=self.pooling,
            prefixes=self.prefixes,
            max_length=self.max_length,
            dense=self.dense,
            lower_case=self.lower_case,
            correction=self.correction,
        )
        st_write.write(aside, layout, self.backbone.config.hidden_size)
        write_card(aside, self)
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)

    def freeze(self, embeddings: bool = False, layers: int = 0) -> str | None:
        """Exclude a part of the encoder from training.

        Args:
            embeddings: freeze the embeddings of tokens, positions and types.
            layers: freeze the first so many transformer layers.

        Returns:
            What is frozen, in a sentence; None if nothing.

        Raises:
            InputError: the encoder has fewer layers.
        """
        # The transformer layers are the longest list of modules.
        stacks = [module for module in self.backbone.modules() if isinstance(module, nn.ModuleList)]
        stack = max(stacks, key=len)
        if layers > len(stack):
            raise InputError(f"freeze_layers ({layers}): the encoder has {len(stack)} layers")

        parts: list[nn.Module] = []
        names = []
        if embeddings:
            names.append("the embeddings")
            parts.append(self.backbone.get_input_embeddings())
            # BERT-like models hold the embeddings of positions and types beside those of tokens.
            children = dict(self.backbone.named_children())
            if "embeddings" in children:
                parts.append(children["embeddings"])
        if layers > 0:
            names.append(f"the first {layers} of {len(stack)} layers")
            parts += stack[:layers]
        if not parts:
            return None

        for part in parts:
            part.requires_grad_(False)
        total = sum(weight.numel() for weight in self.parameters())
        frozen = sum(weight.numel() for weight in self.parameters() if not weight.requires_grad)
        return (
            f"frozen: {' and '.join(names)}, {frozen / 1e6:.1f} of {total / 1e6:.1f} M parameters"
        )
