"""The model card: README.md of an encoder's folder, which the hub shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridlib import __version__

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

_USE = """```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("...")  # the path of this folder, or the id of its repository
queries = model.encode_query(["How far away is the Moon?"], normalize_embeddings=True)
passages = model.encode_document(["Der Mond ist 384.400 km entfernt."], normalize_embeddings=True)
scores = queries @ passages.T
```"""


@dataclass(frozen=True)
class About:
    """What a card says beyond what the encoder's own files say.

    Attributes:
        title: of the card; None: the name of the folder.
        base_model: the hub id of the encoder that training began with.
        languages: of the training pairs.
        datasets: hub ids of the training pairs.
        licence: of the encoder, as the hub writes it: ``mit``, ``cc-by-sa-4.0``.
        sections: further Markdown, each with its heading.
    """

    title: str | None = None
    base_model: str | None = None
    languages: Sequence[str] = ()
    datasets: Sequence[str] = ()
    licence: str | None = None
    sections: Sequence[str] = ()


def write_card(folder: Path, encoder: DualEncoder, about: About | None = None) -> None:
    """Write README.md into the folder of an encoder.

    Args:
        folder: where the encoder is.
        encoder: as it is written there.
        about: what else is known; None: that the encoder was loaded from the hub, if it was.
    """
    from huggingface_hub import ModelCard, ModelCardData  # takes a second to import

    about = about or About(base_model=hub_id(encoder))
    kinds = ["sentence-transformers", "sentence-similarity", "feature-extraction", "hybridlib"]
    data = ModelCardData(
        base_model=about.base_model,
        language=list(about.languages) or None,
        datasets=list(about.datasets) or None,
        license=about.licence,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=kinds,
    )
    parts = [
        f"---\n{data.to_yaml()}\n---",
        f"# {about.title or folder.name.removesuffix('.part')}",
        f"An encoder for retrieval: queries and passages become vectors of {encoder.dimension} "
        f"numbers, and the dot product of two is their cosine. Written by hybridlib {__version__}.",
        f"## Use\n\n{_USE}",
        _how_it_encodes(encoder),
        *about.sections,
    ]
    ModelCard("\n\n".join(parts) + "\n").save(folder / "README.md")


def hub_id(encoder: DualEncoder) -> str | None:
    """Return the hub id that an encoder was loaded from; None for a folder."""
    return encoder.source["encoder"] if encoder.source.get("revision") else None


def _how_it_encodes(encoder: DualEncoder) -> str:
    """Return what is done with a text, as a list."""
    lines = [
        f"- Before a query stands {encoder.prefixes['query']!r}, before a passage "
        f"{encoder.prefixes['passage']!r}: `encode_query` and `encode_document` add them.",
        f"- Of a text {encoder.max_length} tokens are kept; pooling: {encoder.pooling}.",
    ]
    if encoder.correction is not None:
        lines.append(
            "- The vectors are corrected for language bias, queries by another bias than passages. "
            "So `encode` does not work here: it does not say which of the two a text is."
        )
    return "\n".join(lines)
