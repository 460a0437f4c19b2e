"""Cross-lingual quality by script."""

from __future__ import annotations

import pytest

from hybridlib.evaluation.scripts import LATIN, OTHER, map_by_script, script_group


@pytest.mark.parametrize("lang", ["en", "vi", "tr", "pt_BR", "sr-Latn", "zh-Latn-pinyin", "deu"])
def test_languages_in_latin_letters(lang):
    assert script_group(lang) == LATIN


@pytest.mark.parametrize("lang", ["ru", "zh", "zh-Hant", "sr", "ar", "th", "uz-Cyrl", "unknown"])
def test_languages_in_other_scripts(lang):
    assert script_group(lang) == OTHER


def test_pairs_are_averaged_by_their_scripts():
    values = {
        ("de", "en"): 0.9,
        ("en", "de"): 0.7,
        ("de", "th"): 0.5,
        ("en", "th"): 0.3,
        ("th", "de"): 0.2,
    }
    metrics = {
        "languages": ["de", "en", "th"],
        "per_language": {"de": {}, "en": {}, "th": {}},
        "per_pair": {
            f"{query}-{target}": {"map": value} for (query, target), value in values.items()
        },
    }
    table = map_by_script(metrics)
    assert table.loc[LATIN, LATIN] == pytest.approx(0.8)
    assert table.loc[LATIN, OTHER] == pytest.approx(0.4)
    assert table.loc[OTHER, LATIN] == pytest.approx(0.2)
    assert table.isna().loc[OTHER, OTHER]


def test_one_language_has_no_pairs():
    assert map_by_script({"languages": ["de"], "per_language": {"de": {}}, "per_pair": {}}).empty
