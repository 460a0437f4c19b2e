"""The built-in parallel corpus: facts of the Unicode CLDR, phrased as question and answer in eleven languages.

The facts and all their names come from the Common Locale Data Repository (CLDR, https://cldr.unicode.org)
through the Babel package, so nothing has to be downloaded. A fact is kept only if CLDR names both of its ends
in all the XQuAD languages and if its question has one answer::

    from hybridlib.data.facts import facts, phrase
    pairs = phrase(facts(), ("de", "en", "th"), seed=0, variants=1)

What is left out: whatever is contested, out of date in CLDR or not what the question says it is (an island among
the cities), subjects that share a name in some language, and answers that can be read off the question.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from babel import localedata
from babel.core import get_global

LANGUAGES: tuple[str, ...] = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


# A fact goes when the question says its answer in this many languages.
LEAKING_LANGUAGES = 3


# CLDR names a city in Latin script only where the name differs from the end of the time zone's identifier.
_LATIN = ("de", "en", "es", "tr", "vi")


_FIELDS = {
    "territory": "territories",
    "currency": "currency_names",
    "language": "languages",
    "script": "scripts",
}


_OFFICIAL = {"official", "de_facto_official"}


# Time zones named after another territory than they serve, or after different places in different languages.
_NO_TIMEZONE = frozenset(["Apia", "Korea", "Samoa"])


@dataclass(frozen=True)
class Fact:
    """One statement, such as "the currency of Japan is the yen".

    ``subject`` and ``object`` are the names, language -> name. The keys (``territory:JP``, ``currency:JPY``) do not
    depend on language or relation, so they say where two facts speak of the same thing.
    """

    fact_id: str
    relation: str
    subject: Mapping[str, str]
    object: Mapping[str, str]
    subject_key: str
    object_key: str


@cache
def _own_data(language: str) -> dict[str, Any]:
    """What CLDR says of one language itself, without what it inherits.

    Read from Babel's file: ``localedata.load`` keeps one cache for data with and without inheritance.
    """
    with open(localedata.resolve_locale_filename(language), "rb") as file:
        return pickle.load(file)


@cache
def _names(key: str) -> dict[str, str] | None:
    """Language -> name of ``kind:code``, or None unless every language has a name for it that is not the code."""
    kind, code = key.split(":", 1)
    if kind == "city":
        names = {language: _city_name(language, code) for language in LANGUAGES}
    elif kind == "timezone":
        names = _timezone_names(code)
    else:
        names = {language: _own_data(language)[_FIELDS[kind]].get(code) for language in LANGUAGES}
    real = all(name and name.casefold() != code.casefold() for name in names.values())
    return names if real else None


def _city_name(language: str, zone: str) -> str | None:
    """The city that stands for a time zone (``Asia/Tokyo``), which CLDR files under the zone's first identifier."""
    zone = _first_zone_ids().get(zone, zone)
    own = _own_data(language)["time_zones"].get(zone, {}).get("city")
    if own or language not in _LATIN:
        return own
    return _own_data("root")["time_zones"].get(zone, {}).get("city") or zone.split("/")[-1].replace(
        "_", " "
    )


def _timezone_names(metazone: str) -> dict[str, str | None]:
    """The long name of the same form in every language: "Japan Time", else "Singapore Standard Time"."""
    names: dict[str, str | None] = {}
    for form in ("generic", "standard"):
        longs = {
            language: _own_data(language)["meta_zones"].get(metazone, {}).get("long", {})
            for language in LANGUAGES
        }
        names = {language: long.get(form) for language, long in longs.items()}
        if all(names.values()):
            break
    return names


@cache
def _first_zone_ids() -> dict[str, str]:
    """Current zone identifier -> the one CLDR uses: ``Asia/Kolkata`` -> ``Asia/Calcutta``."""
    aliases = get_global("zone_aliases")
    return {
        aliases[zone]: zone for zone in sorted(_own_data("ru")["time_zones"]) if zone in aliases
    }


@cache
def _metazones() -> dict[str, str]:
    """Current zone identifier -> the metazone in force: ``Asia/Tokyo`` -> ``Japan``."""
    aliases = get_global("zone_aliases")
    in_force = get_global("meta_zones").items()
    return {
        aliases.get(zone, zone): metazone
        for zone, metazone in in_force
        if metazone not in _NO_TIMEZONE
    }


Links = Iterator[tuple[str, str]]


# Not one place that has inhabitants (EU: European Union ...), or contested as a whole (EH: Western Sahara).
_NO_TERRITORY = frozenset("001 AQ BV CP EH EU EZ GS HM QO TF UM UN XA XB ZZ".split())


def _territory_currency() -> Links:
    """The only legal tender in force. XPF is left out for its Hindi name, BG for its euro of 2026."""
    for territory, history in get_global("territory_currencies").items():
        tender = [code for code, _, end, is_tender in history if is_tender and end is None]
        if len(tender) == 1 and tender[0] != "XPF" and territory not in _NO_TERRITORY | {"BG"}:
            yield territory, tender[0]


# Where law or practice knows further national languages than CLDR lists, or none at all.
_NO_SINGLE_OFFICIAL = frozenset("BF CK CQ DG ET FO IO IQ JE ME ML MP MX NE NF PN SJ VA ZA".split())


def _official_languages(territory: str) -> set[str]:
    spoken = get_global("territory_languages").get(territory, {})
    return {
        language.split("_")[0]
        for language, use in spoken.items()
        if use["official_status"] in _OFFICIAL
    }


def _territory_official_language() -> Links:
    """The language of a territory with exactly one official language at national level."""
    for territory in get_global("territory_languages"):
        official = _official_languages(territory)
        if len(official) == 1 and territory not in _NO_TERRITORY | _NO_SINGLE_OFFICIAL:
            yield territory, official.pop()


# No language, misnamed in a language, or without one script of its own, whatever is most likely.
_NO_SINGLE_SCRIPT = frozenset(
    "bej crh gil gon kaw lad mnc non ojb ojc ojw pi swb taq tzm und zen".split()
)


# Names that are an abbreviation, a letter or a mistake in some language; Hans and Hant are not used by themselves.
_NO_SCRIPT = frozenset("Brah Cans Hans Hant Latg Xsux Yiii".split())


@cache
def _further_scripts() -> dict[str, set[str]]:
    """Language -> scripts that it has in some territory or locale, besides the likely one."""
    tags = list(localedata.locale_identifiers())
    tags += [
        language for spoken in get_global("territory_languages").values() for language in spoken
    ]
    tags += [
        tag for key, tag in get_global("likely_subtags").items() if key.split("_")[-1].isupper()
    ]
    scripts: dict[str, set[str]] = defaultdict(set)
    for parts in (tag.split("_") for tag in tags):
        scripts[parts[0]].update(part for part in parts[1:] if part.istitle() and len(part) == 4)
    return scripts


def _language_script() -> Links:
    """The script of a language that is written in one."""
    for language, tag in get_global("likely_subtags").items():
        script = tag.split("_")[1]
        one_script = "_" not in language and _further_scripts()[language] <= {script}
        if one_script and language not in _NO_SINGLE_SCRIPT and script not in _NO_SCRIPT:
            yield language, script


# As many or more speakers elsewhere, contested, not a living language of a territory, or misnamed in a language.
_NO_HOME = frozenset(
    "az crh cu dyu fan gez gil ie kaw kde kj la lad li lun mn prg ps swb ur yao".split()
)


def _language_territory() -> Links:
    """The territory of a language spoken in one only, or official in one only, that is also its most likely one."""
    homes: dict[str, set[str]] = defaultdict(set)
    for territory, spoken in get_global("territory_languages").items():
        for language in spoken:
            homes[language.split("_")[0]].add(territory)
    for language in sorted(homes.keys() - _NO_HOME):
        tag = get_global("likely_subtags").get(language, "")
        official = {
            territory for territory in homes[language] if language in _official_languages(territory)
        }
        home = official if len(homes[language]) > 1 else homes[language]
        if home == {tag.split("_")[-1]}:
            yield language, home.pop()


# Islands, peninsulas and states that are no city; cities whose name says "city" already; cities that are contested
# or have a well-known namesake elsewhere.
_NO_CITY = frozenset(
    """
    Africa/Algiers Africa/Ceuta Africa/El_Aaiun America/Argentina/Cordoba America/Argentina/La_Rioja
    America/Argentina/San_Juan America/Argentina/San_Luis America/Bahia America/Bahia_Banderas
    America/Grand_Turk America/Indiana/Tell_City America/Merida America/Noronha America/Santarem
    America/St_Johns America/St_Thomas America/Tortola Antarctica/Macquarie Asia/Famagusta Asia/Gaza Asia/Hebron
    Asia/Ho_Chi_Minh Asia/Jerusalem Asia/Kamchatka Asia/Sakhalin Atlantic/Azores Atlantic/Canary Atlantic/Faroe
    Atlantic/Madeira Atlantic/St_Helena Australia/Lindeman Australia/Lord_Howe Etc/Unknown Europe/Simferopol
    Indian/Chagos Indian/Kerguelen Indian/Mahe Pacific/Bougainville Pacific/Chatham Pacific/Chuuk Pacific/Easter
    Pacific/Efate Pacific/Fakaofo Pacific/Funafuti Pacific/Galapagos Pacific/Gambier Pacific/Guadalcanal
    Pacific/Kanton Pacific/Kiritimati Pacific/Kosrae Pacific/Kwajalein Pacific/Marquesas Pacific/Midway
    Pacific/Pohnpei Pacific/Rarotonga Pacific/Saipan Pacific/Tahiti Pacific/Tarawa Pacific/Wake
    """.split()
)


@cache
def _cities() -> dict[str, str]:
    """City (its zone identifier) -> territory, without the cities named like their territory."""
    cities = {}
    for zone, territory in get_global("zone_territories").items():
        city, home = _names(f"city:{zone}"), _names(f"territory:{territory}")
        sound = zone not in _NO_CITY and territory not in _NO_TERRITORY
        if sound and city and home and not _leaks(city, home, within=True):
            cities[zone] = territory
    return cities


def _city_territory() -> Links:
    yield from _cities().items()


def _city_timezone() -> Links:
    yield from ((city, _metazones()[city]) for city in _cities() if city in _metazones())


def _territory_timezone() -> Links:
    """The time zone of a territory that lies in one."""
    for territory, zones in get_global("territory_zones").items():
        metazones = {_metazones().get(zone, "") for zone in zones}
        if len(metazones) == 1 and metazones != {""} and territory not in _NO_TERRITORY:
            yield territory, metazones.pop()


RELATIONS: dict[str, tuple[str, str, Callable[[], Links]]] = {
    "territory-currency": ("territory", "currency", _territory_currency),
    "territory-official_language": ("territory", "language", _territory_official_language),
    "territory-timezone": ("territory", "timezone", _territory_timezone),
    "language-script": ("language", "script", _language_script),
    "language-territory": ("language", "territory", _language_territory),
    "city-territory": ("city", "territory", _city_territory),
    "city-timezone": ("city", "timezone", _city_timezone),
}


@cache
def _all_facts() -> tuple[Fact, ...]:
    return tuple(fact for relation in RELATIONS for fact in _unambiguous(_relation_facts(relation)))


def _relation_facts(relation: str) -> list[Fact]:
    subject_kind, object_kind, links = RELATIONS[relation]
    within = bool({subject_kind, object_kind} & {"city", "timezone"})
    found = []
    for subject_code, object_code in sorted(links()):
        subject_key, object_key = f"{subject_kind}:{subject_code}", f"{object_kind}:{object_code}"
        subject, object_ = _names(subject_key), _names(object_key)
        if subject and object_ and not _leaks(subject, object_, within):
            fact_id = f"{relation}:{subject_code}"
            found.append(Fact(fact_id, relation, subject, object_, subject_key, object_key))
    return found


def _leaks(one: Mapping[str, str], other: Mapping[str, str], within: bool) -> bool:
    """Whether one name is the other, or also ``within`` it, as Brazzaville and Moscow are in Moscow Time."""
    pairs = [(one[language].casefold(), other[language].casefold()) for language in LANGUAGES]
    return sum(a == b or within and (a in b or b in a) for a, b in pairs) >= LEAKING_LANGUAGES


def _unambiguous(relation_facts: list[Fact]) -> list[Fact]:
    """Without the facts whose subject or object shares its name with another one in any language."""
    keys: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for fact in relation_facts:
        for slot in _name_slots(fact):
            keys[slot].add(fact.subject_key if slot[0] == "subject" else fact.object_key)
    return [
        fact for fact in relation_facts if all(len(keys[slot]) == 1 for slot in _name_slots(fact))
    ]


def _name_slots(fact: Fact) -> Iterator[tuple[str, str, str]]:
    for language in LANGUAGES:
        yield "subject", language, fact.subject[language].casefold()
        yield "object", language, fact.object[language].casefold()
