"""The plan of a study: what is counted by hand, and the paper's whole grid with stand-ins for its encoders."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from transformers import BertConfig, MT5Config, XLMRobertaConfig

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.study import plan

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = {
    "mbert": BertConfig(
        vocab_size=1000,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    ),
    "xlm-r": XLMRobertaConfig(
        vocab_size=1000,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    ),
    "mt5": MT5Config(vocab_size=1000, d_model=32, num_layers=2, num_heads=2, d_ff=64, d_kv=16),
    "labse": BertConfig(
        vocab_size=1000,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
    ),
}
LAYER = 4 * 32 * 32 + 2 * 32 * 64
WEIGHTS = {"mbert": 2 * LAYER, "xlm-r": 2 * LAYER, "mt5": 2 * (LAYER + 32 * 64), "labse": 3 * LAYER}


@pytest.fixture
def encoders(tmp_path: Path) -> list[str]:
    """Folders that hold a config of each family, tiny."""
    for name, config in FAMILIES.items():
        config.save_pretrained(tmp_path / name)
    return [str(tmp_path / name) for name in FAMILIES]


def plans_of(encoders: list[str], **changes: object) -> list[plan.Plan]:
    return plan.plan(
        Params(
            encoders=encoders,
            strategies=["untrained", "hybrid"],
            seeds=[0, 1],
            steps=10,
            batch_size=8,
            max_length=16,
            **changes,
        ),
        Path("p.yaml"),
        "a100",
        [],
    )


def test_hours_and_disk_are_those_counted_by_hand(encoders, monkeypatch):
    monkeypatch.setitem(plan._TEXTS, "xquad-r", 500)
    found = {
        each.name: each
        for each in plans_of(
            encoders,
            eval_corpus="xquad-r",
            eval_corpus_path="nowhere",
            checkpoint_every=5,
            keep_checkpoints=2,
        )
    }
    assert set(found) == {f"{name}-untrained-s0" for name in FAMILIES} | {
        f"{name}-hybrid-s{seed}" for name in FAMILIES for seed in (0, 1)
    }
    for name, weights in WEIGHTS.items():
        encoding, training = 2 * weights * 16 * 500, 6 * weights * 10 * 8 * 2 * 16
        untrained, hybrid = found[f"{name}-untrained-s0"], found[f"{name}-hybrid-s1"]
        assert untrained.hours * 3600 * 312e12 * plan.UTILISATION == pytest.approx(encoding)
        assert hybrid.hours * 3600 * 312e12 * plan.UTILISATION == pytest.approx(encoding + training)
        size = 4 * (weights + 32_000)
        assert (
            hybrid.disk,
            hybrid.peak_disk,
            untrained.peak_disk,
            hybrid.steps,
            untrained.steps,
        ) == (size, size * 7, size, 10, 0)


def test_what_cannot_be_counted_is_named_and_left_out(encoders):
    also = [{"eval_corpus": "miracl", "eval_corpus_path": "somebody/MIRACL"}]
    alone, more = (
        plans_of(encoders, eval_corpus="xquad-r", eval_corpus_path="nowhere", also_evaluate=extra)
        for extra in ([], also)
    )
    assert [each.hours for each in alone] == [each.hours for each in more]
    assert {each.uncounted for each in alone} == {()} and {each.uncounted for each in more} == {
        ("miracl",)
    }
    assert "without encoding miracl" in plan.describe(more, "a100")


def test_an_encoder_or_a_device_that_is_not_known_is_refused(encoders, tmp_path):
    with pytest.raises(
        InputError, match="no/such-encoder: no folder here, and its size is not known"
    ):
        plans_of(["no/such-encoder"])
    with pytest.raises(InputError, match="no device is called 'abacus'"):
        plan.plan(Params(), Path("p.yaml"), "abacus", [])
    (tmp_path / "mbert" / "config.json").write_text('{"hidden_size": 32}')
    with pytest.raises(InputError, match="config.json: does not say how many layers"):
        plans_of(encoders[:1])


def test_the_papers_grid_is_planned_offline(encoders, capsys):
    """With its hub ids, whose sizes are published, and with stand-ins."""
    file = str(ROOT / "params" / "paper" / "grid.yaml")
    for overrides, names in (
        ([], ["bert-base-multilingual-cased", "xlm-roberta-base", "mt5-base", "LaBSE"]),
        (["-p", "encoders", f"[{', '.join(encoders)}]"], list(FAMILIES)),
    ):
        assert main(["run", file, "--dry-run", *overrides]) == 0
        shown = capsys.readouterr().out
        assert (
            shown.startswith("40 runs, 0 of them done; 720,000 optimizer steps to go\nabout ")
            and "on one a100" in shown
            and "B of disk for the models" in shown
        )
        commands = [
            shlex.split(line, comments=True)
            for line in shown.splitlines()
            if line.startswith("hybridlib run ")
        ]
        assert [command[:3] for command in commands] == [["hybridlib", "run", file]] * 40
        assert {command[-1] for command in commands} == {f"{n}-untrained-s0" for n in names} | {
            f"{n}-{s}-s{i}" for n in names for s in ("x-x-mono", "x-y", "hybrid") for i in range(3)
        }
        assert all(command[3:-2] == overrides for command in commands)


def test_nothing_is_written_by_a_plan(tmp_path, capsys):
    assert (
        main(
            [
                "run",
                str(ROOT / "params" / "smoke.yaml"),
                "--dry-run",
                "--device",
                "cpu",
                "-p",
                "output_dir",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    assert "on one cpu" in capsys.readouterr().out and not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commands of a plan, carried out one by one as two machines would."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "grid.yaml").write_text(
        (ROOT / "params" / "smoke.yaml").read_text()
        + "also_evaluate: [{eval_corpus: facts, eval_languages: [en, hi], corrections: [centering]}]\n"
    )
    settings = [
        "-p",
        "strategies",
        "[untrained, x-y]",
        "-p",
        "output_dir",
        str(folder / "out"),
        "-p",
        "corrections",
        "[]",
    ]
    for name in ("built-in-untrained-s0", "built-in-x-y-s0"):
        assert main(["run", str(folder / "grid.yaml"), *settings, "--only", name]) == 0
    return folder


def test_runs_carried_out_one_by_one_are_compared_when_they_have_landed(landed, capsys):
    settings = [
        "-p",
        "strategies",
        "[untrained, x-y]",
        "-p",
        "output_dir",
        str(landed / "out"),
        "-p",
        "corrections",
        "[]",
    ]
    assert not (landed / "out" / "smoke" / "comparison").exists()
    main(["run", str(landed / "grid.yaml"), "--dry-run", *settings])
    assert capsys.readouterr().out.startswith("2 runs, 2 of them done; 0 optimizer steps to go")
    assert main(["compare", str(landed / "grid.yaml"), *settings]) == 0
    assert (
        "2 of 2 runs" in capsys.readouterr().out
        and (landed / "out" / "smoke" / "comparison" / "verdict.md").exists()
    )


def test_a_further_evaluation_takes_the_trained_models(landed):
    further = landed / "out" / "smoke-facts" / "built-in-x-y-s0"
    assert (further / "metrics.json").exists() and not (further / "model").exists()
    shutil.rmtree(landed / "out" / "smoke-facts" / "data")
    with pytest.raises(InputError, match="no run of smoke is called 'nobody'"):
        from hybridlib.study.runner import run_study

        run_study(
            Params.load(landed / "grid.yaml", {"output_dir": str(landed / "out")}),
            progress=False,
            only="nobody",
        )
