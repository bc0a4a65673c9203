"""Counting JSON lines fast: only the fields that are counted are read (msgspec), by a plan made from what lines hold.

A plan knows every key of the lines that it reads. A line with another key, and whatever else it cannot decide, is read
by the format instead, and what a level or a module stands for is learned from that: the counts are the same as if the
format had read every line.
"""

from __future__ import annotations

import math
import operator
import os
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from io import BytesIO
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, Raw, Struct, UnsetType

from lilfox_tui.logs import structured
from lilfox_tui.logs.formats.json_lines import parse
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, Severity
from lilfox_tui.logs.statistics import MINUTE_US, Tally, TallyCell, cell_of, route_of
from lilfox_tui.logs.structured import names_of

_KEYS_MOST = 64
_ODD_LINES = 50
"""So many lines with keys that the plan does not know make a new one."""
_LEARNED_MOST = 10_000
_WORDS_MOST = 64
_NO_WORDS: Mapping[str, Collection[str]] = {}
_SHORT = 64
"""Text of so many characters is read faster as text than as ``Raw``."""
_LEAST_US, _MOST_US = 0, 250_000_000_000_000_000
_MINUTE = timedelta(minutes=1)
_Duration: TypeAlias = Annotated[int, Meta(ge=0, lt=2**53)] | Annotated[float, Meta(ge=0, lt=1e18)]
"""What something can have taken; a whole number as far as a float is the same."""
_TYPES: dict[str, Any] = {"time": datetime, "level": str, "module": str, "duration": _Duration, "route": str}
"""As what the fields are read that play a role."""
_ABSENT = {"time": UNSET, "level": UNSET, "module": UNSET, "duration": math.nan, "route": UNSET}
"""What a line has for a field that is not in it."""
_UNDECIDED = (msgspec.MsgspecError, ValueError, RecursionError)
_ROLES = ("time", "level", "module", "duration")
_FAULT_ROLES = ("fault", "fault_type", "error")


def _kind_of(value: object) -> object:
    """The type that msgspec reads such a value as in the least time: a short text and a number, in two thirds of the
    time of ``Raw``, which serves for any value. Text that was not UTF-8 has become U+FFFD, which is not short text."""
    if type(value) is str:
        return str if len(value) <= _SHORT and value.isascii() else Raw
    return float if type(value) is int or (type(value) is float and math.isfinite(value)) else Raw


class _DecodePlan:
    """How to decode lines whose keys are all among those given.

    A line becomes a struct with what plays a role (``time``, ``level``, ``module``, ``duration``, ``route``). Where a
    second key could play one, lines without the first cannot be read. Where nothing is counted by time it is not read.

    The other fields are only there to be known. ``kinds`` are the cheapest types that their values can be read as (see
    :func:`_kind_of`); a line with a value of another type cannot be read. ``words`` are the values of the level and the
    module, where these are few: one that is known is not made anew for each line. A line with another cannot be read.
    """

    def __init__(
        self, kinds: Mapping[str, object], words: Mapping[str, Collection[str]] = _NO_WORDS, *, timed: bool
    ) -> None:
        kinds = {"route": str, **kinds}  # also where no line has one: what is in each line is looked up in no time
        keys = tuple(kinds)
        players = {role: _players(keys, role) for role in _ROLES}
        players["route"] = ["route"]
        attributes = {names[0]: role for role, names in players.items() if names}
        told = [(name, role) for role in _FAULT_ROLES for name in _players(keys, role)]
        attributes |= {name: f"fault_{number}" for number, (name, _) in enumerate(told) if name not in attributes}
        attributes |= {name: f"other_{number}" for number, name in enumerate(keys) if name not in attributes}
        types = _TYPES | {role: Literal[tuple(each)] for role, each in words.items() if 0 < len(each) <= _WORDS_MOST}
        if not timed:
            del types["time"]
        absent = _ABSENT | {role: NODEFAULT for role, names in players.items() if role in types and len(names) > 1}
        told_names = {name for name, _ in told}
        self._kinds = {name: kinds[name] for name in keys if attributes[name] not in types and name not in told_names}
        types = types | {attributes[name]: kind for name, kind in self._kinds.items()}
        line = msgspec.defstruct(
            "Line",
            [(each, types.get(each, Raw), absent.get(each, UNSET)) for each in map(attributes.__getitem__, keys)],
            rename={attribute: name for name, attribute in attributes.items()},
            namespace={role: _ABSENT[role] for role, names in players.items() if not names},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(line).decode
        """Reads one line into a struct. Raises one of ``_UNDECIDED`` for a line that cannot be read."""
        self.keys = frozenset(keys)
        self.time_key = next(iter(players["time"]), None)
        self.level_key = next(iter(players["level"]), None)
        self.module_key = next(iter(players["module"]), None)
        self.unit_s = names_of(keys).unit_s
        self._faults = [operator.attrgetter(attributes[name]) for name, _ in told]
        self._only_fault = [role for _, role in told] == ["fault"]

    def knows(self, fields: Mapping[str, object]) -> bool:
        """Whether the plan has a place for each of the fields."""
        kinds = self._kinds
        return self.keys.issuperset(fields) and all(
            kinds.get(name, Raw) in (Raw, _kind_of(value)) for name, value in fields.items()
        )

    def fault_type(self, seen: object) -> str | None:
        """Return the class of the exception in the line, "" for none; None if the format has to decide."""
        for get in self._faults:
            if (value := get(seen)) is not UNSET:
                return _fault_type(bytes(value)) if self._only_fault else None
        return ""


@lru_cache(maxsize=512)
def _fault_type(written: bytes) -> str | None:
    """Return the result of ``fault_type`` for the encoded exception; cached because the same one usually repeats."""
    try:
        fault = structured.from_value(msgspec.json.decode(written))
    except (ValueError, RecursionError):
        return None
    return "" if fault is None else fault.type


class _Route(Struct, frozen=True):
    """The tally cell for lines of one level, module and route."""

    cell: TallyCell
    module: str
    severity: Severity


_Take: TypeAlias = Callable[[float], bool | None]
"""Takes how long a line says that something took, in its own unit; NaN where it does not. Returns True for an error."""


class _Minute:
    """Collects the lines of one minute by their level, module and route, so that a line needs a single look-up.
    ``time_us`` is None for lines of any time."""

    def __init__(self, begins: datetime, time_us: int | None) -> None:
        self.time_us = time_us
        self.begins, self.ends = begins, begins + _MINUTE
        self.takes: dict[object, _Take] = {}

    def holds(self, time: datetime) -> bool:
        """Whether a time is in this minute. One at its very start is not: it may have been rounded to that."""
        return self.begins < time < self.ends


class _Begun:
    """The counts of a minute's lines of one route since they were last handed on."""

    def __init__(self, minute: _Minute, route: _Route) -> None:
        self.taken = array("d")
        self.is_error = route.severity >= Severity.ERROR
        self._minute = minute
        self._route = route

    def take_error(self, duration: float) -> bool:
        """Count an error. See ``_Take``."""
        self.taken.append(duration)
        return True

    def hand_on(self, tally: Tally, unit_s: float) -> None:
        """Add the counts to the tally and reset them."""
        records = len(self.taken)
        told = [value for value in self.taken if value == value]  # NaN is not
        times_s = array("d", told if unit_s == 1.0 else [value * unit_s for value in told])
        counted = cell_of(records, self._route.severity, times_s)
        self._route.cell.join(counted)
        if self._minute.time_us is not None:
            tally.slice(self._minute.time_us).join(counted)
        self._minute.takes.clear()


class JsonCount:
    """Counts the JSON lines of one source into ``tally``. ``zone`` applies to times without an offset. Unless
    ``timed``, ignore the tally's slices."""

    def __init__(self, tally: Tally, source: str, zone: tzinfo, *, timed: bool = True) -> None:
        self._tally = tally
        self._source = source
        self._zone = zone
        self._timed = timed
        self._kinds: dict[str, object] = {}
        self._words: dict[str, dict[str, None]] = {"level": {}, "module": {}}
        self._odd_lines = 0
        self._plan: _DecodePlan | None = None
        self._routes: dict[object, _Route] = {}
        self._begun: list[_Begun] = []
        self._errors: dict[tuple[str, str], int] = {}
        self._minutes: dict[datetime, _Minute] = {}
        self._minute = _Minute(datetime(1, 1, 1, tzinfo=UTC), None)

    def count(self, block: bytes) -> None:
        """Count a block of whole lines; ``hand_on`` completes it."""
        lines = BytesIO(block if len(block) <= RAW_LIMIT else self._short_lines(block))
        while line := self._count_known(lines):
            if self._is_ready_for(line):
                lines.seek(-len(line), os.SEEK_CUR)
            else:
                self._learn(self._count_slowly(line))
        if len(self._begun) + len(self._errors) > _LEARNED_MOST:
            self.hand_on()

    def _short_lines(self, block: bytes) -> bytes:
        """Count the lines longer than RAW_LIMIT; return the others."""
        lines = BytesIO(block).readlines()
        for line in lines:
            if len(line) > RAW_LIMIT:
                self._count_slowly(line)
        return b"".join([line for line in lines if len(line) <= RAW_LIMIT])

    def hand_on(self) -> None:
        """Add the counts to the tally."""
        unit_s = 1.0 if self._plan is None else self._plan.unit_s
        for begun in self._begun:
            begun.hand_on(self._tally, unit_s)
        self._begun.clear()
        for (fault_type, module), count in self._errors.items():
            self._tally.add_error(fault_type, module, count)
        self._errors.clear()

    def _count_known(self, lines: BytesIO) -> bytes:
        """Count lines as long as they are of the current minute and known in every property; return the first one that
        is not, which is passed; empty at the end."""
        plan, takes = self._plan, self._minute.takes
        if plan is None:
            return lines.readline()
        errors: list[tuple[Any, int]] = []
        passed = True
        try:
            if self._timed:
                passed = self._take_of_minute(map(plan.decode, lines), lines.tell, errors)
            else:
                for line in map(plan.decode, lines):
                    if takes[line.level, line.module, line.route](line.duration):
                        errors.append((line, lines.tell()))  # noqa: PERF401  those before a failure stay
        except (KeyError, *_UNDECIDED):
            passed = False
        for error, end in errors:
            self._add_error(plan, error, lines, end)
        return b"" if passed else _line_before(lines, lines.tell())

    def _take_of_minute(self, seen: Iterable[Any], tell: Callable[[], int], errors: list[tuple[Any, int]]) -> bool:
        """Count lines up to the first one that is not of the current minute; return whether there is none. Errors are
        added to ``errors`` with the place of their end."""
        begins, ends, takes = self._minute.begins, self._minute.ends, self._minute.takes
        try:
            for line in seen:
                if not begins < line.time < ends:
                    return False
                if takes[line.level, line.module, line.route](line.duration):
                    errors.append((line, tell()))
        except TypeError:  # one of the two times has an offset; or the line has no time
            return False
        return True

    def _add_error(self, plan: _DecodePlan, error: Any, lines: BytesIO, end: int) -> None:
        """Count the exception of the line that ends at ``end``."""
        fault_type = plan.fault_type(error)
        if fault_type is None:
            entry = self._parse(_line_before(lines, end))
            fault_type = "" if entry is None or entry.fault is None else entry.fault.type
        said = fault_type, self._routes[error.level, error.module, error.route].module
        self._errors[said] = self._errors.get(said, 0) + 1

    def _is_ready_for(self, line: bytes) -> bool:
        """Whether a line at which counting has stopped can be counted by what is known already: its minute becomes the
        current one, and its route gets a collector in it."""
        if self._plan is None:
            return False
        try:
            seen = self._plan.decode(line)
        except _UNDECIDED:
            return False
        minute = self._minute
        if self._timed:
            time = seen.time
            found = self._minutes.get(time.replace(second=0, microsecond=0)) if isinstance(time, datetime) else None
            if found is None or not found.holds(time):
                return False
            minute = found
        said = seen.level, seen.module, seen.route
        if said not in minute.takes:
            if said not in self._routes:
                return False
            begun = _Begun(minute, self._routes[said])
            self._begun.append(begun)
            minute.takes[said] = begun.take_error if begun.is_error else begun.taken.append
        elif minute is self._minute:
            return False
        self._minute = minute
        return True

    def _count_slowly(self, line: bytes) -> LogEntry | None:
        """Count a line through its format; return None if it is not a record."""
        line = line.removesuffix(b"\n")
        if not line or line == b"\r":
            return None
        entry = self._parse(line)
        if entry is None:
            self._tally.unread += 1
        else:
            self._tally.add(self._source, entry)
        return entry

    def _parse(self, line: bytes) -> LogEntry | None:
        return parse(line.removesuffix(b"\n").removesuffix(b"\r")[:RAW_LIMIT], self._zone)

    def _learn(self, entry: LogEntry | None) -> None:
        if entry is None:
            return
        fields, plan = entry.fields, self._plan
        if plan is None or not plan.knows(fields):
            self._learn_keys(fields)
            return
        time = UNSET if plan.time_key is None else fields.get(plan.time_key)
        if self._timed and isinstance(time, str) and entry.time_us is not None:
            self._learn_minute(time, entry.time_us)
        level = None if plan.level_key is None else fields.get(plan.level_key)
        module = UNSET if plan.module_key is None else fields.get(plan.module_key, UNSET)
        route = fields.get("route", UNSET)
        said = level, module, route
        if isinstance(level, str) and entry.severity and all(isinstance(each, str | UnsetType) for each in said):
            self._learn_route(said, entry)

    def _learn_route(self, said: tuple[object, ...], entry: LogEntry) -> None:
        if len(self._routes) > _LEARNED_MOST:
            self.hand_on()
            self._routes.clear()
        for role, word in zip(("level", "module"), said, strict=False):
            if isinstance(word, str) and word not in (words := self._words[role]) and len(words) <= _WORDS_MOST:
                words[word] = None
                self._plan = None if self._plan is None else self._new_plan()
        cell = self._tally.route(self._source, route_of(entry.fields, entry.module))
        self._routes[said] = _Route(cell, entry.module, entry.severity)

    def _learn_keys(self, fields: Mapping[str, object]) -> None:
        for name, value in fields.items():
            kind = _kind_of(value)
            self._kinds[name] = kind if self._kinds.get(name, kind) is kind else Raw
        self._odd_lines += 1
        if self._plan is not None and self._odd_lines < _ODD_LINES:
            return
        self._odd_lines = 0
        alike = len({key.lower() for key in self._kinds}) < len(self._kinds)
        if alike or len(self._kinds) > _KEYS_MOST:  # which of two is meant depends on the line
            self._kinds = {}
            return
        self.hand_on()
        self._words = {"level": {}, "module": {}}
        self._plan = self._new_plan()
        self._routes.clear()

    def _new_plan(self) -> _DecodePlan:
        return _DecodePlan(self._kinds, self._words, timed=self._timed)

    def _learn_minute(self, text: str, us: int) -> None:
        """Remember a minute: all times that differ from this one only in seconds and their fraction are in the same
        slice."""
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            return
        into_us = time.second * 1_000_000 + time.microsecond
        if us % MINUTE_US == into_us and _LEAST_US < us < _MOST_US:  # else its offset is not of whole minutes
            if len(self._minutes) > _LEARNED_MOST:
                self._minutes.clear()
            begins = time.replace(second=0, microsecond=0)
            if begins not in self._minutes:
                self._minutes[begins] = _Minute(begins, us - into_us)
            self._minute = self._minutes[begins]


def _line_before(lines: BytesIO, end: int) -> bytes:
    """Return the line that ends at ``end``, its newline included."""
    block = lines.getvalue()  # no copy: nothing was written
    return block[block.rfind(b"\n", 0, end - 1) + 1 : end]


def _players(keys: tuple[str, ...], role: str) -> list[str]:
    """Return the keys for a role in order of preference: each is used if those before it are missing."""
    found: list[str] = []
    while (name := getattr(names_of(tuple(key for key in keys if key not in found)), role)) is not None:
        found.append(name)
    return found
