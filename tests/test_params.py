"""Parameters are refused before anything runs, with a message that says what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from hybridlib.config.describe import describe
from hybridlib.config.notebook import _literal_names
from hybridlib.config.parameters import Step
from hybridlib.config.params import Params, parse_override, read_yaml
from hybridlib.errors import InputError

PROJECT = Path(__file__).resolve().parents[1]


def refusal(**values: Any) -> str:
    with pytest.raises(InputError) as error:
        Params.check(values, "mine.yaml")
    assert str(error.value).startswith("mine.yaml: ")
    return str(error.value)


def test_the_defaults_are_valid_and_can_be_checked_again():
    params = Params()
    assert Params.check(params.plain()) == params == Params.check(params.model_dump())


def test_every_parameter_says_what_it_means_and_what_depends_on_it():
    for name, field in Params.model_fields.items():
        assert field.description and len(field.description) > 8, name
        assert field.json_schema_extra["step"] in get_args(Step), name
    table = describe().set_index("name")
    assert list(table.index) == list(Params.model_fields)
    assert table["meaning"].str.len().min() > 8
    assert table.loc["max_length", ["type", "unit", "range", "step"]].tolist() == [
        "whole number | null",
        "tokens",
        ">= 4, <= 8192",
        "training",
    ]
    assert (
        table.loc["output_dir", "default"] == "outputs"
        and table.loc["train_corpus_path", "type"] == "path | list of path or null | null"
    )
    assert table.loc["corrections", ["type", "default"]].tolist() == [
        "list of centering or lir or shift",
        "[centering, lir]",
    ]
    assert {
        name: parse_override(text) for name, text in table["default"].items()
    } == Params().plain()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("temprature", "temperature"),
        ("batchsize", "batch_size"),
        ("learning-rate", "learning_rate"),
        ("layerz", "layers"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(typed, meant):
    said = refusal(**{typed: 1})
    assert (
        f"there is no parameter {typed!r} (did you mean {meant!r}?)" in said
        and "hybridlib params" in said
    )


def test_an_unknown_key_that_resembles_nothing_is_refused_without_a_guess():
    assert "no parameter 'qqq';" in refusal(qqq=1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "many"),
        ("steps", 2.5),
        ("steps", None),
        ("steps", [3]),
        ("learning_rate", "fast"),
        ("learning_rate", {}),
        ("languages", "de"),
        ("languages", [1, 2]),
        ("study", 3),
        ("encoder", None),
        ("pooling", "max"),
        ("precision", "fp8"),
        ("candidate_text", "paragraph"),
        ("seeds", ["a"]),
        ("seeds", 0),
        ("freeze_embeddings", 3),
        ("output_dir", 7),
    ],
)
def test_wrong_types_are_refused(key, value):
    said = refusal(**{key: value})
    assert f"{key} = " in said or f"{key}." in said
    assert repr(value if not isinstance(value, list) else value[0]) in said or "2.5" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", -0.1),
        ("alpha", 1.01),
        ("alpha", float("nan")),
        ("steps", 0),
        ("batch_size", 1),
        ("learning_rate", 0),
        ("learning_rate", 1),
        ("learning_rate", "nan"),
        ("temperature", 0),
        ("seed", -1),
        ("seed", 2**31),
        ("validation_fraction", 0),
        ("validation_fraction", 0.5),
        ("variants", 4),
        ("variants", 0),
        ("vocab_size", 10),
        ("hidden_size", 100),
        ("max_length", 3),
        ("dropout", 1),
        ("warmup_fraction", 1),
        ("max_grad_norm", 0),
        ("languages", []),
        ("encoders", []),
        ("seeds", []),
        ("strategies", []),
        ("encoder", ""),
        ("top_k", 0),
        ("study", ""),
        ("study", "../up"),
        ("study", "a b"),
        ("study", ".hidden"),
    ],
)
def test_values_out_of_range_are_refused(key, value):
    assert f"{key} = " in refusal(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", 0),
        ("alpha", 1),
        ("seed", 2**31 - 1),
        ("variants", 3),
        ("dropout", 0),
        ("warmup_fraction", 0),
        ("steps", 1),
        ("dropout", None),
        ("eval_languages", None),
        ("query_prefix", ""),
    ],
)
def test_the_ends_of_a_range_are_valid(key, value):
    assert getattr(Params.check({key: value}), key) == value


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("learning_rate: 2e-5\nweight_decay: 1e-2\nsteps: '300'\ndropout: 1e-1\n")
    assert yaml.safe_load(file.read_text())["learning_rate"] == "2e-5"  # why this is needed
    params = Params.load(file)
    assert (params.learning_rate, params.weight_decay, params.steps, params.dropout) == (
        2e-5,
        1e-2,
        300,
        0.1,
    )


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("languages", "[no, de]"),
        ("study", "on"),
        ("query_prefix", "yes"),
        ("steps", "true"),
        ("eval_languages", "[no]"),
        ("dropout", "off"),
        ("candidate_text", "no"),
    ],
)
def test_booleans_that_nobody_meant_are_explained(key, text, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(f"{key}: {text}\n")
    with pytest.raises(
        InputError,
        match="YAML reads an unquoted yes, no, on, off, true or false as a boolean: put it in quotes",
    ) as error:
        Params.load(file)
    assert f"{file}: {key} = " in str(error.value)


def test_quoted_norwegian_and_meant_booleans_are_valid(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("eval_languages: ['no', de]\nfreeze_embeddings: yes\n")
    assert (
        Params.load(file).eval_languages == ["no", "de"]
        and Params.load(file).freeze_embeddings is True
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("languages", ["de", "en", "de"]),
        ("eval_languages", ["de", "de"]),
        ("encoders", ["built-in", "built-in"]),
        ("strategies", ["x-y", "x-y"]),
        ("seeds", [0, 1, 0]),
    ],
)
def test_entries_that_stand_twice_are_refused(key, value):
    assert f"{key} = {value!r}: an entry stands twice" in refusal(**{key: value})


@pytest.mark.parametrize(
    ("typed", "meant"), [("hybird", "hybrid"), ("x-x-mon", "x-x-mono"), ("untraind", "untrained")]
)
def test_an_unknown_strategy_is_refused_with_the_nearest(typed, meant):
    for values in ({"strategy": typed}, {"strategies": ["x-y", typed]}):
        said = refusal(**values)
        assert (
            f"no strategy is called {typed!r} (did you mean {meant!r}?)" in said
            and "x-y-pair" in said
        )


@pytest.mark.parametrize("key", ["train_corpus", "eval_corpus"])
def test_corpora_and_their_paths(key):
    assert (
        f"{key}: no corpus is called 'xquad' (did you mean 'xquad-r'?); there are facts, pairs, xquad-r, mlqa-r"
        in refusal(**{key: "xquad"})
    )
    for corpus in ("pairs", "xquad-r", "mlqa-r"):
        assert f"{key}_path: {corpus!r} needs the path of its file or folder" in refusal(
            **{key: corpus}
        )
    assert f"{key}_path: the built-in facts take no path, got 'some/file'" in refusal(
        **{f"{key}_path": "some/file"}
    )
    assert getattr(Params.check({key: "pairs", f"{key}_path": "a.csv"}), f"{key}_path") == Path(
        "a.csv"
    )


def test_heads_must_divide_the_width():
    assert "attention_heads (5) must divide hidden_size (128)" in refusal(attention_heads=5)


def test_all_mistakes_are_said_at_once():
    said = refusal(steps=0, alpah=0.3, temperature="cold")
    assert (
        "steps = 0" in said
        and "'alpah' (did you mean 'alpha'?)" in said
        and "temperature = 'cold'" in said
    )


def test_parameters_do_not_change_but_are_copied():
    params = Params()
    with pytest.raises(ValueError):
        params.steps = 3
    assert params.but(steps=3, seed=1).steps == 3 and params.steps != 3
    assert params.but(steps=params.steps) == params
    with pytest.raises(InputError, match="did you mean 'steps'"):
        params.but(step=3)


# ------------------------------------------------------------------------------------------------------------- files


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
    assert str(error.value).startswith(f"{file}: ") and reason in str(error.value)


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.yaml: no such parameter file"):
        Params.load(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        read_yaml(tmp_path)


def test_overrides_win_over_the_file_and_are_checked(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("steps: 10\nseed: 3\n")
    params = Params.load(
        file,
        {
            "steps": parse_override("20"),
            "languages": parse_override("[de, th]"),
            "eval_languages": parse_override("null"),
            "alpha": parse_override("1e-1"),
        },
    )
    assert (params.steps, params.seed, params.languages, params.eval_languages, params.alpha) == (
        20,
        3,
        ["de", "th"],
        None,
        0.1,
    )
    with pytest.raises(InputError, match="did you mean 'steps'"):
        Params.load(file, {"stepz": 1})


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
    )
    params.save(tmp_path / "params.yaml")
    assert Params.load(tmp_path / "params.yaml") == params
    assert list(yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))) == list(
        Params.model_fields
    )


def parameter_files() -> list[Path]:
    return sorted((PROJECT / "params").rglob("*.yaml"))


@pytest.mark.parametrize("file", parameter_files(), ids=lambda file: str(file.relative_to(PROJECT)))
def test_the_files_in_params_are_valid(file, strategies_as_before):
    params = Params.load(file)
    assert params.study == file.stem or file.parent.name != "params"


def test_there_are_files_in_params():
    assert {"quickstart", "smoke"} <= {file.stem for file in parameter_files()}


# --------------------------------------------------------------------------------------------------------- notebooks


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("steps = 3", ["steps"]),
        (
            "# Parameters\nsteps = 3  # few\nalpha = -0.5\nlanguages = ['de', 'en']\n\nstudy = 'a'",
            ["steps", "alpha", "languages", "study"],
        ),
        (
            "dropout = None\nfreeze_embeddings = True\nx = {'a': (1, 2)}",
            ["dropout", "freeze_embeddings", "x"],
        ),
        ("a = b = 1", ["a", "b"]),
        ("a = 1; b = 2", ["a", "b"]),
        ("", []),
        ("# only a comment", []),
        ("'''only a text'''", []),
        ("steps = 3\nprint(steps)", []),
        ("steps = int('3')", []),
        ("steps = other", []),
        ("steps = 2 * 3", []),
        ("steps: int = 3", []),
        ("steps += 1", []),
        ("a, b = 1, 2", []),
        ("a.b = 1", []),
        ("a['b'] = 1", []),
        ("import os", []),
        ("del steps", []),
        ("def f():\n    return 1", []),
        ("for i in [1]:\n    x = 1", []),
        ("%matplotlib inline", []),
        ("steps = ", []),
    ],
)
def test_only_cells_of_literal_assignments_are_parameter_cells(source, names):
    assert _literal_names(source) == names


class Shell:
    """What is left in an IPython session by the cells that ran."""

    def __init__(self, *cells: str) -> None:
        self.user_ns = {"In": ["", *cells]}


def from_cells(monkeypatch, *cells: str) -> Params:
    namespace: dict[str, Any] = {"get_ipython": None, "unrelated": 1}
    for cell in cells[:-1]:
        exec(cell, namespace)
    monkeypatch.setattr("IPython.get_ipython", lambda: Shell(*cells))
    return Params.from_notebook(namespace)


CALL = "params = Params.from_notebook(globals())"


def test_a_notebook_takes_its_cell_and_the_injected_one(monkeypatch):
    params = from_cells(
        monkeypatch,
        "import os",
        "steps = 3\nseed = 1",
        "# Parameters\nsteps = 5\nalpha = 0.25",
        CALL,
    )
    assert (params.steps, params.seed, params.alpha) == (5, 1, 0.25)


def test_a_notebook_leaves_earlier_cells_alone(monkeypatch):
    """Cells before other code are no parameter cells, even when they look like some."""
    params = from_cells(monkeypatch, "width = 3", "import os", "steps = 4", CALL)
    assert params.steps == 4


def test_a_misspelt_name_in_a_parameter_cell_is_refused(monkeypatch):
    with pytest.raises(InputError, match="notebook parameters: there is no parameter 'stepz'"):
        from_cells(monkeypatch, "seed = 1", "stepz = 3", CALL)


@pytest.mark.parametrize(
    "file", sorted((PROJECT / "params" / "paper").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_papers_settings(file):
    params, text = Params.load(file), file.read_text(encoding="utf-8")
    assert (
        params.batch_size,
        params.learning_rate,
        params.weight_decay,
        params.alpha,
        params.dataset_tau,
    ) == (100, 3e-5, 0.01, 0.5, 1.0)
    assert params.strategies == ["untrained", "x-x-mono", "x-y", "hybrid"] and params.study == (
        "paper" if file.stem == "grid" else f"paper-{file.stem}"
    )
    assert not {"el", "vi"} & set(params.languages) and not any(
        "@" in encoder for encoder in params.encoders
    )
    assert all(
        f"{name}: {value}  # open" in text
        for name, value in (("temperature", 0.05), ("steps", 20000), ("warmup_fraction", 0.1))
    )


def test_further_evaluations_are_studies_that_train_nothing():
    entry = {"eval_corpus": "mlqa-r", "eval_corpus_path": "data/mlqa-r", "top_k": 100}
    params = Params(
        study="grid",
        eval_corpus="xquad-r",
        eval_corpus_path="data/xquad-r",
        eval_languages=["de", "en"],
        also_evaluate=[entry],
    )
    (further,) = params.further()
    assert (
        further.study,
        further.trained_in,
        further.eval_corpus,
        further.top_k,
        further.eval_languages,
    ) == ("grid-mlqa-r", "grid", "mlqa-r", 100, None)
    assert further.also_evaluate == [] and further.steps == params.steps


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"eval_corpus": "facts", "steps": 3}, "'steps' is not a parameter of the evaluation"),
        (
            {"eval_corpus": "facts", "topk": 3},
            "'topk' is not a parameter of the evaluation \\(did you mean 'top_k'",
        ),
        ({"top_k": 3}, "it has no eval_corpus"),
    ],
)
def test_a_further_evaluation_that_cannot_be_is_refused(entry, message):
    with pytest.raises(InputError, match=f"also_evaluate, entry 1: {message}"):
        Params.check({"also_evaluate": [entry]})


def test_further_evaluations_of_one_corpus_are_refused_or_explained():
    with pytest.raises(InputError, match="a corpus stands twice"):
        Params.check({"also_evaluate": [{"eval_corpus": "facts"}] * 2}).further()
    with pytest.raises(InputError, match="also_evaluate, entry 1: .*'xquad-r' needs the path"):
        Params.check({"also_evaluate": [{"eval_corpus": "xquad-r"}]}).further()
