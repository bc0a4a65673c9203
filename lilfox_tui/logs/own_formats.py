"""Formats of log lines that the configuration defines (``log_formats:``): expressions with named groups, linear in the
length of a line (RE2), and lnav's definitions. ``logs/own/`` reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, cast

import re2
from msgspec import Struct

from lilfox_tui.config.log_formats import LogFormatConfig
from lilfox_tui.core import plugins
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, every_line, text_of
from lilfox_tui.logs.structured import object_in, severity_of

# What a definition says, as data: it is sent to the processes that count.


class FormatSample(Struct, frozen=True):
    """A record that the format must read, and the level it has; UNKNOWN: any."""

    line: str
    level: Severity = Severity.UNKNOWN


class Definition(Struct, frozen=True, kw_only=True):
    """One format. The names are those of its fields; ``level_patterns`` are tried in order, and are looked for in the
    level."""

    name: str
    patterns: tuple[str, ...] = ()
    """Without any, records are JSON objects."""
    looks: tuple[tuple[str, str, bool], ...] = ()
    """Group, expression, wanted: what must or must not stand where the group, which is empty, has matched."""
    time: str = "time"
    time_formats: tuple[str, ...] = ()
    time_unit_s: float = 0
    """Of a time that is a number; 0: its magnitude tells."""
    level: str = "level"
    level_patterns: tuple[tuple[str, Severity], ...] = ()
    level_values: tuple[tuple[str, Severity], ...] = ()
    message: str = "message"
    logger: str = "logger"
    module: str = "module"
    duration: str = "duration"
    duration_unit_s: float = 1.0
    numbers: frozenset[str] = frozenset()
    """The fields that hold numbers."""
    multiline: bool = True
    samples: tuple[FormatSample, ...] = ()


# A definition, compiled: a Format.


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Compile an expression of RE2; its own errors are not written to stderr. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


_LONGEST_LOOK = 1000


class OwnFormat:
    """The definitions of one entry of the configuration: a record is in the first that fits it."""

    LEVEL_WORDS: Mapping[Severity, tuple[bytes, ...]] | None = None
    OWNS_LINES = True

    def __init__(self, name: str, definitions: Sequence[Definition]) -> None:
        self.name = name
        self.definitions = tuple(definitions)
        self._compiled = [(each, [compiled(pattern) for pattern in each.patterns]) for each in definitions]
        is_multiline = any(each.multiline and each.patterns for each in definitions)
        self.begins: Callable[[bytes], bool] = self._begins if is_multiline else every_line

    def __reduce__(self) -> tuple[type[OwnFormat], tuple[str, tuple[Definition, ...]]]:
        return OwnFormat, (self.name, self.definitions)

    def _begins(self, line: bytes) -> bool:
        """Whether one of the expressions matches the line, or it is an object where one is expected."""
        text = line.decode("utf-8", "replace").rstrip("\r")
        return any(
            any(_matched(definition, each, text) for each in patterns) if patterns else text.startswith("{")
            for definition, patterns in self._compiled
        )

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
        """Parse a record by the first definition that fits; None if none does."""
        text = text_of(raw)
        first, newline, rest = text.partition("\n")
        for definition, patterns in self._compiled:
            if not patterns:
                fields = object_in(raw)
                found = None if fields is None else _entry(definition, fields, text, "", zone, latest)
                if found is not None:
                    return found
                continue
            match = next((found for each in patterns if (found := _matched(definition, each, first))), None)
            if match is not None:
                looks = {name for name, _expression, _wanted in definition.looks}
                named = {
                    name: value for name, value in match.groupdict().items() if value is not None and name not in looks
                }
                return _entry(definition, named, text, newline + rest, zone, latest)
        return None


def _matched(of: Definition, pattern: Any, text: str) -> Any:
    """Return the match of an expression at the start of a text; None where what it must not see stands there."""
    match = pattern.match(text)
    if match is None or not of.looks:
        return match
    for group, expression, wanted in of.looks:
        number = pattern.groupindex.get(group)
        if number is not None and (at := match.start(number)) >= 0:
            sees = compiled(expression).match(text[at : at + _LONGEST_LOOK]) is not None
            if sees is not wanted:
                return None
    return match


def _entry(
    of: Definition, named: Mapping[str, object], text: str, further: str, zone: tzinfo, latest: datetime | None
) -> LogEntry | None:
    fields = {name: _number(value) if name in of.numbers else value for name, value in named.items()}
    if not of.patterns and _value(fields, of.time) is None and _value(fields, of.message) is None:
        return None
    message = _value(fields, of.message)
    said = (str(message) + further if message is not None else text) or text
    level = _value(fields, of.level)
    return LogEntry(
        message=said,
        time_us=_time(of, _value(fields, of.time), zone, latest),
        severity=Severity.UNKNOWN if level is None else _severity(of, level),
        logger=_word(_value(fields, of.logger)),
        module=_word(_value(fields, of.module)) or _word(_value(fields, of.logger)),
        fault=structured.in_text(said) if further else None,
        response_time_s=_seconds(_value(fields, of.duration), of.duration_unit_s),
        fields=fields,
    )


def _value(fields: Mapping[str, object], name: str) -> object:
    """Return a field, also one within another (``a/b``); None without it."""
    if name in fields or "/" not in name:
        return fields.get(name)
    found: object = fields
    for part in name.strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}(?:\.\d{1,15})?", value):
        return value
    return float(value) if "." in value else int(value)


def _seconds(value: object, unit_s: float) -> float | None:
    value = _number(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) * unit_s if is_number and 0 <= value < 1e15 else None  # type: ignore[arg-type,operator]


_LETTERS = {"F": Severity.CRITICAL, "C": Severity.CRITICAL, "E": Severity.ERROR, "W": Severity.WARNING,
            "N": Severity.NOTICE, "I": Severity.INFO, "D": Severity.DEBUG, "V": Severity.TRACE,
            "T": Severity.TRACE}  # fmt: skip


def _severity(of: Definition, level: object) -> Severity:
    word = str(level)
    for written, severity in of.level_values:
        if word == written:
            return severity
    for pattern, severity in of.level_patterns:
        if compiled(pattern).search(word):
            return severity
    found = _LETTERS.get(word, Severity.UNKNOWN) if len(word) == 1 else severity_of(word)
    return Severity.INFO if found is Severity.UNKNOWN and (of.level_patterns or of.level_values) else found


# Times by a format of strptime.


def _time(of: Definition, value: object, zone: tzinfo, latest: datetime | None) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return times.from_number(value * of.time_unit_s) if of.time_unit_s else times.from_number(value)
    if not isinstance(value, str):
        return None
    if not of.time_formats and not of.time_unit_s and (us := times.from_text(value, zone, latest)) is not None:
        return us
    for written in (*of.time_formats, *_USUAL_TIMES):
        us = by_format(value, written, zone, latest)
        if us is not None:
            return us
    if of.time_unit_s and re.fullmatch(r"\d{1,18}(?:\.\d{1,9})?", value):
        return times.from_number(float(value) * of.time_unit_s)
    return times.leading(value, zone, latest)[0]


_USUAL_TIMES = (
    "%y%m%d %H:%M:%S", "%y%m%d %H%M%S", "%y/%m/%d %H:%M:%S", "%Y%m%d %H:%M:%S.%f", "%Y-%m-%d %k:%M:%S",
    "%b-%d %H:%M:%S.%f", "%m%d %H:%M:%S.%f", "%m.%d %H:%M:%S", "%m/%d/%Y %I:%M:%S:%L %p %Z", "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S", "+%s",
)  # fmt: skip
"""Those that lnav knows besides what ``logs/times.py`` does."""
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})", "m": r"(?P<m>\d\d)", "d": r"(?P<d>\d\d)", "e": r" ?(?P<d>\d{1,2})",
    "y": r"(?P<y>\d\d)", "b": r"(?P<b>[A-Za-z]{3})", "B": r"(?P<b>[A-Za-z]{3})[a-z]{0,6}", "h": r"(?P<b>[A-Za-z]{3})",
    "a": r"[A-Za-z]{2,9}", "A": r"[A-Za-z]{2,9}", "H": r"(?P<H>\d{1,2})", "k": r" ?(?P<H>\d{1,2})",
    "I": r"(?P<H>\d{1,2})", "l": r" ?(?P<H>\d{1,2})", "M": r"(?P<M>\d\d)", "S": r"(?P<S>\d\d)",
    "p": r"(?P<p>[AaPp][Mm])", "z": r"(?P<z>Z|UTC|[+-]\d\d:?\d\d)", "Z": r"(?P<z>[A-Za-z]{1,5}|[+-]\d\d:?\d\d)",
    "f": r"(?P<f>\d{1,9})", "L": r"(?P<f>\d{1,3})", "N": r"(?P<f>\d{1,9})", "j": r"(?P<j>\d{1,3})",
    "s": r"(?P<epoch>\d{1,12})", "i": r"(?P<ms>\d{1,15})", "6": r"(?P<us>\d{1,18})", "9": r"(?P<ns>\d{1,20})",
    "T": r"(?P<H>\d{1,2}):(?P<M>\d\d):(?P<S>\d\d)", "D": r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d\d)",
    "F": r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)", "n": r"\s", "t": r"\s", "%": "%",
}  # fmt: skip
_DIRECTIVE = re.compile(r"%([A-Za-z0-9%])")
_CLOCK = re.compile(r"\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?")
_EPOCHS = {"epoch": 1_000_000, "ms": 1000, "us": 1, "ns": 0}


@lru_cache(maxsize=256)
def time_pattern(written: str) -> re.Pattern[str] | None:
    """Return the expression for times in a format of strptime; None if it has a directive that is not known."""
    found, place = "", 0
    try:
        for directive in _DIRECTIVE.finditer(written):
            found += re.escape(written[place : directive.start()]) + _DIRECTIVES[directive[1]]
            place = directive.end()
        return re.compile(found + re.escape(written[place:]), re.ASCII)
    except (KeyError, re.error):
        return None


def by_format(text: str, written: str, zone: tzinfo, latest: datetime | None = None) -> int | None:
    """Parse a time in a format of strptime; one without a year is not later than ``latest``."""
    pattern = time_pattern(written)
    match = pattern.fullmatch(text) if pattern is not None and len(text) < 100 else None
    if match is None:
        return None
    told = match.groupdict()
    for name, factor in _EPOCHS.items():
        if told.get(name):
            us = int(told[name]) * factor if factor else int(told[name]) // 1000
            return times.from_number(us) if us >= 1e14 else times.from_number(us / 1_000_000)
    month = told.get("b") or ""
    hour = int(told.get("H") or 0)
    if told.get("p"):
        hour = hour % 12 + (12 if told["p"].lower() == "pm" else 0)
    clock = f"{hour:02}:{told.get('M') or '00'}:{told.get('S') or '00'}"
    if told.get("f"):
        clock += f".{told['f']}"
    year = told.get("Y") or (f"20{told['y']}" if told.get("y") else "")
    if told.get("j") and year:
        return _of_day(int(year), int(told["j"]), clock, zone)
    if not told.get("d") or not (month or told.get("m")):
        return None
    if not month:
        month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * int(told["m"]) - 3 : 3 * int(told["m"])]
    offset = _offset(told.get("z"), zone)
    return times.from_text(f"{month} {int(told['d'])}{year and ' ' + year} {clock}", offset, latest)


def _offset(word: str | None, zone: tzinfo) -> tzinfo:
    if not word or not (word[0] in "+-" or word in ("Z", "UTC", "GMT")):
        return zone
    if word[0] not in "+-":
        return UTC
    minutes = int(word[1:3]) * 60 + int(word[-2:])
    return timezone(timedelta(minutes=minutes if word[0] == "+" else -minutes)) if minutes < 1440 else zone


def _of_day(year: int, day: int, clock: str, zone: tzinfo) -> int | None:
    at = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day - 1) if 1 <= day <= 366 and year > 1969 else None
    return None if at is None else times.from_iso(f"{at:%Y-%m-%d} {clock}", zone)


# From the configuration, and its own samples.


OWN_FORMATS = "lilfox_tui.logs.own"


class Definitions(Struct, frozen=True):
    """What an entry of the configuration holds: the definitions that can be used, and what is left out of them."""

    definitions: tuple[Definition, ...]
    left_out: tuple[Message, ...] = ()


def definitions_of(name: str, setting: LogFormatConfig) -> Definitions:
    """Return the definitions of an entry. Raises ConfigError if it has none that can be used."""
    way = plugins.load(OWN_FORMATS, "lnav" if setting.lnav else "pattern")
    return cast("Definitions", way.definitions(name, setting))


def format_of(name: str, setting: LogFormatConfig) -> OwnFormat:
    """Return the format that an entry defines. Raises ConfigError if it cannot be used."""
    return OwnFormat(name, definitions_of(name, setting).definitions)


def failed_samples(definition: Definition) -> Iterator[tuple[int, Message]]:
    """Try a definition on its own samples: the number of each (from 1) that it does not read as it says, and why."""
    own = OwnFormat(definition.name, (definition,))
    for number, sample in enumerate(definition.samples, 1):
        raw = sample.line.rstrip("\n").encode("utf-8", "surrogatepass")
        entry = own.parse(raw, UTC)
        if entry is None or not own.begins(raw.partition(b"\n")[0]):
            yield number, tr("no expression matches it")
        elif entry.time_us is None and not _lacks_date(definition, entry):
            yield number, tr("no time is found in it")
        elif sample.level is not Severity.UNKNOWN and entry.severity is not sample.level:
            found, wanted = entry.severity.name.lower(), sample.level.name.lower()
            yield number, tr("its level is {found}, not {wanted}", found=found, wanted=wanted)


def _lacks_date(definition: Definition, entry: LogEntry) -> bool:
    """Whether the definition has no time, or one without a day, which the record cannot tell."""
    time = _value(entry.fields, definition.time)
    return time is None or (isinstance(time, str) and _CLOCK.fullmatch(time) is not None)
