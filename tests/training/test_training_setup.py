"""What the training loop is made of, from parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import corpus_of
from toys import pair_table as toy_pairs
from training_toys import equal, fresh, tiny_params, weights

from hybridlib.batching import plugins
from hybridlib.batching.code_switching import Switching
from hybridlib.errors import InputError
from hybridlib.files import resolve
from hybridlib.training import setup
from hybridlib.training.loop import train
from hybridlib.training.loss import IGNORE, ContrastiveLoss

# --------------------------------------------------------------------------------------------- data


def test_a_table_from_parameters(tmp_path):
    params = tiny_params(
        dataset_tau=0.3,
        language_draw="size",
        switch_probability=0.2,
        switch_sides="query",
        lexicon_path=tmp_path,
    )
    table = setup.pair_table(params, toy_pairs())
    assert table.dataset_tau == 0.3
    assert table.language_draw == "size"
    assert table.switching == Switching(0.2, "query", tmp_path)
    assert setup.pair_table(tiny_params(), toy_pairs()).switching == Switching()
    relative = setup.pair_table(tiny_params(lexicon_path="lists"), toy_pairs())
    assert relative.switching.lexicon_path == resolve("lists")


def test_content_ids_number_the_passage_contents():
    pairs = toy_pairs(3, ["de", "en"])
    contents, negatives = setup.content_ids(pairs)
    assert contents.tolist() == [0, 0, 1, 1, 2, 2]
    assert negatives.shape == (6, 0)


def test_content_ids_of_explicit_negatives():
    """A negative that repeats a passage has its number; new texts have numbers of their own."""
    pairs = toy_pairs(3, ["de", "en"])
    passage = pairs["passage"].iloc[4]
    pairs["negative"] = ["", "  ", passage, "new", "other", "new"]
    contents, negatives = setup.content_ids(pairs)
    assert contents.tolist() == [0, 0, 1, 1, 2, 2]
    ignored, blank, repeated, new, other, again = negatives.flatten().tolist()
    assert ignored == blank == IGNORE
    assert repeated == 2
    assert new == again != other
    assert min(new, other) > 2

    # The same as lists, two of them one longer.
    pairs["negatives"] = [(), (), (passage, "new"), ("new",), ("other",), ("new", "other")]
    _, negatives = setup.content_ids(pairs.drop(columns="negative"))
    assert negatives[:, 0].tolist() == [IGNORE, IGNORE, 2, new, other, new]
    assert negatives[:, 1].tolist() == [IGNORE, IGNORE, new, IGNORE, IGNORE, other]


def test_teacher_scores_stand_beside_the_negatives():
    pairs = toy_pairs(2, ["de", "en"]).assign(
        negatives=[("one", "two"), ("one",), ("one", "two"), ()],
        scores=[(1.0, 0.5, -2.0), (3.0, 2.0), (), (4.0,)],
    )
    scores = setup.teacher_scores(pairs)
    assert scores[0].tolist() == [1.0, 0.5, -2.0]
    assert scores[1, :2].tolist() == [3.0, 2.0]
    assert scores[1, 2].isnan()
    assert scores[2:].isnan().all()
    pairs["scores"] = [(1.0, 0.5), (), (), ()]
    with pytest.raises(InputError, match="pair_id 'p000': 2 scores and 2 negatives; the first"):
        setup.teacher_scores(pairs)


# --------------------------------------------------------------------- schedule, optimizer, dropout


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("linear", [0.5, 1, 0.75, 0.5]),
        ("cosine", [0.5, 1, (1 + 2**-0.5) / 2, 0.5]),
        ("constant", [0.5, 1, 1, 1]),
    ],
)
def test_schedules(schedule, factors):
    params = tiny_params(schedule=schedule, steps=5, warmup_fraction=0.2, learning_rate=0.2)
    rates = [setup.learning_rate(params, step) for step in range(1, 5)]
    assert rates == pytest.approx([0.2 * factor for factor in factors])


def test_a_schedule_without_warm_up_begins_at_its_peak():
    params = tiny_params(steps=4, warmup_fraction=0, learning_rate=0.2)
    rates = [setup.learning_rate(params, step) for step in range(1, 5)]
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.05])


def test_weight_decay_is_for_matrices_that_are_trained(tiny_encoder):
    encoder = fresh(tiny_encoder)
    encoder.freeze(embeddings=True)
    loss = ContrastiveLoss(0.05, learned=True)
    params = tiny_params(weight_decay=0.3)
    optimizer = setup.make_optimizer(params, encoder, loss, torch.device("cpu"))
    decayed, plain = optimizer.param_groups
    assert decayed["weight_decay"] == 0.3
    assert plain["weight_decay"] == 0.0
    assert {weight.ndim for weight in decayed["params"]} == {2}
    assert {weight.ndim for weight in plain["params"]} == {0, 1}
    trained = [weight for weight in encoder.parameters() if weight.requires_grad]
    count = len(decayed["params"]) + len(plain["params"])
    assert count == len(trained) + 1 < len(list(encoder.parameters()))


def test_dropout_seeds_differ_by_seed_step_and_process():
    seeds = {setup.dropout_seed(*numbers) for numbers in np.ndindex(3, 3, 3)}
    assert len(seeds) == 27
    assert max(seeds) < 2**62


def test_dropout_seeds_stay_what_they_were():
    """A run that is resumed with a later version goes on with the same dropout."""
    assert setup.dropout_seed(0, 1, 0) == 1459132311362927889


# ----------------------------------------------------------------------------------------- identity


def identity_of(params, pairs, weights="a hash", validation=None, processes=1):
    """The identity of a run."""
    encoder = {"weights": weights, "prefixes": {"query": "ask: "}}
    corpus = validation or one_answer()
    return setup.run_identity(params, pairs, corpus, encoder, processes)


def one_answer(language="de"):
    """A corpus of one question and its answer."""
    return corpus_of([("q", language)], [("c", language)], [("q", "c", 1)])


@pytest.mark.usefixtures("strategies_as_before")
def test_a_runs_identity_is_what_its_weights_depend_on(tmp_path):
    pairs = toy_pairs()
    identity = identity_of(tiny_params(), pairs)
    assert identity_of(tiny_params(jobs=2, checkpoint_every=1, top_k=3), pairs) == identity
    for changes in ({"alpha": 0.4}, {"seed": 1}, {"trained_share": 0.5}, {"dropout": 0.1}):
        (name,) = changes
        changed = identity_of(tiny_params(**changes), pairs)
        assert [key for key in identity if identity[key] != changed[key]] == [name]
    other_pairs = pairs.assign(question=pairs["question"] + "?")
    changed = identity_of(tiny_params(), other_pairs)
    assert [key for key in identity if identity[key] != changed[key]] == ["training pairs"]
    others = {
        "starting weights": {"weights": "another"},
        "validation data": {"validation": one_answer("en")},
        "processes": {"processes": 2},
    }
    for name, other in others.items():
        changed = identity_of(tiny_params(), pairs, **other)
        assert [key for key in identity if identity[key] != changed[key]] == [name]


def test_the_content_of_word_lists_is_part_of_a_runs_identity(tmp_path):
    lists = tmp_path / "en-de.txt"
    lists.write_text("bee Biene\n")
    params = tiny_params(strategy="code-switched", lexicon_path=tmp_path)
    identity = identity_of(params, toy_pairs())
    lists.write_text("bee Imme\n")
    changed = identity_of(params, toy_pairs())
    assert [key for key in identity if identity[key] != changed[key]] == ["word lists"]


@pytest.mark.usefixtures("strategies_as_before")
def test_a_plugin_is_part_of_the_identity_of_its_own_strategies(tmp_path):
    file = tmp_path / "own.py"
    code = (
        "from hybridlib import strategy\n"
        "@strategy('own', 'nothing')\n"
        "def own(pairs, rng, batch_size, alpha):\n"
        "    return None\n"
    )
    file.write_text(code)
    plugins.load([file])
    identity = identity_of(tiny_params(strategy="own", plugins=[str(file)]), toy_pairs())
    assert len(identity["plugin 0"]) == 64
    file.write_text(code + "# changed\n")
    changed = identity_of(tiny_params(strategy="own", plugins=[str(file)]), toy_pairs())
    assert changed["plugin 0"] != identity["plugin 0"]
    built_in = identity_of(tiny_params(plugins=[str(file)]), toy_pairs())
    assert "plugin 0" not in built_in


# --------------------------------------------------------------------------- precision and trackers


@pytest.mark.skipif(
    torch.accelerator.is_available(), reason="there is an accelerator, which has fp16"
)
def test_fp16_needs_an_accelerator(data, tiny_encoder, tmp_path):
    reason = r"precision \(fp16\) cannot be had on cpu; use bf16 or fp32"
    with pytest.raises(InputError, match=reason):
        train(tiny_params(precision="fp16"), fresh(tiny_encoder), *data, tmp_path)


def test_one_kernel_trains_in_one_precision_after_another(data, tiny_encoder, tmp_path):
    losses = []
    for precision in ("fp32", "bf16", "fp32"):
        encoder = fresh(tiny_encoder)
        log = train(tiny_params(steps=2, precision=precision), encoder, *data, tmp_path)
        losses.append(log["loss"].iloc[2])
        assert {value.dtype for value in weights(encoder).values()} == {torch.float32}
    assert losses[0] == losses[2] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_the_encoder_is_left_as_it_came(tiny_encoder, tmp_path):
    """Accelerate puts a wrapper around the forward pass in mixed precision."""
    encoder = fresh(tiny_encoder)
    token_ids = encoder.tokenize(["one", "two words"], "query")
    before = encoder(token_ids)
    with setup.open_accelerator(tiny_params(precision="bf16"), tmp_path, encoder) as accelerator:
        model = accelerator.prepare(encoder)
        assert not torch.equal(model(token_ids), before)
    assert torch.equal(encoder(token_ids), before)
    assert equal(weights(encoder), weights(fresh(tiny_encoder)))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="of a CPU alone")
def test_attention_in_bf16_on_a_cpu_is_plain(tiny_encoder, tmp_path):
    encoder = fresh(tiny_encoder)
    for precision in ("bf16", "fp32"):
        with setup.open_accelerator(tiny_params(precision=precision), tmp_path, encoder):
            assert torch.backends.cuda.flash_sdp_enabled() == (precision == "fp32")
        assert torch.backends.cuda.flash_sdp_enabled()


def test_a_gpu_computes_repeatably_and_fills_no_memory():
    """Both are settings that PyTorch has without a GPU, too."""

    def settings() -> tuple[bool, bool]:
        filling = torch.utils.deterministic.fill_uninitialized_memory
        return torch.are_deterministic_algorithms_enabled(), filling

    before = settings()
    with setup._computation(tiny_params(), torch.device("cuda")):
        assert settings() == (True, False)
    assert settings() == before == (False, True)


def test_tensorboard_gets_the_figures(data, tiny_encoder, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = train(tiny_params(trackers=["tensorboard"]), fresh(tiny_encoder), *data, tmp_path)
    values = []
    for file in (tmp_path / "trackers").rglob("events*"):
        events = EventAccumulator(str(file)).Reload()
        if "loss" in events.Tags()["scalars"]:
            values += [event.value for event in events.Scalars("loss")]
    assert values == pytest.approx(log["loss"].dropna().tolist(), rel=1e-6)


def test_an_unknown_tracker_is_refused(data, tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="trackers"):
        train(tiny_params(trackers=["no-such-tracker"]), fresh(tiny_encoder), *data, tmp_path)


@pytest.mark.filterwarnings("ignore:.*no supported trackers are currently installed")
def test_a_tracker_that_is_not_installed_is_refused(data, tiny_encoder, tmp_path, monkeypatch):
    """Accelerate would leave it out silently."""
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    with pytest.raises(InputError, match="trackers: tensorboard is not installed"):
        train(tiny_params(trackers=["tensorboard"]), fresh(tiny_encoder), *data, tmp_path)
