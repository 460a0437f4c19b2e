"""What the Unicode CLDR says of territories, currencies, languages, scripts, cities and time zones.

The links between two things and their names in the XQuAD languages come from the Common Locale
Data Repository (CLDR, https://cldr.unicode.org) through the Babel package, so nothing has to be
downloaded. What cldr_excluded.yaml lists is contested, out of date in CLDR, or not what its kind
says it is (an island among the cities).

A thing is named by a key ``kind:code``, such as ``territory:JP`` or ``currency:JPY``.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from babel import localedata
from babel.core import get_global

from hybridlib.data.package_data import read_package_yaml

LANGUAGES: tuple[str, ...] = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

# Subject code and object code of each statement of a relation.
Links = Iterator[tuple[str, str]]

# A subject gives its answer away when it does so in this many languages.
_LEAKING_LANGUAGES = 3

# CLDR names a city in Latin script only where the name differs from the end of the time zone's
# identifier.
_LATIN_SCRIPT = ("de", "en", "es", "tr", "vi")

# Where Babel's data of a language keeps the names of each kind.
_NAME_TABLES = {
    "territory": "territories",
    "currency": "currency_names",
    "language": "languages",
    "script": "scripts",
}

_OFFICIAL = {"official", "de_facto_official"}


@cache
def names_of(key: str) -> dict[str, str] | None:
    """Return language -> name of a thing; None unless every language has one.

    A name that is no more than the code does not count.
    """
    kind, code = key.split(":", 1)
    if kind == "city":
        names = {language: _city_name(language, code) for language in LANGUAGES}
    elif kind == "timezone":
        names = _timezone_names(code)
    else:
        table = _NAME_TABLES[kind]
        names = {language: _locale_data(language)[table].get(code) for language in LANGUAGES}
    proper_names = {
        language: name
        for language, name in names.items()
        if name and name.casefold() != code.casefold()
    }
    return proper_names if len(proper_names) == len(LANGUAGES) else None


def gives_away(subject: Mapping[str, str], answer: Mapping[str, str], contained: bool) -> bool:
    """Return whether the names of a subject give its answer away in several languages.

    Args:
        subject: language -> name.
        answer: language -> name.
        contained: whether one name within the other counts too, as Brazzaville in
            Congo - Brazzaville and Moscow in Moscow Time; if not, only an equal name does.
    """
    languages = 0
    for language in LANGUAGES:
        one = subject[language].casefold()
        other = answer[language].casefold()
        if one == other or (contained and (one in other or other in one)):
            languages += 1
    return languages >= _LEAKING_LANGUAGES


@cache
def _excluded(kind: str) -> frozenset[str]:
    """Return the codes of one list of cldr_excluded.yaml."""
    return frozenset(read_package_yaml("cldr_excluded.yaml")[kind])


@cache
def _locale_data(language: str) -> dict[str, Any]:
    """Return what CLDR says in one language, without what it inherits.

    Read from Babel's file: ``localedata.load`` keeps one cache for data with and without
    inheritance.
    """
    with open(localedata.resolve_locale_filename(language), "rb") as file:
        return pickle.load(file)


def _city_name(language: str, zone: str) -> str | None:
    """Return the name of the city that stands for a time zone (``Asia/Tokyo``)."""
    # CLDR files a city under the zone's first identifier.
    zone = _first_zone_ids().get(zone, zone)
    name = _locale_data(language)["time_zones"].get(zone, {}).get("city")
    if name or language not in _LATIN_SCRIPT:
        return name
    root_name = _locale_data("root")["time_zones"].get(zone, {}).get("city")
    return root_name or zone.split("/")[-1].replace("_", " ")


def _timezone_names(metazone: str) -> dict[str, str | None]:
    """Return the long name of a time zone, in the same form in every language.

    The form is the generic one ("Japan Time"), else the standard one ("Singapore Standard Time").
    """
    names: dict[str, str | None] = {}
    for form in ("generic", "standard"):
        for language in LANGUAGES:
            zone = _locale_data(language)["meta_zones"].get(metazone, {})
            names[language] = zone.get("long", {}).get(form)
        if all(names.values()):
            break
    return names


@cache
def _first_zone_ids() -> dict[str, str]:
    """Return current zone identifier -> CLDR's: ``Asia/Kolkata`` -> ``Asia/Calcutta``."""
    aliases = get_global("zone_aliases")
    zones = sorted(_locale_data("ru")["time_zones"])
    return {aliases[zone]: zone for zone in zones if zone in aliases}


def _territory_currency() -> Links:
    """Yield the only legal tender in force of each territory."""
    excluded = _excluded("territories") | _excluded("territories_of_currencies")
    excluded_currencies = _excluded("currencies")
    for territory, history in get_global("territory_currencies").items():
        tender = [code for code, _, end, is_tender in history if is_tender and end is None]
        if territory in excluded or len(tender) != 1 or tender[0] in excluded_currencies:
            continue
        yield territory, tender[0]


def _territory_official_language() -> Links:
    """Yield the language of each territory with one official language at national level."""
    excluded = _excluded("territories") | _excluded("territories_of_official_languages")
    for territory in get_global("territory_languages"):
        official = _official_languages(territory)
        if len(official) == 1 and territory not in excluded:
            yield territory, official.pop()


def _official_languages(territory: str) -> set[str]:
    """Return the official languages of a territory, without their scripts."""
    languages = set()
    for language, use in get_global("territory_languages").get(territory, {}).items():
        if use["official_status"] in _OFFICIAL:
            languages.add(language.split("_")[0])
    return languages


def _territory_timezone() -> Links:
    """Yield the time zone of each territory that lies in one."""
    for territory, zones in get_global("territory_zones").items():
        metazones = {_metazones().get(zone, "") for zone in zones}
        if territory in _excluded("territories"):
            continue
        if len(metazones) == 1 and metazones != {""}:
            yield territory, metazones.pop()


@cache
def _metazones() -> dict[str, str]:
    """Return current zone identifier -> the metazone in force: ``Asia/Tokyo`` -> ``Japan``."""
    aliases = get_global("zone_aliases")
    metazones = {}
    for zone, metazone in get_global("meta_zones").items():
        if metazone not in _excluded("timezones"):
            metazones[aliases.get(zone, zone)] = metazone
    return metazones


def _language_script() -> Links:
    """Yield the script of each language that is written in one."""
    for language, tag in get_global("likely_subtags").items():
        script = tag.split("_")[1]
        if language in _excluded("languages_of_scripts") or script in _excluded("scripts"):
            continue
        # A key such as az_IR stands for a language in some territory or script.
        if "_" not in language and _scripts_in_use()[language] <= {script}:
            yield language, script


@cache
def _scripts_in_use() -> dict[str, set[str]]:
    """Return language -> scripts that it is tagged with in some territory or locale."""
    tags = list(localedata.locale_identifiers())
    for spoken in get_global("territory_languages").values():
        tags += spoken
    for key, tag in get_global("likely_subtags").items():
        # A key that ends in a territory: the most likely script there.
        if key.split("_")[-1].isupper():
            tags.append(tag)
    # A script is the part of a tag that is written like Latn.
    scripts: dict[str, set[str]] = defaultdict(set)
    for tag in tags:
        language, *others = tag.split("_")
        scripts[language].update(part for part in others if part.istitle() and len(part) == 4)
    return scripts


def _language_territory() -> Links:
    """Yield the territory of each language that is spoken, or official, in one only.

    It must also be the language's most likely territory.
    """
    # Where each language is spoken.
    territories: dict[str, set[str]] = defaultdict(set)
    for territory, spoken in get_global("territory_languages").items():
        for language in spoken:
            territories[language.split("_")[0]].add(territory)
    for language in sorted(territories.keys() - _excluded("languages_of_territories")):
        # Of several territories only those count in which the language is official.
        candidates = territories[language]
        if len(candidates) > 1:
            candidates = {
                territory for territory in candidates if language in _official_languages(territory)
            }
        likely = get_global("likely_subtags").get(language, "").split("_")[-1]
        if candidates == {likely}:
            yield language, likely


def _city_territory() -> Links:
    """Yield the territory of each city."""
    yield from _cities().items()


def _city_timezone() -> Links:
    """Yield the time zone of each city."""
    for city in _cities():
        if city in _metazones():
            yield city, _metazones()[city]


@cache
def _cities() -> dict[str, str]:
    """Return city (its zone identifier) -> territory, without cities named like their territory."""
    cities = {}
    # The name of a zone is that of its best-known city.
    for zone, territory in get_global("zone_territories").items():
        if zone in _excluded("cities") or territory in _excluded("territories"):
            continue
        city_names = names_of(f"city:{zone}")
        territory_names = names_of(f"territory:{territory}")
        if not city_names or not territory_names:
            continue
        if not gives_away(city_names, territory_names, contained=True):
            cities[zone] = territory
    return cities


class Relation(NamedTuple):
    """A kind of statement: the kinds of its subject and object, and its statements."""

    subject_kind: str
    object_kind: str
    links: Callable[[], Links]


RELATIONS: dict[str, Relation] = {
    "territory-currency": Relation("territory", "currency", _territory_currency),
    "territory-official_language": Relation("territory", "language", _territory_official_language),
    "territory-timezone": Relation("territory", "timezone", _territory_timezone),
    "language-script": Relation("language", "script", _language_script),
    "language-territory": Relation("language", "territory", _language_territory),
    "city-territory": Relation("city", "territory", _city_territory),
    "city-timezone": Relation("city", "timezone", _city_timezone),
}
