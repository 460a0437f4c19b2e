"""The grid over any parameter of a run: what may stand in it, and what is refused."""

from __future__ import annotations

import pytest
from refusal import refusal

from hybridlib.config.params import Params


def test_a_grid_varies_parameters_of_training_and_evaluation():
    grid = {"alpha": [0.25, 0.5], "trained_share": [0.75], "top_k": [10, 100]}
    assert Params.check({"grid": grid}).grid == grid
    assert Params().grid == {}


def test_values_of_a_grid_are_read_like_any_others():
    """``2e-5`` without quotes is text to YAML; null is a value where the parameter takes it."""
    params = Params.check({"grid": {"learning_rate": ["2e-5", 3e-5], "dropout": [None, 0.1]}})
    assert params.but(learning_rate=params.grid["learning_rate"][0]).learning_rate == 2e-5


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"alpah": [0.3]}, "'alpah' is no parameter of training or evaluation (did you mean"),
        ({"qqq": [1]}, "'qqq' is no parameter of training or evaluation;"),
        ({"variants": [1, 2]}, "'variants' is no parameter of training or evaluation"),
        ({"eval_corpus": ["facts"]}, "'eval_corpus' is no parameter of training or evaluation"),
        ({"output_dir": ["a", "b"]}, "'output_dir' is no parameter of training or evaluation"),
        ({"seed": [0, 1]}, "'seed' stands outside the grid, in the list 'seeds'"),
        ({"encoder": ["built-in"]}, "'encoder' stands outside the grid, in the list 'encoders'"),
        ({"strategy": ["x-y"]}, "'strategy' stands outside the grid, in the list 'strategies'"),
        ({"encoders": [["a"]]}, "'encoders' stands outside the grid, in the list 'encoders'"),
        ({"alpha": []}, "'alpha' has no values"),
        ({"alpha": [0.3, 0.5, 0.3]}, "a value of 'alpha' stands twice"),
        ({"alpha": [0.5, "5e-1"]}, "a value of 'alpha' stands twice"),
        ({"alpha": [0.5, 1.5]}, "alpha = 1.5: Input should be less than or equal to 1"),
        ({"steps": ["many"]}, "steps = 'many': "),
        ({"steps": [True]}, "steps = True: YAML reads an unquoted yes"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_with_the_reason(grid, message):
    assert f"grid: {message}" in refusal(grid=grid)


def test_a_grid_over_data_is_explained():
    """What changes the data is shared by all runs of a study."""
    for name in ("variants", "eval_corpus", "languages", "data_seed"):
        assert "what changes the data of a study needs a study of its own" in refusal(
            grid={name: [1]}
        )


def test_values_of_a_grid_are_held_against_the_other_parameters():
    assert Params.check({"hidden_size": 40, "grid": {"attention_heads": [5]}}).hidden_size == 40
