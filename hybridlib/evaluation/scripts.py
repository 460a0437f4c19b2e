"""Retrieval quality by script: languages in Latin letters against those in another script.

Names often look alike in two languages of one script. So an encoder can match them without having
learned that they mean the same.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pandas as pd
from babel.core import get_global

from hybridlib.data.languages import primary_language
from hybridlib.evaluation.metrics import of_pair

LATIN = "Latin script"
OTHER = "another script"


def script_group(lang: str) -> str:
    """Return whether a language is written in Latin letters: ``Latin script`` or the other.

    The script that a tag names counts (``sr-Latn``), else the usual one of the language (Unicode
    CLDR, likely subtags).
    """
    subtags = re.split(r"[-_]", lang.lower())[1:]
    scripts = [tag for tag in subtags if len(tag) == 4 and tag.isalpha()]
    usual = get_global("likely_subtags").get(primary_language(lang), "")
    is_latin = "latn" in scripts if scripts else "_Latn" in usual
    return LATIN if is_latin else OTHER


def map_by_script(metrics: dict[str, Any]) -> pd.DataFrame:
    """Return cross-lingual mAP by the scripts of query and candidates.

    Formula: mean over the ordered pairs of two different languages. Two languages in another
    script than Latin need not share theirs.

    Args:
        metrics: the content of a metrics.json.

    Returns:
        Rows: script of the query. Columns: script of the candidates. A combination without a pair
        of languages is NaN, or has no row or column.
    """
    rows = []
    for query, candidate in product(metrics["per_language"], metrics["languages"]):
        means = of_pair(metrics, query, candidate)
        if query != candidate and means is not None:
            rows.append((script_group(query), script_group(candidate), means["map"]))
    table = pd.DataFrame(rows, columns=["query in", "candidates in", "map"])
    return table.pivot_table(index="query in", columns="candidates in", values="map")
