"""Claims over several studies: random effects, by hand and over made-up studies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from studies import copied

from hybridlib.cli import main
from hybridlib.errors import InputError
from hybridlib.study.combine import combine, random_effects, study_claims, write_combined
from hybridlib.study.comparison import against, differences
from hybridlib.study.export import export
from hybridlib.study.fingerprint import finished_runs
from hybridlib.study.folder import Study

SETTINGS = ["monolingual", "cross-lingual", "multilingual", "rank distance"]


@pytest.fixture(scope="module")
def studies(study: Study, tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """The made-up study and an export of it under another name."""
    folder = tmp_path_factory.mktemp("exported")
    export(study, folder)
    (folder / "made-up").rename(folder / "second")
    return [study, Study(study.params.but(output_dir=folder, study="second"))]


def test_studies_that_agree_are_weighted_by_their_precision():
    result = random_effects([1.0, 1.2], [0.1, 0.2])
    assert result.mean == pytest.approx((100 * 1.0 + 25 * 1.2) / 125)
    assert result.standard_error == pytest.approx(125**-0.5)
    assert (result.tau2, result.q, result.i2) == pytest.approx((0, 0.8, 0))


def test_random_effects_by_hand():
    """Weights 100, 100 and 25: each step on paper."""
    result = random_effects([0.0, 1.0, 0.5], [0.1, 0.1, 0.2])
    assert result.q == pytest.approx(50)
    assert result.tau2 == pytest.approx((50 - 2) / (225 - 20625 / 225))
    assert result.i2 == pytest.approx(48 / 50)
    assert result.q_p == pytest.approx(np.exp(-25))
    weights = 1 / (np.array([0.01, 0.01, 0.04]) + result.tau2)
    assert result.mean == pytest.approx(0.5)
    assert result.standard_error == pytest.approx(weights.sum() ** -0.5)


def test_one_study_and_equal_studies_have_no_variance_between_them():
    for means in ([0.2], [0.2, 0.2, 0.2]):
        result = random_effects(means, [0.1] * len(means))
        assert (result.mean, result.tau2, result.i2) == pytest.approx((0.2, 0, 0))
        assert result.q_p == pytest.approx(1)
    with pytest.raises(InputError, match="positive standard error"):
        random_effects([], [])
    with pytest.raises(InputError, match="positive standard error"):
        random_effects([0.1, 0.2], [0.1, 0.0])


def test_the_claims_are_those_of_the_studies(study, studies):
    claims = study_claims(studies)
    assert claims["study"].unique().tolist() == ["made-up", "second"]
    assert set(claims["second"]) == {"untrained", "x-x-mono", "x-y"}
    expected = against(differences(finished_runs(study)), "hybrid")
    expected = expected[expected["other"].isin(set(claims["second"]))]
    found = claims[claims["study"] == "made-up"]
    assert found["difference"].tolist() == pytest.approx(expected["difference"].tolist())


def test_groups_are_all_studies_and_those_of_an_encoder():
    rows = []
    for study, encoder, difference in (("a", "e4", 0.1), ("b", "e4", 0.2), ("c", "e12", -0.1)):
        rows.append(
            (study, encoder, "hybrid", "x-y", "multilingual", difference, 0.01, "questions")
        )
    columns = ["study", "encoder", "first", "second", "setting", "difference"]
    table = combine(pd.DataFrame(rows, columns=[*columns, "standard_error", "over"]))
    assert table[["group", "studies"]].values.tolist() == [["all", 3], ["e4", 2]]
    assert table["difference"].tolist()[1] == pytest.approx(0.15)
    assert table["verdict"].tolist() == ["not shown", "shown"]


def test_the_command_writes_tables_and_a_figure(studies, tmp_path, capsys):
    assert main(["combine", *(str(study.folder) for study in studies), "--out", str(tmp_path)]) == 2
    assert "no such file" in capsys.readouterr().err
    grid = tmp_path / "made-up.yaml"
    studies[0].params.save(grid)
    out = tmp_path / "out"
    assert main(["combine", str(grid), str(studies[1].folder), "--out", str(out)]) == 0
    written = pd.read_csv(out / "combined.csv")
    assert written["setting"].unique().tolist() == SETTINGS
    assert len(written) == 3 * 4
    assert set(written["studies"]) == {2}
    text = (out / "combined.md").read_text()
    assert text in capsys.readouterr().out
    assert text.count("hybrid is better than x-y in") == 3
    assert {"forest.png", "forest.svg"} <= {file.name for file in out.iterdir()}


def test_what_cannot_be_combined_is_refused(study, studies, tmp_path):
    with pytest.raises(InputError, match="give two or more"):
        write_combined([study], tmp_path)
    with pytest.raises(InputError, match="two studies are called 'made-up'"):
        study_claims([study, study])
    with pytest.raises(InputError, match="no run is finished"):
        study_claims([study, Study(study.params.but(study="other"))])
    without = copied(study, tmp_path, strategies=["untrained", "x-y"])
    with pytest.raises(InputError, match="no claim to combine"):
        study_claims([without])
