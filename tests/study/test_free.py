"""What training gains over the best correction of the untrained encoder, which costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
from studies import copied

from hybridlib.evaluation.significance import Estimate
from hybridlib.files import read_json, write_json
from hybridlib.study import free
from hybridlib.study.export import export
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study, label

POOL = "multilingual mAP"


@pytest.fixture(scope="module")
def runs(study: Study) -> list[Study]:
    return finished_runs(study)


def changed(study: Study, tmp_path, change) -> list[Study]:
    """The runs of a copy whose metrics.json have been changed."""
    runs = finished_runs(copied(study, tmp_path))
    for run in runs:
        metrics = run.metrics()
        change(label(run.params), metrics)
        write_json(run.run / "metrics.json", metrics)
    return runs


def pool(runs: list[Study], name: str, correction: str = "") -> float:
    """The mAP of a strategy in the pool, a mean over its seeds, from metrics.json."""
    values = []
    for run in runs:
        if label(run.params) == name:
            metrics = run.metrics()
            part = metrics["corrections"][correction] if correction else metrics
            values.append(part["settings"]["multilingual"]["map"])
    return float(np.mean(values))


@pytest.mark.parametrize(("has_seeds", "end"), [(True, "]"), (False, "] over questions alone")])
def test_a_gain_says_where_it_covers_no_other_seeds(has_seeds, end):
    gained = Estimate(0.1, 0.01, degrees_of_freedom=1e9, has_seeds=has_seeds)
    assert free.written_gain(gained) == f"+0.100 [+0.080, +0.120{end}"


def test_every_strategy_stands_as_it_is_and_corrected_untrained_first(runs):
    table = free.by_cost(runs)
    names = list(dict.fromkeys(label(run.params) for run in runs))
    assert table["strategy"].tolist() == [name for name in names for _ in range(2)]
    assert table["correction"].tolist() == ["none", "centering"] * len(names)
    for row in table.to_dict("records"):
        correction = row["correction"].replace("none", "")
        assert row[POOL] == pytest.approx(pool(runs, row["strategy"], correction))
    minutes = table.set_index("strategy")["minutes of training"]
    assert set(minutes["untrained"]) == {0}
    # The third and the fourth run of made_up.py.
    assert minutes["x-x-mono"].tolist() == [3.5, 3.5]


def test_a_correction_that_is_fitted_on_the_candidates_does_not_count(study, tmp_path):
    def change(name, metrics):
        fitted = metrics["corrections"]["centering"]
        better = {**fitted["settings"]["multilingual"], "map": 1.0}
        settings = {**fitted["settings"], "multilingual": better}
        metrics["corrections"]["lir@candidates"] = {**fitted, "settings": settings}

    runs = changed(study, tmp_path, change)
    assert set(free.by_cost(runs)["correction"]) == {"none", "centering"}
    assert "as it is, centering." in free.cheapest(runs)[0]


def test_the_best_correction_is_the_one_of_the_pool(study, tmp_path):
    def change(name, metrics):
        best = metrics["corrections"]["centering"]
        worse = {"map": best["settings"]["multilingual"]["map"] - 0.1}
        better_elsewhere = {"map": best["settings"]["monolingual"]["map"] + 0.1}
        settings = {
            **best["settings"],
            "multilingual": {**best["settings"]["multilingual"], **worse},
            "monolingual": {**best["settings"]["monolingual"], **better_elsewhere},
        }
        metrics["corrections"]["lir"] = {**best, "settings": settings}

    runs = changed(study, tmp_path, change)
    assert set(free.by_cost(runs)["correction"]) == {"none", "centering"}
    first = free.cheapest(runs)[0]
    assert first.endswith("It is the best of: as it is, centering, lir.")


def test_the_first_line_is_what_costs_nothing_and_the_last_the_decision(runs):
    lines = free.cheapest(runs)
    free_map = pool(runs, "untrained", "centering")
    assert lines[0] == (
        f"Cheapest: untrained with centering has {free_map:.3f} in the pool, no training. It is "
        "the best of: as it is, centering."
    )
    best = max([(pool(runs, label(run.params), "centering"), label(run.params)) for run in runs])
    assert lines[1].startswith(f"Best trained: {best[1]} with centering has {best[0]:.3f}, after ")
    assert lines[2].startswith(f"Training gains {best[0] - free_map:+.3f} [")
    assert lines[2].endswith("]: it is shown that it pays.")


def test_an_exported_study_says_the_same(study, runs, tmp_path):
    assert free.cheapest(export(study, tmp_path)) == free.cheapest(runs)


@pytest.mark.parametrize(
    ("better", "worse", "decision"),
    [
        ("x-y", "untrained", "]: it is shown that it pays."),
        ("untrained", "x-y", "]: it is shown that it does not pay, take the cheapest."),
        ("x-y", "x-y", "]: it is not shown that it pays, take the cheapest."),
    ],
)
def test_the_decision_follows_the_interval(runs, better, worse, decision):
    """The untrained runs take the place of those of x-y, and the other way round."""
    table = free.by_cost(runs).set_index(["strategy", "correction"], drop=False)
    line = free._judged(
        runs,
        table.loc[(better, "none")],
        table.loc[(worse, "none")],
        "multilingual",
    )
    assert line.endswith(decision)


def test_corrections_that_were_not_computed_are_said(study, tmp_path):
    runs = changed(study, tmp_path, lambda name, metrics: metrics.pop("corrections"))
    lines = free.cheapest(runs)
    assert (
        lines[0]
        == f"Cheapest: untrained has {pool(runs, 'untrained'):.3f} in the pool, no training."
    )
    assert lines[1].startswith(
        "No correction of the untrained encoder was computed (corrections: [])"
    )


def test_a_study_without_an_untrained_run_says_so(runs):
    trained = [run for run in runs if label(run.params) != "untrained"]
    (line,) = free.cheapest(trained)
    assert line.startswith("Not compared with what costs nothing")


def test_a_corpus_without_a_pool_is_compared_in_the_queries_language(study, tmp_path):
    def change(name, metrics):
        for part in (metrics, *metrics["corrections"].values()):
            part["settings"] = {"monolingual": part["settings"]["monolingual"]}

    runs = changed(study, tmp_path, change)
    assert free.decisive_setting(runs) == "monolingual"
    assert " in the queries' own language, no training." in free.cheapest(runs)[0]
    assert POOL not in free.by_cost(runs)


def test_several_encoders_have_a_line_each(study, tmp_path):
    runs = finished_runs(study)
    others = [Study(run.params.but(encoder="other", output_dir=tmp_path)) for run in runs]
    for run, other in zip(runs, others):
        other.run.parent.mkdir(exist_ok=True)
        other.run.symlink_to(run.run)
    lines = free.cheapest([*runs, *others])
    assert [line.partition(": ")[0] for line in lines] == ["built-in"] * 3 + ["other"] * 3


def test_minutes_are_those_of_the_run_that_was_trained(study, tmp_path):
    """Of what also_evaluate makes, the study that has trained holds them."""
    trained = finished_runs(study)[-1]
    elsewhere = Study(trained.params.but(study="elsewhere", trained_in="made-up"))
    seconds = read_json(trained.run / "run.json")["steps"]["training"]["seconds"]
    assert free._training_seconds(elsewhere) == seconds
