"""Parameter files: what YAML makes of them, and what is put on top by ``-p``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hybridlib.config.params import Params
from hybridlib.config.yaml_files import parse_overrides, read_yaml
from hybridlib.errors import InputError


def refused(content: str, folder: Path) -> tuple[Path, str]:
    """A parameter file with this content, and the one line with which it is refused."""
    file = folder / "run.yaml"
    file.write_text(content)
    with pytest.raises(InputError) as error:
        Params.load(file)
    message = str(error.value)
    assert "\n" not in message
    return file, message


def test_numbers_are_those_of_yaml_1_2(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("learning_rate: 2e-5\nweight_decay: 1e-2\nsteps: '300'\nbatch_size: 010\n")
    params = Params.load(file)
    numbers = [params.learning_rate, params.weight_decay, params.steps, params.batch_size]
    assert numbers == [2e-5, 1e-2, 300, 10]


def test_numbers_that_another_reader_gives_as_text_are_numbers():
    """papermill reads its files as YAML 1.1, where 2e-5 is a text."""
    given = yaml.safe_load("learning_rate: 2e-5")
    assert given == {"learning_rate": "2e-5"}
    assert Params.check(given).learning_rate == 2e-5


@pytest.mark.parametrize("text", ["steps: 1:30", "steps: 1_000x", "seed: 2026-01-01"])
def test_what_is_no_number_is_refused(text, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(text + "\n")
    with pytest.raises(InputError, match=text.partition(":")[0]):
        Params.load(file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("alpha: 0.3\nsteps: 10\nalpha: 0.5\n", 'found duplicate key "alpha"'),
        ("grid:\n  alpha: [0.3]\n  alpha: [0.5]\n", 'found duplicate key "alpha"'),
        ("1: 2\n", "the key 1 is no text"),
        ("null: 2\n", "the key None is no text"),
        ("1.5: 2\n", "the key 1.5 is no text"),
        ("no: 2\n", "there is no parameter 'no'"),
    ],
)
def test_keys_are_texts_and_stand_once(content, reason, tmp_path):
    file, message = refused(content, tmp_path)
    assert reason in message and str(file) in message


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize("name", ["temperature", "learning_rate", "max_grad_norm", "dropout"])
def test_infinite_and_undefined_numbers_are_refused(name, value, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(f"{name}: {value}\n")
    with pytest.raises(InputError, match=f"{name} = "):
        Params.load(file)


@pytest.mark.parametrize(("key", "text"), [("languages", "[true, de]"), ("steps", "true")])
def test_unintended_booleans_are_explained(key, text, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(f"{key}: {text}\n")
    reason = "YAML reads an unquoted yes, no, on, off, true or false as a boolean: put it in quotes"
    with pytest.raises(InputError, match=reason) as error:
        Params.load(file)
    assert f"{file}: {key} = " in str(error.value)


def test_booleans_of_another_reader_are_explained():
    with pytest.raises(InputError, match=r"languages = .*put it in quotes"):
        Params.check(yaml.safe_load("languages: [no, de]"))


def test_norwegian_needs_no_quotes(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("eval_languages: [no, de]\nquery_prefix: on\n")
    params = Params.load(file)
    assert params.eval_languages == ["no", "de"]
    assert params.query_prefix == "on"


def test_no_evaluation_languages_are_refused():
    with pytest.raises(InputError, match=r"eval_languages = .*null takes all languages"):
        Params.check({"eval_languages": []})


def test_quoted_norwegian_and_meant_booleans_are_valid(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("eval_languages: ['no', de]\nfreeze_embeddings: yes\n")
    params = Params.load(file)
    assert params.eval_languages == ["no", "de"]
    assert params.freeze_embeddings is True


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("steps: [1, 2", "cannot be read as YAML"),
        ("steps: 1\n\tseed: 2", "cannot be read as YAML"),
        ("- steps", "expected `key: value` lines, found list"),
        ("", "found NoneType"),
        ("steps", "found str"),
        (b"\xff\xfe\x00", "cannot be read as YAML"),
    ],
)
def test_bad_yaml_is_named(content, reason, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        Params.load(file)
    assert str(error.value).startswith(f"{file}: ")
    assert reason in str(error.value)


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such parameter file"):
        Params.load(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        read_yaml(tmp_path)


def test_overrides_win_over_the_file_and_are_checked(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("steps: 10\nseed: 3\n")
    given = [
        ("steps", "20"),
        ("languages", "[de, th]"),
        ("eval_languages", "null"),
        ("alpha", "1e-1"),
        ("grid", "{alpha: [0.25]}"),
    ]
    params = Params.load(file, parse_overrides(given))
    assert params.steps == 20
    assert params.seed == 3
    assert params.languages == ["de", "th"]
    assert params.eval_languages is None
    assert params.alpha == 0.1
    assert params.grid == {"alpha": [0.25]}
    with pytest.raises(InputError, match="did you mean 'steps'"):
        Params.load(file, {"stepz": 1})


def test_an_override_that_is_no_yaml_is_named():
    with pytest.raises(InputError, match=r"-p languages: '\[de' cannot be read as YAML") as error:
        parse_overrides([("languages", "[de")])
    assert "\n" not in str(error.value)


def test_the_encoder_of_a_grid_is_its_first_unless_the_file_says_another(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text("encoders: [models/some, models/other]\n")
    assert Params.load(file).encoder == "models/some"
    assert Params.load(file, {"encoder": "models/other"}).encoder == "models/other"
    assert Params.load(file, {"encoders": ["models/third"]}).encoder == "models/third"


def test_save_and_load(tmp_path):
    params = Params(
        study="mine",
        output_dir="some/where",
        train_corpus="pairs",
        train_corpus_path="data/ä.jsonl",
        languages=["de", "no"],
        eval_languages=["th"],
        learning_rate=2e-5,
        pooling="cls",
        query_prefix="คำถาม: ",
        passage_prefix="",
        dropout=0.1,
        freeze_embeddings=True,
        precision="bf16",
        seeds=[3, 1],
        strategies=["x-y"],
        grid={"alpha": [0.25]},
    )
    file = tmp_path / "params.yaml"
    params.save(file)
    assert Params.load(file) == params
    saved = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert list(saved) == list(Params.model_fields)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", ""), (" ", " "), ("''", ""), ("null", None), ("~", None), ("no", "no"), ("0.5", 0.5)],
)
def test_an_empty_override_is_the_empty_text(text, value):
    assert parse_overrides([("query_prefix", text)]) == {"query_prefix": value}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("steps: 1_000\n", "steps = '1_000': is a text that is no number"),
        ("steps: 1" + "0" * 5000 + "\n", "cannot be read as YAML"),
        ("steps: 1" + "0" * 30 + "\n", "is too large"),
        ("a: " + "[" * 5000 + "\n", "cannot be read as YAML"),
        ("languages: !!set {en, de}\n", "is a set, which has no order; give a list"),
        ("study: !!binary aGk=\n", "is binary; give a text"),
        ("languages: [en/us]\n", "'en/us': it cannot be a language"),
        ("eval_languages: ['']\n", "'': it cannot be a language"),
        ("languages: [all]\n", "'all': it cannot be a language"),
        ("languages: [..]\n", "'..': it cannot be a language"),
        ("output_dir: ''\n", "an empty path; null stands for none"),
        ("also_evaluate: [{eval_corpus: facts, top_k: .inf}]\n", "also_evaluate, entry 1: top_k"),
        ("train_corpus_path: 7\n", "train_corpus_path = 7: Input is not a valid path"),
    ],
)
def test_values_of_which_it_would_be_a_guess_what_they_mean(content, reason, tmp_path):
    file, message = refused(content, tmp_path)
    assert message.startswith(f"{file}: ") and reason in message
    assert "lax-or-strict" not in message


@pytest.mark.parametrize("text", ["1_0", "٣", "0x10", "ten", " 7"])
def test_a_text_that_is_no_number_is_refused(text):
    with pytest.raises(InputError, match=r"steps = .*: is a text that is no number"):
        Params.check({"steps": text})


def test_blank_texts_of_the_command_line_are_texts_and_names_stand_once():
    assert parse_overrides([("query_prefix", "\t"), ("steps", "3")])["query_prefix"] == "\t"
    with pytest.raises(InputError, match="-p steps stands twice; give it once"):
        parse_overrides([("steps", "3"), ("seed", "1"), ("steps", "4")])
