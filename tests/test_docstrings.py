"""The examples in the docstrings of the public names are right."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

import hybridlib
from hybridlib.config.params import Params
from hybridlib.study import folder

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PUBLIC = [name for name in hybridlib.__all__ if name != "InputError"]


def examples_of(documented: Any, name: str, namespace: dict[str, Any]) -> list[doctest.DocTest]:
    """Return the examples of a function, or of a class and its methods."""
    finder = doctest.DocTestFinder()
    found = finder.find(documented, name, module=False, globs=namespace)
    return [test for test in found if test.examples]


@pytest.mark.usefixtures("strategies_as_before")
@pytest.mark.parametrize("name", [*PUBLIC, "label"])
def test_a_public_name_has_an_example_and_it_is_right(name, tiny_encoder, capsys):
    documented = folder.label if name == "label" else getattr(hybridlib, name)
    namespace = {"tiny": tiny_encoder, "Path": Path, "Params": Params, name: documented}
    tests = examples_of(documented, name, namespace)
    assert tests, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0, capsys.readouterr().out


def test_the_public_names_are_there():
    assert set(hybridlib.__all__) <= set(dir(hybridlib))
    for name in hybridlib.__all__:
        assert getattr(hybridlib, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'hybridlib' has no attribute 'nothing'"):
        hybridlib.nothing  # noqa: B018
