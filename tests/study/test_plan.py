"""The plan of a study: counted by hand, and the paper's whole grid."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from clones import ROOT
from studies import miniature

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study import plan
from hybridlib.study.grid import run_study

BERT = {
    "model_type": "bert",
    "vocab_size": 1000,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
# config.json of each family, tiny; only mT5's feed-forward is gated.
FAMILIES = {
    "mbert": BERT,
    "xlm-r": BERT,
    "mt5": {
        "model_type": "mt5",
        "vocab_size": 1000,
        "d_model": 32,
        "num_layers": 2,
        "num_heads": 2,
        "d_ff": 64,
        "d_kv": 16,
        "feed_forward_proj": "gated-gelu",
    },
    "labse": {**BERT, "num_hidden_layers": 3},
}
# Attention has four square matrices, the feed-forward two (mT5: three); BERT has biases, and a norm
# of a weight and a bias behind each of both and behind the embeddings; mT5 norms of a weight alone.
MATRICES = 4 * 32 * 32 + 2 * 32 * 64
LAYER = MATRICES + 4 * 32 + (64 + 32) + 2 * (32 + 32)
WEIGHTS = {
    "mbert": 2 * LAYER + 64,
    "xlm-r": 2 * LAYER + 64,
    "mt5": 2 * (MATRICES + 32 * 64 + 2 * 32) + 32,
    "labse": 3 * LAYER + 64,
}
# Of tokens; BERT's of 512 positions and 2 types; mT5's of 32 distances for each of 2 heads.
EMBEDDINGS = dict.fromkeys(FAMILIES, 32_000 + (512 + 2) * 32) | {"mt5": 32_000 + 32 * 2}


@pytest.fixture
def encoders(tmp_path: Path) -> list[str]:
    """Folders with nothing but a config.json."""
    for name, config in FAMILIES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    return [str(tmp_path / name) for name in FAMILIES]


def plans_of(encoders: list[str], **changes: object) -> list[plan.Plan]:
    values = {
        "encoders": encoders,
        "strategies": ["untrained", "hybrid"],
        "seeds": [0, 1],
        "steps": 10,
        "batch_size": 8,
        "max_length": 16,
        **changes,
    }
    return plan.plan(Params(**values), Path("p.yaml"), "a100", [])


def operations(part: plan.Plan) -> float:
    return part.hours * 3600 * 312e12 * plan.UTILISATION


def test_hours_and_disk_are_those_counted_by_hand(encoders, monkeypatch):
    monkeypatch.setitem(plan._TEXTS, "xquad-r", 500)
    corpus = {"eval_corpus": "xquad-r", "eval_corpus_path": "nowhere"}
    plans = plans_of(encoders, **corpus, checkpoint_every=5, keep_checkpoints=2)
    by_name = {part.name: part for part in plans}
    hybrid = {f"{name}-hybrid-s{seed}" for name in FAMILIES for seed in (0, 1)}
    assert set(by_name) == {f"{name}-untrained-s0" for name in FAMILIES} | hybrid
    for name, weights in WEIGHTS.items():
        encoding = 2 * weights * 16 * 500
        training = 6 * weights * 10 * 8 * 2 * 16
        untrained = by_name[f"{name}-untrained-s0"]
        trained = by_name[f"{name}-hybrid-s1"]
        assert operations(untrained) == pytest.approx(encoding)
        assert operations(trained) == pytest.approx(encoding + training)
        # A checkpoint has the trained weights and AdamW's two numbers for each.
        size = 4 * (weights + EMBEDDINGS[name])
        assert (trained.disk, trained.peak_disk) == (size, size * 7)
        assert untrained.peak_disk == size
        assert (trained.steps, untrained.steps) == (10, 0)


def test_vectors_take_half_the_disk_as_float16(encoders, monkeypatch):
    """On two corpora; an untrained encoder has vectors, too, and BM25 has none."""
    monkeypatch.setitem(plan._TEXTS, "xquad-r", 500)
    monkeypatch.setitem(plan._TEXTS, "mlqa-r", 700)
    corpus = {"eval_corpus": "xquad-r", "eval_corpus_path": "nowhere"}
    also = [{"eval_corpus": "mlqa-r", "eval_corpus_path": "nowhere", "vectors": "disk"}]
    strategies = ["untrained", "bm25"]
    plans = plans_of(encoders[:1], strategies=strategies, **corpus, also_evaluate=also)
    assert [part.vectors for part in plans] == [32 * (500 * 4 + 700 * 2), 0]
    assert "about 0.1 MB of disk for the vectors" in plan.describe(plans, "a100")


def test_frozen_embeddings_and_the_best_weights_change_the_disk(encoders):
    (part,) = plans_of(
        encoders[:1],
        strategies=["hybrid"],
        seeds=[0],
        checkpoint_every=5,
        keep_checkpoints=1,
        keep_best=True,
        freeze_embeddings=True,
    )
    weights = 4 * (WEIGHTS["mbert"] + EMBEDDINGS["mbert"])
    trained = 4 * WEIGHTS["mbert"]
    assert part.peak_disk == weights + 3 * trained + trained


@pytest.mark.parametrize("targets", [None, "all-linear"])
def test_an_adapter_takes_little_disk_and_fewer_operations(encoders, targets):
    """By default on two square matrices of each layer, else on all six: a factor on each side."""
    whole, merged, alone = (
        plans_of(
            encoders[:1],
            strategies=["hybrid"],
            seeds=[0],
            checkpoint_every=5,
            keep_checkpoints=1,
            keep_best=True,
            lora_targets=targets,
            **changes,
        )[0]
        for changes in ({}, {"lora_rank": 4}, {"lora_rank": 4, "lora_save": "adapter"})
    )
    per_layer = 2 * (32 + 32) if targets is None else 4 * (32 + 32) + 2 * (32 + 64)
    adapter = 4 * (2 * 4 * per_layer)
    assert merged.disk == whole.disk
    assert alone.disk == adapter
    assert merged.peak_disk == whole.disk + 4 * adapter
    assert alone.peak_disk == adapter + 4 * adapter
    encoding = operations(whole) - 6 * WEIGHTS["mbert"] * 10 * 8 * 2 * 16
    training = 4 * WEIGHTS["mbert"] * 10 * 8 * 2 * 16
    assert operations(merged) == pytest.approx(encoding + training)


def test_what_cannot_be_counted_is_named_and_not_counted(encoders):
    also = [{"eval_corpus": "miracl", "eval_corpus_path": "somebody/MIRACL"}]
    corpus = {"eval_corpus": "xquad-r", "eval_corpus_path": "nowhere"}
    one = plans_of(encoders, **corpus)
    two = plans_of(encoders, **corpus, also_evaluate=also)
    assert [part.hours for part in one] == [part.hours for part in two]
    assert {part.uncounted for part in one} == {()}
    assert {part.uncounted for part in two} == {("miracl",)}
    assert "without encoding miracl" in plan.describe(two, "a100")


def test_an_encoder_or_a_device_that_is_not_known_is_refused(encoders, tmp_path):
    with pytest.raises(InputError, match="no such folder; give a transformers folder or a hub id"):
        plans_of(["no/such/encoder"])
    with pytest.raises(InputError, match="no device is called 'abacus'"):
        plan.plan(Params(), Path("p.yaml"), "abacus", [])
    with pytest.raises(InputError, match="no strategy is called 'hybrd'"):
        plans_of(encoders, strategies=["hybrd"])
    (tmp_path / "mbert" / "config.json").write_text('{"hidden_size": 32}')
    with pytest.raises(InputError, match=r"config\.json: .*model_type"):
        plans_of(encoders[:1])


def test_an_encoder_whose_size_only_the_hub_knows_is_named(encoders, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    plans = plans_of([encoders[0], "some-owner/mbert-large"], seeds=[0])
    here, elsewhere = plans[:2], plans[2:]
    assert [part.unsized for part in plans] == [None, None, *["some-owner/mbert-large"] * 2]
    assert all(part.hours > 0 for part in here)
    assert all(part.disk == 0 for part in elsewhere)
    text = plan.describe(plans, "a100")
    assert text.count("without the hours and the disk of some-owner/mbert-large: no folder") == 1
    assert "--only mbert-large-hybrid-s0  # 10 steps\n" in f"{text}\n"


@pytest.mark.parametrize("stand_ins", [False, True], ids=["hub ids", "folders"])
def test_the_papers_grid_is_planned_offline(encoders, capsys, stand_ins, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    file = str(ROOT / "params" / "paper" / "grid.yaml")
    overrides = ["-p", "encoders", f"[{', '.join(encoders)}]"] if stand_ins else []
    names = ["bert-base-multilingual-cased", "xlm-roberta-base", "mt5-base", "LaBSE"]
    if stand_ins:
        names = list(FAMILIES)
    assert main(["run", file, "--dry-run", *overrides]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("40 runs, 0 of them done; 720,000 optimizer steps to go\nabout ")
    assert "on one a100" in printed
    assert "B of disk for the models" in printed
    lines = [line for line in printed.splitlines() if line.startswith("hybridlib run ")]
    commands = [shlex.split(line, comments=True) for line in lines]
    assert [command[:3] for command in commands] == [["hybridlib", "run", file]] * 40
    assert all(command[3:-2] == overrides for command in commands)
    runs = {f"{name}-untrained-s0" for name in names}
    for strategy in ("x-x-mono", "x-y", "hybrid"):
        runs |= {f"{name}-{strategy}-s{seed}" for name in names for seed in range(3)}
    assert {command[-1] for command in commands} == runs


def test_a_grid_of_a_parameter_is_planned_run_by_run(encoders):
    grid = {"alpha": [0.5, 0.25]}
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    plans = plans_of(encoders[:1], seeds=[0], grid=grid, also_evaluate=also)
    names = ["mbert-untrained-s0", "mbert-hybrid-s0", "mbert-hybrid-alpha-0.25-s0"]
    assert [part.name for part in plans] == names


def test_nothing_is_written_by_a_plan(tmp_path, capsys):
    overrides = ["-p", "output_dir", str(tmp_path / "out")]
    file = str(ROOT / "params" / "smoke.yaml")
    assert main(["run", file, "--dry-run", "--device", "cpu", *overrides]) == 0
    assert "on one cpu" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_runs_carried_out_one_by_one_are_done_in_the_plan(notebooks, tmp_path, capsys):
    """As two machines would, which share a folder."""
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    params = miniature(tmp_path / "out", also_evaluate=also)
    file = tmp_path / "grid.yaml"
    params.save(file)
    commands = [part.command for part in plan.plan(params, file, "cpu", [])]
    assert len(commands) == 2
    for number, command in enumerate(commands):
        assert main(["run", str(file), "--dry-run"]) == 0
        assert capsys.readouterr().out.startswith(f"2 runs, {number} of them done")
        assert main(shlex.split(command)[1:]) == 0
        capsys.readouterr()
    assert main(["run", str(file), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("2 runs, 2 of them done; 0 optimizer steps to go")
    assert printed.count("# done") == 2
    assert ("smoke", "comparison") not in notebooks.executed
    assert main(["compare", str(file)]) == 0
    assert "2 of 2 runs" in capsys.readouterr().out
    assert {outcome.state for outcome in run_study(params)} == {"kept"}


def test_systems_are_done_in_the_plan_and_a_soup_takes_no_step(notebooks, tmp_path, capsys):
    systems = [
        {"name": "mine", "strategy": "x-y", "temperature": 0.02},
        {"name": "soup", "strategy": "soup", "soup_of": ["mine"]},
    ]
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    params = miniature(tmp_path / "out", systems=systems, grid={}, also_evaluate=also)
    file = tmp_path / "systems.yaml"
    params.save(file)
    planned = plan.plan(params, file, "cpu", [])
    assert [part.steps for part in planned] == [params.steps, 0]
    run_study(params)
    trained = [name for name, step in notebooks.executed if step == "training"]
    assert trained == ["built-in-mine-s0", "built-in-soup-s0"]
    assert main(["run", str(file), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("2 runs, 2 of them done; 0 optimizer steps to go")
