"""Sizes that cannot work are found before anything runs; small ones are said beside the result."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.model import prefixes
from hybridlib.study import sizes
from hybridlib.study.cautions import few_questions, few_validated, weak_sizes
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study

LANGUAGES = ["de", "en", "fr"]


def write_pairs(file: Path, count: int, first: int = 0) -> Path:
    """A table of so many entries in three languages, French without the last three."""
    rows = [
        (f"entry {number}", lang, f"question {number} in {lang}?", f"answer {number} in {lang}")
        for number in range(first, first + count)
        for lang in LANGUAGES
        if lang != "fr" or number < first + count - 3
    ]
    table = pd.DataFrame(rows, columns=["pair_id", "lang", "question", "passage"])
    table.to_csv(file, index=False)
    return file


@pytest.fixture
def small(tmp_path: Path):
    """Makes a study on 40 entries, compared on 12 others; 2 entries are kept for validation."""
    write_pairs(tmp_path / "train.csv", 40)
    write_pairs(tmp_path / "test.csv", 12, first=100)

    def small(**changes: object) -> Params:
        values = {
            "study": "small",
            "output_dir": tmp_path / "out",
            "languages": LANGUAGES,
            "train_corpus": "pairs",
            "train_corpus_path": tmp_path / "train.csv",
            "eval_corpus": "pairs",
            "eval_corpus_path": tmp_path / "test.csv",
            "batch_size": 16,
            **changes,
        }
        return Params(**values)

    return small


def test_a_batch_that_no_language_can_fill_is_refused_with_the_largest_that_works(small):
    expected = (
        r"batch_size \(100\): the training pairs cannot fill it \(largest batch: x-x-mono 38, x-y "
        r"38, hybrid 38; pairs left for training: de 38, en 38, fr 3\d\); set batch_size to 38 or "
        "less"
    )
    with pytest.raises(InputError, match=expected):
        sizes.check_sizes(small(batch_size=100))
    assert sizes.check_sizes(small(batch_size=38, validation_fraction=0.05)) != []


def test_every_size_of_a_grid_is_checked_and_only_for_what_is_trained(small):
    grid = {"batch_size": [16, 64]}
    with pytest.raises(InputError, match=r"batch_size \(64\).*largest batch: x-y 38"):
        sizes.check_sizes(small(strategies=["untrained", "x-y"], grid=grid))
    assert sizes.check_sizes(small(strategies=["untrained"], batch_size=64))


def test_a_strategy_that_can_fill_no_batch_is_named(small, tmp_path):
    table = pd.read_csv(tmp_path / "train.csv")
    table["pair_id"] += " " + table["lang"]
    table.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InputError, match=r"\(largest batch: x-y 0; .*leave out x-y, which these"):
        sizes.check_sizes(small(strategies=["x-x-mono", "x-y"]))


def test_small_sizes_are_said(small):
    validation, comparison = sizes.check_sizes(small())
    assert validation.startswith("validation on 2 questions and 40 passages: its curve is mostly")
    assert comparison.startswith("comparison on 12 questions (test): of fewer than 50 an interval")


def test_the_corpora_of_also_evaluate_are_counted(small, tmp_path):
    file = str(write_pairs(tmp_path / "other.csv", 7, first=200))
    also = [{"eval_corpus": "pairs", "eval_corpus_path": file}]
    cautions = sizes.check_sizes(small(also_evaluate=also))
    assert cautions[-1].startswith("comparison on 7 questions (other)")


def test_what_is_not_here_or_large_is_not_read(small, tmp_path, monkeypatch):
    assert sizes.check_sizes(small(train_corpus_path=tmp_path / "none.csv", batch_size=100)) == []
    monkeypatch.setattr(sizes, "_QUICKLY_READ", 100)
    assert sizes.check_sizes(small(batch_size=100)) == []


def test_data_that_01_has_prepared_are_read(small, monkeypatch):
    params = small(batch_size=100)
    prepared = sizes.prepare(params)
    prepared.save(Study(params).data)
    monkeypatch.setattr(sizes, "is_done", lambda study, step: step == "data")
    monkeypatch.setattr(sizes, "prepare", None)
    with pytest.raises(InputError, match="set batch_size to 38"):
        sizes.check_sizes(params)


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_the_command_stops_before_anything_runs(small, tmp_path, capsys, more, notebooks):
    small(batch_size=100).save(tmp_path / "study.yaml")
    assert main(["run", str(tmp_path / "study.yaml"), *more]) == 2
    assert "set batch_size to 38 or less" in capsys.readouterr().err
    assert notebooks.executed == []
    assert not (tmp_path / "out").exists()


def test_the_plan_ends_with_what_weakens_the_result(small, tmp_path, capsys):
    small().save(tmp_path / "study.yaml")
    assert main(["run", str(tmp_path / "study.yaml"), "--dry-run"]) == 0
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.partition(" on ")[0] for line in last] == [
        "caution: validation",
        "caution: comparison",
    ]


def test_enough_is_not_commented(small):
    assert few_questions("test", 50) == []
    params = small(validation_fraction=0.49)
    assert len(few_validated(sizes.prepare(params).validation)) == 0
    assert (
        "1 question and 40 passages"
        in few_validated(sizes.prepare(small(validation_fraction=0.01)).validation)[0]
    )


def test_a_comparison_on_few_questions_says_so(study):
    """The made-up study has 30, and no texts."""
    (line,) = weak_sizes(finished_runs(study))
    assert line.startswith("comparison on 30 questions (")


def test_the_command_says_which_prefixes_an_encoder_gets(small, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(prefixes, "_said", set())
    folder = tmp_path / "multilingual-e5-tiny-e5-small"
    folder.mkdir()
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9}
    shape |= {"model_type": "bert", "intermediate_size": 8}
    (folder / "config.json").write_text(json.dumps(shape))
    file = tmp_path / "study.yaml"
    small(encoders=[str(folder)]).save(file)
    assert main(["run", str(file), "--dry-run"]) == 0
    (message,) = [record.message for record in caplog.records if "prompts" in record.message]
    assert message.startswith(f"{folder}: its folder states no prompts; used: 'query: ' and")
    # Nothing is to be said where the study sets them, or compares several.
    caplog.clear()
    monkeypatch.setattr(prefixes, "_said", set())
    small(encoders=[str(folder)], passage_prefix="", grid={"query_prefix": ["", "q: "]}).save(file)
    assert main(["run", str(file), "--dry-run"]) == 0
    assert [record for record in caplog.records if "prompts" in record.message] == []


def test_the_built_in_facts_are_looked_at_where_they_may_not_suffice(tmp_path, monkeypatch):
    few = Params(output_dir=tmp_path, languages=["de", "en"], batch_size=4000, seeds=[0])
    with pytest.raises(InputError, match=r"batch_size \(4000\).*largest batch: x-x-mono 3050"):
        sizes.check_sizes(few)
    one_language = few.but(languages=["de"], batch_size=16)
    with pytest.raises(InputError, match="leave out x-y"):
        sizes.check_sizes(one_language)
    # The usual sizes are known to work, and the facts need not be made.
    monkeypatch.setattr(sizes, "prepare", None)
    assert sizes.check_sizes(few.but(batch_size=1000)) == []
