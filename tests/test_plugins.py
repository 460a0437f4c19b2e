"""A strategy of one's own: a Python file named in the parameters, the same to everything that reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import pair_table

from hybridlib.batching import strategies
from hybridlib.batching.pair_table import PairTable
from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.figures import style
from hybridlib.study.folder import RUN_STEPS, Study

pytestmark = pytest.mark.usefixtures("strategies_as_before")
SOLUTION = "notebooks/solutions/my_strategies.py"
OWN = """from hybridlib.samplers import STRATEGIES, strategy

@strategy("half-en", "English or cross-lingual", options=("alpha",))
def half_en(pairs, rng, batch_size, alpha):
    return STRATEGIES["en-en" if rng.random() < alpha else "x-y"].draw(pairs, rng, batch_size, alpha)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def test_a_plugin_registers_its_strategy_before_the_parameters_are_checked(own):
    with pytest.raises(InputError, match="no strategy is called 'half-en'.*its file in plugins"):
        Params.check({"strategy": "half-en"})
    params = Params.check(
        {"strategy": "half-en", "strategies": ["x-y", "half-en"], "plugins": [str(own)]}
    )
    assert params.but(seed=1).plugins == [str(own)] and Params.check(params.plain()) == params
    batch = strategies.draw_batch("half-en", PairTable(pair_table()), 0, 1, 8, alpha=0.0)
    assert batch.regime == "x-y"


def test_plugins_survive_the_parameter_file_and_the_command_line(own, tmp_path, capsys):
    Params.check({"plugins": [str(own)], "strategy": "half-en"}).save(tmp_path / "params.yaml")
    assert Params.load(tmp_path / "params.yaml").strategy == "half-en"
    (tmp_path / "study.yaml").write_text("study: a\nstrategies: [half-en]\n")
    assert (
        main(["run", str(tmp_path / "study.yaml"), "-p", "plugins", f"[{tmp_path / 'none.py'}]"])
        == 2
    )
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "none.py: cannot be read (No such file or directory)" in error


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("\n1 / 0\n", r"own\.py: line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", r"own\.py: line 1: SyntaxError"),
        ("import no_such_module_here\n", r"line 1: ModuleNotFoundError"),
        (OWN.replace("half-en", "hybrid"), r"strategy 'hybrid': there is one of that name already"),
        (
            OWN.replace("half-en", "untrained"),
            r"strategy 'untrained': there is one of that name already",
        ),
        (OWN.replace("half-en", "half/en"), r"strategy 'half/en': a name is made of letters"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_with_its_line(own, code, message):
    own.write_text(code)
    with pytest.raises(InputError, match=message):
        Params.check({"plugins": [str(own)]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["notes.txt"], "notes.txt: is no Python file"),
        ("own.py", "plugins = 'own.py'"),
        ([3], "plugins.0 = 3"),
        (["a.py", "a.py"], "a.py: cannot be read"),
    ],
)
def test_plugins_are_a_list_of_python_files(given, message):
    with pytest.raises(InputError, match=message):
        Params.check({"plugins": given})


def test_a_changed_plugin_is_read_again_and_forgets_what_it_registered(own):
    Params.check({"plugins": [str(own)], "strategy": "half-en"})
    own.write_text(OWN.replace("half-en", "other-en"))
    with pytest.raises(InputError, match="half-en"):
        Params.check({"plugins": [str(own)], "strategy": "half-en"})
    assert Params.check({"plugins": [str(own)], "strategy": "other-en"})


def test_a_plugin_that_was_mended_works(own):
    own.write_text("1 / 0")
    with pytest.raises(InputError):
        Params.check({"plugins": [str(own)]})
    own.write_text(OWN)
    assert Params.check({"plugins": [str(own)], "strategy": "half-en"})


def test_a_plugins_content_counts_for_its_own_strategies_alone(own):
    def fingerprints(strategy: str) -> list[str]:
        run = Study(
            Params.check({"strategy": strategy, "strategies": [strategy], "plugins": [str(own)]})
        )
        return [run.fingerprint(step) for step in ("data", *RUN_STEPS)]

    without = [
        Study(Params(strategies=["hybrid"])).fingerprint(step) for step in ("data", *RUN_STEPS)
    ]
    mine, built_in = fingerprints("half-en"), fingerprints("hybrid")
    assert built_in == without
    own.write_text(OWN + "# changed\n")
    assert fingerprints("hybrid") == built_in
    changed = fingerprints("half-en")
    assert changed[0] == mine[0] and not set(changed[1:]) & set(mine[1:])


def test_a_plugins_options_are_read_like_a_built_in_strategys(own):
    def fingerprint(**values: object) -> str:
        return Study(
            Params.check({"strategy": "half-en", "plugins": [str(own)], **values})
        ).fingerprint("training")

    assert fingerprint(alpha=0.1) != fingerprint() == fingerprint(switch_probability=0.1)


def test_a_strategy_of_ones_own_keeps_its_colour_whoever_stands_beside_it(own):
    Params.check({"plugins": [str(own)], "strategy": "half-en"})
    assert style.strategy_style("half-en") == style._style_from_name("half-en")
    assert style.strategy_style("half-en") not in style._STRATEGIES.values()


def test_the_solutions_strategy_draws_english_passages():
    Params.check({"plugins": [SOLUTION], "strategy": "x-en"})
    frame = pair_table(30, missing=[(0, "en"), (1, "ar")])
    table = PairTable(frame)
    batch = strategies.draw_batch("x-en", table, 0, 1, 20)
    assert set(frame["lang"].iloc[batch.passages]) == {"en"} and set(
        frame["lang"].iloc[batch.questions]
    ) == {"ar", "de", "en", "zh"}
    assert (
        frame["pair_id"].to_numpy()[batch.questions] == frame["pair_id"].to_numpy()[batch.passages]
    ).all() and frame["pair_id"].iloc[batch.questions].is_unique
    again = strategies.draw_batch("x-en", table, 0, 1, 20)
    assert (again.questions == batch.questions).all()
    with pytest.raises(InputError, match="there are 29: lower batch_size"):
        strategies.draw_batch("x-en", table, 0, 1, 30)
