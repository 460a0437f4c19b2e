"""Parameters are refused before anything runs, with a message that says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusal import refusal

from hybridlib.config.params import Params, names_of_step, step_of
from hybridlib.errors import InputError


def test_the_defaults_are_valid_and_can_be_checked_again():
    params = Params()
    assert Params.check(params.plain()) == params
    assert Params.check(params.model_dump()) == params


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
    message = refusal(**{typed: 1})
    assert f"there is no parameter {typed!r} (did you mean {meant!r}?)" in message
    assert "hybridlib params" in message


def test_an_unknown_key_that_resembles_nothing_is_refused_without_a_guess():
    assert "no parameter 'qqq';" in refusal(qqq=1)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("steps", "many", "'many'"),
        ("steps", 2.5, "2.5"),
        ("steps", None, "None"),
        ("steps", [3], "[3]"),
        ("learning_rate", "fast", "'fast'"),
        ("learning_rate", {}, "{}"),
        ("languages", "de", "'de'"),
        ("languages", [1, 2], "1"),
        ("study", 3, "3"),
        ("encoder", None, "None"),
        ("pooling", "max", "'max'"),
        ("precision", "fp8", "'fp8'"),
        ("candidate_text", "paragraph", "'paragraph'"),
        ("seeds", ["a"], "'a'"),
        ("seeds", 0, "0"),
        ("plugins", "own.py", "'own.py'"),
        ("plugins", [3], "3"),
        ("freeze_embeddings", 3, "3"),
        ("output_dir", 7, "7"),
        ("grid", ["alpha"], "['alpha']"),
        ("grid", {"alpha": 0.5}, "0.5"),
    ],
)
def test_wrong_types_are_refused(key, value, shown):
    message = refusal(**{key: value})
    assert f" {key}" in message and f" = {shown}: " in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", -0.1),
        ("alpha", 1.01),
        ("alpha", float("nan")),
        ("trained_share", -0.1),
        ("trained_share", 1.5),
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
        ("trained_share", 0),
        ("trained_share", 1),
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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("languages", ["de", "en", "de"]),
        ("eval_languages", ["de", "de"]),
        ("encoders", ["built-in", "built-in"]),
        ("strategies", ["x-y", "x-y"]),
        ("seeds", [0, 1, 0]),
        ("plugins", ["a.py", "a.py"]),
        ("trackers", ["tensorboard", "tensorboard"]),
        ("corrections", ["lir", "lir"]),
    ],
)
def test_entries_that_stand_twice_are_refused(key, value):
    assert f"{key} = {value!r}: an entry stands twice" in refusal(**{key: value})


def test_heads_must_divide_the_width():
    assert "attention_heads (5) must divide hidden_size (128)" in refusal(attention_heads=5)


def test_negatives_of_paragraphs_need_paragraphs():
    negatives = refusal(paragraph_negatives=True)
    assert "paragraph_negatives: only xquad-r and mlqa-r say" in negatives
    assert "train_corpus is facts" in negatives


def test_all_mistakes_are_said_at_once():
    message = refusal(steps=0, alpah=0.3, temperature="cold")
    assert "steps = 0" in message
    assert "'alpah' (did you mean 'alpha'?)" in message
    assert "temperature = 'cold'" in message


def test_parameters_do_not_change_but_are_copied():
    params = Params()
    with pytest.raises(ValueError, match="frozen"):
        params.steps = 3
    assert params.but(steps=3, seed=1).steps == 3
    assert params.steps != 3
    assert params.but(steps=params.steps) == params
    with pytest.raises(InputError, match="did you mean 'steps'"):
        params.but(step=3)


def test_the_names_of_a_step_are_those_of_its_fields():
    names = names_of_step("training")
    assert names[0] == "encoder" and {"alpha", "seed", "trained_share"} <= set(names)
    assert all(step_of(Params.model_fields[name]) == "training" for name in names)
    assert names_of_step("bias") == []


# ------------------------------------------------------------------------------------------ corpora


@pytest.mark.parametrize("key", ["train_corpus", "eval_corpus"])
def test_corpora_and_their_paths(key):
    message = refusal(**{key: "xquad"})
    assert f"{key}: no corpus is called 'xquad' (did you mean 'xquad-r'?)" in message
    assert "there are facts, pairs, xquad-r, mlqa-r" in message
    message = refusal(**{key: "pairs"})
    assert f"{key}_path: 'pairs' needs the path of its file or folder" in message
    for corpus in ("xquad-r", "mlqa-r"):
        assert getattr(Params.check({key: corpus}), f"{key}_path") is None
    message = refusal(**{f"{key}_path": "some/file"})
    assert f"{key}_path: the built-in facts take no path, got 'some/file'" in message
    params = Params.check({key: "pairs", f"{key}_path": "a.csv"})
    assert getattr(params, f"{key}_path") == Path("a.csv")


def test_several_training_sets_have_as_many_paths():
    params = Params.check(
        {"train_corpus": ["facts", "pairs"], "train_corpus_path": [None, "a.csv"]}
    )
    assert params.training_sets == [("facts", None), ("pairs", Path("a.csv"))]
    assert Params().training_sets == [("facts", None)]
    message = refusal(train_corpus=["facts", "pairs"], train_corpus_path="a.csv")
    assert "train_corpus names 2 corpora and train_corpus_path 1 paths" in message
    assert "train_corpus names 0 corpora" in refusal(train_corpus=[])
    message = refusal(train_corpus=["facts", "pairs"])
    assert "train_corpus_path: 'pairs' needs the path of its file or folder" in message


# ------------------------------------------------------------------------------ further evaluations


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
    assert further.study == "grid-mlqa-r"
    assert further.trained_in == "grid"
    assert further.eval_corpus == "mlqa-r"
    assert further.top_k == 100
    assert further.eval_languages is None
    assert further.also_evaluate == []
    assert further.steps == params.steps


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"eval_corpus": "facts", "steps": 3}, "'steps' is not a parameter of the evaluation"),
        (
            {"eval_corpus": "facts", "topk": 3},
            r"'topk' is not a parameter of the evaluation \(did you mean 'top_k'",
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
    with pytest.raises(InputError, match=r"also_evaluate, entry 1: .*'miracl' needs the path"):
        Params.check({"also_evaluate": [{"eval_corpus": "miracl"}]}).further()


def test_the_learning_rate_follows_the_encoder_unless_it_is_given():
    assert Params().peak_learning_rate == 3e-3
    assert Params(encoder="some/folder").peak_learning_rate == 3e-5
    assert Params(encoder="some/folder", learning_rate=1e-4).peak_learning_rate == 1e-4


def test_corrections_fitted_on_candidates_do_not_go_with_vectors_on_disk():
    assert Params(vectors="disk").corrections == ["centering", "centering+filter"]
    with pytest.raises(InputError, match=r"vectors: disk.* filter@candidates is fitted on the"):
        Params.check({"vectors": "disk", "corrections": ["filter@candidates"]})
