"""The prefixes of encoders that do not say theirs: of the family, or the paper's, never in silence.

Expected are the prefixes of the model cards: multilingual E5 was trained with 'query: ' and
'passage: ' (arXiv 2402.05672), its variant that follows instructions with others.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from hybridlib.model import prefixes
from hybridlib.model.defaults import PAPER_PREFIXES
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.source import Source

E5 = {"query": "query: ", "passage": "passage: "}


@pytest.fixture
def plain(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a folder without any file of sentence-transformers, nothing said of it yet."""
    monkeypatch.setattr(prefixes, "_said", set())

    def plain(name: str, **config: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(tiny_encoder, folder)
        for file in ("modules.json", "config_sentence_transformers.json"):
            (folder / file).unlink()
        (folder / "sentence_bert_config.json").unlink()
        shutil.rmtree(folder / "1_Pooling")
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**values, **config}))
        return folder

    return plain


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("multilingual-e5-small", {}),
        ("my_E5_large_2024", {}),
        ("encoder", {"_name_or_path": "intfloat/multilingual-e5-base"}),
    ],
)
def test_e5_brings_its_prefixes_and_says_so(plain, name, config, caplog):
    folder = plain(name, **config)
    assert DualEncoder.load(folder).prefixes == E5
    (message,) = warnings_of(caplog)
    assert message.startswith(f"{folder}: its folder states no prompts")
    assert "'query: ' and 'passage: ', with which E5 was trained" in message
    assert message.endswith("To choose: query_prefix and passage_prefix")


def test_a_link_has_the_family_of_what_it_leads_to(plain, tmp_path):
    (tmp_path / "link").symlink_to(plain("e5-small"))
    assert DualEncoder.load(tmp_path / "link").prefixes == E5


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("intfloat/multilingual-e5-small", "E5"),
        ("intfloat/e5-base-v2", "E5"),
        ("intfloat/multilingual-e5-large-instruct", None),
        ("google-bert/bert-base-multilingual-cased", None),
        ("somebody/made5-small", None),
    ],
)
def test_a_hub_id_tells_the_family(tmp_path, name, family):
    found = prefixes.family_of(Source(name, tmp_path, "main", "0" * 40))
    assert (found and found.name) == family


def test_an_encoder_of_no_known_family_gets_the_papers_and_a_warning_once(plain, caplog):
    folder = plain("mbert")
    assert DualEncoder.load(folder).prefixes == PAPER_PREFIXES
    DualEncoder.load(folder)
    (message,) = warnings_of(caplog)
    assert "used: 'Query: ' and 'Passage: ', the paper's" in message


def test_what_the_caller_or_the_folder_states_needs_no_warning(plain, tmp_path, caplog):
    folder = plain("e5-small")
    encoder = DualEncoder.load(folder, query_prefix="q", passage_prefix="")
    assert encoder.prefixes == {"query": "q", "passage": ""}
    encoder.save(tmp_path / "saved-e5-small")
    assert DualEncoder.load(tmp_path / "saved-e5-small").prefixes == encoder.prefixes
    assert warnings_of(caplog) == []
    assert DualEncoder.load(folder, query_prefix="q").prefixes == {**E5, "query": "q"}
    (message,) = warnings_of(caplog)
    assert "used: 'passage: ', with" in message
    assert message.endswith("To choose: passage_prefix")
