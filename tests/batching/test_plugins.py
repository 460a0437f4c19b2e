"""A strategy of one's own: a Python file named in the parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import pair_table

from hybridlib.batching import plugins, strategies
from hybridlib.batching.pair_table import PairTable
from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.errors import InputError
from hybridlib.figures.style import strategy_style
from hybridlib.study.fingerprint import fingerprint
from hybridlib.study.folder import RUN_STEPS, Study, training_parameters

pytestmark = pytest.mark.usefixtures("strategies_as_before")
SOLUTION = Path(__file__).resolve().parents[2] / "notebooks" / "solutions" / "my_strategies.py"
IMPORTS = """from hybridlib import strategy
from hybridlib.batching.registry import STRATEGIES, Batch
"""
STRATEGY = """
@strategy("half-en", "English or cross-lingual", options=("alpha",))
def half_en(pairs, rng, batch_size, alpha):
    name = "en-en" if rng.random() < alpha else "x-y"
    return STRATEGIES[name].draw(pairs, rng, batch_size, alpha)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(IMPORTS + STRATEGY)
    return file


def open_study(plugin: Path, strategy: str = "half-en", **values: object) -> Study:
    params = {"strategy": strategy, "strategies": [strategy], "plugins": [str(plugin)], **values}
    return Study.open(Params.check(params))


# ------------------------------------------------------------------------------------------ loading


def test_a_plugin_registers_its_strategy_before_the_names_are_checked(plugin):
    with pytest.raises(InputError, match=r"no strategy is called 'half-en'.*its file in plugins"):
        Study.open(Params(strategy="half-en"))
    study = open_study(plugin)
    assert study.params.plugins == [str(plugin)]
    batch = strategies.draw_batch("half-en", PairTable(pair_table()), 0, 1, 8, alpha=0.0)
    assert batch.regime == "x-y"


def test_plugins_survive_the_parameter_file(plugin, tmp_path):
    Params(plugins=[str(plugin)], strategy="half-en").save(tmp_path / "params.yaml")
    assert Study.open(Params.load(tmp_path / "params.yaml")).params.strategy == "half-en"


def test_the_command_line_names_a_plugin_that_is_missing(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text("study: a\nstrategies: [half-en]\n")
    missing = f"[{tmp_path / 'none.py'}]"
    assert main(["run", str(tmp_path / "study.yaml"), "-p", "plugins", missing]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "none.py: cannot be read (No such file or directory)" in error


def test_a_file_runs_once(plugin):
    plugin.write_text(
        f"from pathlib import Path\nPath({str(plugin)!r} + '.ran').open('a').write('x')"
    )
    plugins.load([plugin])
    plugins.load([str(plugin)])
    assert Path(f"{plugin}.ran").read_text() == "x"


def test_a_changed_plugin_is_read_again_and_forgets_what_it_registered(plugin):
    open_study(plugin)
    plugin.write_text(IMPORTS + STRATEGY.replace("half-en", "other-en"))
    with pytest.raises(InputError, match="no strategy is called 'half-en'"):
        open_study(plugin)
    open_study(plugin, "other-en")


def test_a_plugin_that_was_mended_works(plugin):
    plugin.write_text("1 / 0")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        open_study(plugin)
    plugin.write_text(IMPORTS + STRATEGY)
    open_study(plugin)


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("\n1 / 0\n", r"own\.py: line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", r"own\.py: line 1: SyntaxError"),
        ("import no_such_module_here\n", r"line 1: ModuleNotFoundError.*'no_such_module_here'$"),
        (
            IMPORTS + STRATEGY.replace("half-en", "hybrid"),
            r"strategy 'hybrid': there is one of that name already",
        ),
        (
            IMPORTS + STRATEGY.replace("half-en", "untrained"),
            r"strategy 'untrained': there is one of that name already",
        ),
        (
            IMPORTS + STRATEGY.replace("half-en", "half/en"),
            r"strategy 'half/en': a name is made of letters",
        ),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_with_its_line(plugin, code, message):
    plugin.write_text(code)
    with pytest.raises(InputError, match=message):
        plugins.load([plugin])


def test_the_module_of_earlier_versions_says_what_to_write_instead(plugin):
    """What the message says to write does load."""
    plugin.write_text("\nfrom hybridlib.samplers import STRATEGIES, Batch, strategy\n" + STRATEGY)
    with pytest.raises(InputError) as error:
        plugins.load([plugin])
    message = str(error.value)
    assert f"plugins: {plugin}: line 2: ModuleNotFoundError" in message
    imports = [part for part in message.split("`") if part.startswith("from hybridlib")]
    assert len(imports) == 2
    plugin.write_text("\n".join(imports) + STRATEGY)
    open_study(plugin)


def test_a_plugin_is_a_python_file_that_can_be_read(tmp_path):
    with pytest.raises(InputError, match=r"plugins: notes\.txt: is no Python file"):
        plugins.load(["notes.txt"])
    with pytest.raises(InputError, match=r"none\.py: cannot be read \(No such file or directory\)"):
        plugins.load([tmp_path / "none.py"])


# ------------------------------------------------------------------------------- what depends on it


def fingerprints(study: Study) -> list[str]:
    return [fingerprint(study, step) for step in ("data", *RUN_STEPS)]


def test_a_plugins_content_counts_for_its_own_strategies_alone(plugin):
    without = fingerprints(Study(Params(strategies=["hybrid"])))
    before = fingerprints(open_study(plugin))
    assert fingerprints(open_study(plugin, "hybrid")) == without
    plugin.write_text(IMPORTS + STRATEGY + "# changed\n")
    assert fingerprints(open_study(plugin, "hybrid")) == without
    changed = fingerprints(open_study(plugin))
    assert changed[0] == before[0]
    assert not set(changed[1:]) & set(before[1:])


def test_a_plugins_options_are_read_like_a_built_in_strategys(plugin):
    names = training_parameters(open_study(plugin).params)
    assert "alpha" in names
    assert "switch_probability" not in names and "language_draw" not in names


def test_a_strategy_of_ones_own_has_a_style_of_its_own(plugin):
    before = strategy_style("half-en")
    open_study(plugin)
    assert strategy_style("half-en") == before
    built_in = [name for name, entry in strategies.STRATEGIES.items() if entry.built_in]
    assert before not in [strategy_style(name) for name in built_in]


# ------------------------------------------------------------------------------------- the solution


def test_the_solutions_strategy_draws_english_passages():
    open_study(SOLUTION, "x-en")
    frame = pair_table(30, missing=[(0, "en"), (1, "ar")])
    table = PairTable(frame)
    batch = strategies.draw_batch("x-en", table, 0, 1, 20)
    assert set(frame["lang"].iloc[batch.passages]) == {"en"}
    assert set(frame["lang"].iloc[batch.questions]) == {"ar", "de", "en", "zh"}
    pair_ids = frame["pair_id"].to_numpy()
    assert (pair_ids[batch.questions] == pair_ids[batch.passages]).all()
    assert len(set(pair_ids[batch.questions])) == 20
    again = strategies.draw_batch("x-en", table, 0, 1, 20)
    assert (again.questions == batch.questions).all()
    with pytest.raises(InputError, match="29: lower batch_size"):
        strategies.draw_batch("x-en", table, 0, 1, 30)
