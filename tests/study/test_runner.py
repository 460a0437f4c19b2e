"""What a study runs, what it repeats, and what a failure skips; mostly without kernels."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import papermill
import pytest
from clones import ROOT
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_notebook
from studies import miniature

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.files import write_json
from hybridlib.study import encoders, grid, runner
from hybridlib.study.fingerprint import finished_runs, is_done
from hybridlib.study.folder import NOTEBOOKS, RUN_STEPS, Study

HYBRID = "built-in-hybrid-alpha-0.25-s0"
UNTRAINED = "built-in-untrained-s0"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def steps_of(run: str) -> list[tuple[str, str]]:
    return [(run, step) for step in RUN_STEPS]


WHOLE = [("smoke", "data"), *steps_of(UNTRAINED), *steps_of(HYBRID), ("smoke", "comparison")]


def run(params: Params, **options: object) -> list[runner.Outcome]:
    return grid.run_study(params, **options)


# ------------------------------------------------------------------------- what runs, what is kept


def test_a_study_runs_every_step_in_order_and_then_repeats_nothing(notebooks, tmp_path):
    outcomes = run(miniature(tmp_path))
    assert notebooks.executed == WHOLE
    assert [(outcome.name, outcome.step) for outcome in outcomes] == WHOLE
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert {outcome.state for outcome in run(miniature(tmp_path))} == {"kept"}
    assert notebooks.executed == WHOLE


def test_runs_side_by_side_are_reported_as_they_end(notebooks, tmp_path):
    reported = []
    over = []

    def report(outcome, progress):
        reported.append(outcome)
        over.append((progress.over, progress.total))

    outcomes = run(miniature(tmp_path, jobs=2), report=report)
    assert [(outcome.name, outcome.step) for outcome in outcomes] == WHOLE
    assert sorted(map(str, reported)) == sorted(map(str, outcomes))
    assert over == [(count, len(WHOLE)) for count in range(1, len(WHOLE) + 1)]


def test_a_changed_parameter_repeats_exactly_what_depends_on_it(notebooks, tmp_path):
    changes = {"strategies": ["untrained", "x-y", "hybrid"], "grid": {}}
    run(miniature(tmp_path, **changes))
    notebooks.executed.clear()
    run(miniature(tmp_path, **changes).but(alpha=0.9))
    assert notebooks.executed == [*steps_of("built-in-hybrid-s0"), ("smoke", "comparison")]


def test_a_missing_marker_repeats_that_step(notebooks, tmp_path):
    run(miniature(tmp_path))
    notebooks.executed.clear()
    Study(miniature(tmp_path)).marker("comparison").unlink()
    run(miniature(tmp_path))
    assert notebooks.executed == [("smoke", "comparison")]


def test_one_run_alone_is_not_compared(notebooks, tmp_path):
    run(miniature(tmp_path), only=HYBRID)
    assert notebooks.executed == [("smoke", "data"), *steps_of(HYBRID)]
    with pytest.raises(InputError, match="no run of smoke is called 'x-y'; there are built-in-un"):
        run(miniature(tmp_path), only="x-y")


def test_a_run_has_a_number_too(notebooks, tmp_path):
    run(miniature(tmp_path), only="2")
    assert notebooks.executed == [("smoke", "data"), *steps_of(HYBRID)]
    for number in ("0", "3"):
        with pytest.raises(InputError, match=f"is called '{number}'; .*numbers from 1 to 2"):
            run(miniature(tmp_path), only=number)


def test_data_alone_are_those_of_all_evaluations_and_the_encoders_of_the_hub(
    notebooks, tmp_path, monkeypatch
):
    fetched = []
    monkeypatch.setattr(encoders, "locate", fetched.append)
    (tmp_path / "here").mkdir()
    sources = ["built-in", str(tmp_path / "here"), "owner/name@main"]
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    params = miniature(tmp_path, encoders=sources, also_evaluate=also)
    outcomes = run(params, only="data")
    assert notebooks.executed == [("smoke", "data"), ("smoke-facts", "data")]
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert fetched == ["owner/name@main"]


def test_compare_covers_the_further_evaluations(notebooks, tmp_path, capsys):
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    params = miniature(tmp_path / "out", also_evaluate=also)
    file = tmp_path / "grid.yaml"
    params.save(file)
    further = Study(*params.further())

    # Of the further evaluation nothing is there yet.
    run(params.but(also_evaluate=[]))
    notebooks.executed.clear()
    assert main(["compare", str(file)]) == 0
    printed = capsys.readouterr().out
    assert f"Tables and figures of 2 of 2 runs: {tmp_path}/out/smoke/comparison" in printed
    assert printed.endswith(f"{further.folder}: no run is finished yet\n")
    assert notebooks.executed == [("smoke", "comparison")]

    # Then one of its runs.
    run(params, only=HYBRID)
    notebooks.executed.clear()
    assert main(["compare", str(file)]) == 0
    printed = capsys.readouterr().out
    assert f"Tables and figures of 1 of 2 runs: {further.comparison}" in printed
    assert printed.count("the table results") == 2
    assert notebooks.executed == [("smoke", "comparison"), ("smoke-facts", "comparison")]


def test_a_further_evaluation_takes_the_trained_models(notebooks, tmp_path):
    also = [{"eval_corpus": "facts", "eval_languages": ["en"], "corrections": []}]
    run(miniature(tmp_path, also_evaluate=also))
    further = notebooks.executed[len(WHOLE) :]
    evaluations = [(name, step) for name in (UNTRAINED, HYBRID) for step in RUN_STEPS[1:]]
    assert further == [("smoke-facts", "data"), *evaluations, ("smoke-facts", "comparison")]
    (part,) = miniature(tmp_path, also_evaluate=also).further()
    (trained,) = [each for each in Study(part).runs() if each.params.strategy == "hybrid"]
    assert trained.model == tmp_path / "smoke" / HYBRID / "model"
    assert trained.run == tmp_path / "smoke-facts" / HYBRID


# ---------------------------------------------------------------------------------------- failures


def test_a_failed_run_does_not_stop_the_others(notebooks, tmp_path, capsys):
    notebooks.errors["nowhere-untrained-s0", "training"] = InputError("./nowhere: no such folder")
    overrides = {
        "output_dir": str(tmp_path),
        "encoders": "[built-in, ./nowhere]",
        "strategies": "[untrained]",
        "jobs": "1",
    }
    words = [word for name, value in overrides.items() for word in ("-p", name, value)]
    assert main(["run", str(ROOT / "params" / "smoke.yaml"), *words]) == 1
    printed = capsys.readouterr().out
    assert printed.count("no such folder") == 1
    assert printed.splitlines()[-2:] == [
        "skipped: 2 steps that need 02_hybrid_training of nowhere-untrained-s0",
        "failed: 02_hybrid_training of nowhere-untrained-s0: InputError: ./nowhere: no such folder",
    ]
    assert "the table intervals" in printed
    assert str(tmp_path / "smoke") in printed
    assert notebooks.executed[1:4] == steps_of(UNTRAINED)


def test_nothing_is_compared_where_every_run_failed(notebooks, tmp_path):
    notebooks.errors["smoke", "data"] = ValueError("of the corpus\nmore")
    outcomes = run(miniature(tmp_path))
    assert [outcome.state for outcome in outcomes] == ["failed"] + ["skipped"] * 7
    assert outcomes[0].reason == "ValueError: of the corpus"
    assert {outcome.needs for outcome in outcomes[1:]} == {outcomes[0]}


def test_an_error_without_a_text_points_to_the_notebook(notebooks, tmp_path):
    notebooks.errors["smoke", "data"] = AssertionError()
    assert runner.run_step(Study(miniature(tmp_path)), "data").reason == (
        "AssertionError: see the notebook"
    )


def test_a_failure_of_many_runs_is_said_once(notebooks, tmp_path, capsys):
    for name in (UNTRAINED, HYBRID):
        notebooks.errors[name, "training"] = ValueError("a nan")
    file = tmp_path / "study.yaml"
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    miniature(tmp_path, also_evaluate=also).save(file)
    assert main(["run", str(file)]) == 1
    # 03 and 04 of a run, and of the further evaluation 02 to 04; of the first run 05 of both, too.
    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"skipped: 7 steps that need 02_hybrid_training of {UNTRAINED}",
        f"skipped: 5 steps that need 02_hybrid_training of {HYBRID}",
        f"failed: 02_hybrid_training of {UNTRAINED}, 02_hybrid_training of {HYBRID}: "
        "ValueError: a nan",
    ]
    trainings = [name for name, step in notebooks.executed if step == "training"]
    assert trainings == [UNTRAINED, HYBRID], "none is tried again for a further evaluation"


def test_a_further_study_that_cannot_be_is_found_before_anything_runs(notebooks, tmp_path):
    (tmp_path / "smoke-facts").write_text("a file where a folder must be")
    also = [{"eval_corpus": "facts", "eval_languages": ["en"]}]
    with pytest.raises(InputError, match="smoke-facts/data: cannot be written to"):
        run(miniature(tmp_path, also_evaluate=also))
    assert notebooks.executed == []


@pytest.mark.parametrize("ending", ["import os; os._exit(0)", "import sys; sys.exit(0)"])
def test_a_notebook_that_ends_without_its_marker_has_failed(tmp_path, monkeypatch, ending):
    source = tmp_path / "01_data_prep.ipynb"
    notebook = new_notebook(cells=[new_code_cell(ending)], metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, source)
    monkeypatch.setattr(runner, "notebook_of", lambda step: source)
    outcome = runner.run_step(Study(Params(output_dir=tmp_path / "out")), "data")
    assert outcome.state == "failed"
    assert outcome.reason


@pytest.mark.parametrize(
    ("message", "starts"),
    [("Kernel died before replying to kernel_info", 2), ("Kernel died", 1)],
)
def test_a_kernel_that_did_not_start_is_started_once_more(message, starts, tmp_path, monkeypatch):
    started = []

    def refuse(*arguments: object, **options: object) -> None:
        started.append(options)
        raise RuntimeError(message)

    monkeypatch.setattr(papermill, "execute_notebook", refuse)
    outcome = runner.run_step(Study(Params(output_dir=tmp_path / "out")), "data")
    assert outcome.state == "failed"
    assert message in outcome.reason
    assert len(started) == starts


def test_plain_papermill_refuses_an_unknown_parameter(tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match="did you mean 'alpha'"):
        papermill.execute_notebook(
            ROOT / "notebooks" / "02_hybrid_training.ipynb",
            tmp_path / "out.ipynb",
            parameters={"alhpa": 0.4},
            progress_bar=False,
            cwd=ROOT / "notebooks",
        )


def test_an_output_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        run(Params(output_dir=tmp_path / "file"))


def test_an_exported_study_is_not_run_over(notebooks, tmp_path):
    """Its marker of 04 counts as it is: 02 and 03 would run, and 04 be kept."""
    params = miniature(tmp_path)
    run(params)
    write_json(Study(params).marker("bias"), {"exported": True})
    notebooks.executed.clear()
    with pytest.raises(InputError, match="an exported study, to be compared; to run it again"):
        run(params)
    with pytest.raises(InputError, match="an exported study"):
        runner.begin(params, "bias")
    assert notebooks.executed == []
    assert not is_done(runner.begin(params, "comparison"), "comparison")


# ------------------------------------------------------------------ notebooks opened by themselves


def test_a_notebook_opened_by_itself_runs_what_it_needs(notebooks, tmp_path):
    params = miniature(tmp_path)
    study = runner.begin(params, "evaluation")
    assert notebooks.executed == [("smoke", "data"), (HYBRID, "training")]
    assert not is_done(study, "evaluation")
    runner.finish(study, "evaluation")
    assert is_done(study, "evaluation")
    assert Params.load(study.run / "params.yaml") == params


def test_a_comparison_opened_by_itself_runs_the_grid_where_nothing_is_finished(notebooks, tmp_path):
    runner.begin(miniature(tmp_path), "comparison")
    assert notebooks.executed == WHOLE[:-1]
    notebooks.executed.clear()
    Study(miniature(tmp_path, strategy="untrained")).marker("bias").unlink()
    runner.begin(miniature(tmp_path), "comparison")
    assert notebooks.executed == [], "one finished run can be compared"


def test_a_notebook_says_which_step_before_it_failed(notebooks, tmp_path):
    notebooks.errors[HYBRID, "training"] = ValueError("a nan")
    message = "03_evaluation needs 02_hybrid_training, which failed: ValueError: a nan; see "
    with pytest.raises(InputError, match=message):
        runner.begin(miniature(tmp_path), "evaluation")


def test_a_step_that_is_begun_again_is_not_finished(notebooks, tmp_path):
    run(miniature(tmp_path))
    study = runner.begin(miniature(tmp_path), "training")
    assert not is_done(study, "training")
    record = runner.finish(study, "training", steps=3)
    assert record["steps"] == 3
    assert record["seconds"] >= 0


def test_a_step_that_is_begun_takes_back_all_that_reads_its_results(notebooks, tmp_path):
    also = [{"eval_corpus": "facts", "eval_languages": ["en"], "corrections": []}]
    params = miniature(tmp_path, also_evaluate=also)
    run(params)
    studies = [Study(part) for part in (params, *params.further())]
    everything = {file for study in studies for file in study.folder.rglob("*.done.json")}
    smoke = tmp_path / "smoke"

    runner.begin(params, "evaluation")
    gone = {smoke / HYBRID / f"{NOTEBOOKS[step]}.done.json" for step in RUN_STEPS[1:]}
    gone.add(studies[0].marker("comparison"))
    assert gone == {file for file in everything if not file.exists()}

    runner.begin(params, "training")
    gone.add(smoke / HYBRID / "02_hybrid_training.done.json")
    gone |= {studies[1].marker(step) for step in ("evaluation", "bias", "comparison")}
    assert gone == {file for file in everything if not file.exists()}


def test_a_step_that_fails_leaves_no_later_step_finished(notebooks, tmp_path):
    """04 keeps its marker no longer than 03: a comparison would take new metrics with old ranks."""
    params = miniature(tmp_path)
    run(params)
    Study(params).marker("evaluation").unlink()
    notebooks.errors[HYBRID, "evaluation"] = ValueError("killed")
    assert runner.run_step(Study(params), "evaluation").state == "failed"
    assert [each.params.strategy for each in finished_runs(Study(params))] == ["untrained"]


def test_figures_and_tables_of_an_earlier_run_do_not_stay(notebooks, tmp_path):
    params = miniature(tmp_path)
    run(params)
    study = Study(params)
    for step in ("training", "bias", "comparison"):
        (study.figures(step) / "old.png").touch()
    (study.comparison / "old.csv").touch()
    runner.begin(params, "bias")
    assert [file.parent.name for file in study.run.rglob("old.png")] == ["02_hybrid_training"]
    runner.begin(params, "comparison")
    left = {file.name for file in study.comparison.iterdir()}
    assert left == {"05_comparison.ipynb", "05_comparison.lock", "run.json"}


# ------------------------------------------------------------------------------------ two at once


def test_the_second_of_two_waits_and_repeats_nothing(notebooks, tmp_path, caplog):
    params = miniature(tmp_path)
    study = Study(params)
    lock = study.folder_of("data") / "01_data_prep.lock"
    lock.parent.mkdir(parents=True)
    with ThreadPoolExecutor(1) as second, caplog.at_level("WARNING"):
        with FileLock(lock):
            waiting = second.submit(run, params)
            while "another process is at it" not in caplog.text:
                assert not waiting.done()
                time.sleep(0.01)
            assert notebooks.executed == []
        assert {outcome.state for outcome in waiting.result(60)} == {"done"}
    assert str(lock) in caplog.text
    assert notebooks.executed == WHOLE


def test_what_another_process_finished_meanwhile_is_kept(notebooks, tmp_path, monkeypatch):
    params = miniature(tmp_path)
    run(params)
    notebooks.executed.clear()
    answers = iter([False, True])
    monkeypatch.setattr(runner, "is_done", lambda study, step: next(answers))
    assert runner.run_step(Study(params), "data").state == "kept"
    assert notebooks.executed == []
