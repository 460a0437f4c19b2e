"""Model cards: what the hub reads of them, and that what they say holds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard

from hybridlib.model.card import About, write_card
from hybridlib.model.encoder import DualEncoder


def test_every_saved_encoder_has_a_card(encoder, tmp_path):
    encoder.save(tmp_path / "mine")
    card = ModelCard.load(tmp_path / "mine" / "README.md")
    assert card.data.library_name == "sentence-transformers"
    assert card.data.pipeline_tag == "sentence-similarity"
    assert card.data.base_model is None
    assert card.text.strip().startswith("# mine\n")
    assert "'Query: ', before a passage 'Passage: '" in card.text
    assert "`encode` does not work" not in card.text


def test_the_code_of_the_card_runs(encoder, tmp_path):
    encoder.save(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, re.S)
    names: dict[str, np.ndarray] = {}
    exec(code.replace('"..."', repr(str(tmp_path))), names)
    ours = encoder.encode(["How far away is the Moon?"], "query")
    theirs = encoder.encode(["Der Mond ist 384.400 km entfernt."], "passage")
    assert np.abs(names["scores"] - ours @ theirs.T).max() < 1e-5


def test_what_is_known_stands_in_the_head(encoder, tmp_path):
    about = About(
        title="a study: a run",
        base_model="intfloat/multilingual-e5-small",
        languages=["de", "en"],
        datasets=["unicamp-dl/mmarco"],
        licence="mit",
        sections=["## Training\n\nNone."],
    )
    write_card(tmp_path, encoder, about)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model == "intfloat/multilingual-e5-small"
    assert card.data.language == ["de", "en"]
    assert card.data.datasets == ["unicamp-dl/mmarco"]
    assert card.data.license == "mit"
    assert card.text.strip().startswith("# a study: a run\n")
    assert card.text.endswith("## Training\n\nNone.\n")


def test_the_card_does_not_change_the_encoder(encoder, tmp_path: Path):
    encoder.save(tmp_path / "mine")
    (tmp_path / "mine" / "README.md").unlink()
    again = DualEncoder.load(tmp_path / "mine")
    assert (again.encode(["a"], "query") == encoder.encode(["a"], "query")).all()
