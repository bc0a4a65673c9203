"""Counting JSON lines fast: only the fields that are counted are read (msgspec), by a plan made from what lines hold.

A plan knows every key of the lines that it reads. A line with another key, and whatever else it cannot decide, is read
by the format instead, and what a level or a module stands for is learned from that: the counts are the same as if the
format had read every line.
"""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from io import BytesIO
from typing import Annotated, Any, TypeAlias

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


class _UnreadableLine(Struct, frozen=True):
    """Stands for a line that the plan cannot read: it has no time, and its route is always unknown."""

    time: object = None
    level: object = None
    module: object = None
    route: object = None


_UNREADABLE = _UnreadableLine()


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
    :func:`_kind_of`); a line with a value of another type cannot be read.
    """

    def __init__(self, kinds: Mapping[str, object], *, timed: bool) -> None:
        keys = tuple(kinds)
        players = {role: _players(keys, role) for role in _ROLES}
        players["route"] = ["route"] if "route" in keys else []
        attributes = {names[0]: role for role, names in players.items() if names}
        told = [(name, role) for role in _FAULT_ROLES for name in _players(keys, role)]
        attributes |= {name: f"fault_{number}" for number, (name, _) in enumerate(told) if name not in attributes}
        attributes |= {name: f"other_{number}" for number, name in enumerate(keys) if name not in attributes}
        types = _TYPES if timed else {role: type_ for role, type_ in _TYPES.items() if role != "time"}
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
        self._decode = msgspec.json.Decoder(line).decode
        self.keys = frozenset(keys)
        self.time_key = next(iter(players["time"]), None)
        self.level_key = next(iter(players["level"]), None)
        self.module_key = next(iter(players["module"]), None)
        self.has_route = bool(players["route"])
        self.unit_s = names_of(keys).unit_s
        self._faults = [operator.attrgetter(attributes[name]) for name, _ in told]
        self._only_fault = [role for _, role in told] == ["fault"]

    def knows(self, fields: Mapping[str, object]) -> bool:
        """Whether the plan has a place for each of the fields."""
        kinds = self._kinds
        return self.keys.issuperset(fields) and all(
            kinds.get(name, Raw) in (Raw, _kind_of(value)) for name, value in fields.items()
        )

    def read(self, lines: Sequence[bytes]) -> list[Any]:
        """Decode the lines into structs, with _UNREADABLE for each unreadable one."""
        seen: list[Any] = []
        left = iter(lines)
        while len(seen) < len(lines):
            try:
                seen.extend(map(self._decode, left))
            except _UNDECIDED:
                seen.append(_UNREADABLE)
        return seen

    def fault_type(self, seen: object) -> str | None:
        """Return the class of the exception in the line, "" for none; None if the format has to decide."""
        held = [value for get in self._faults if (value := get(seen)) is not UNSET]
        if not held:
            return ""
        return _fault_type(bytes(held[0])) if self._only_fault else None


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


_Take: TypeAlias = Callable[[float], None]
"""Takes how long a line says that something took, in its own unit; NaN where it does not."""


class _Minute(dict[object, _Take]):
    """Collects the lines of one minute by their level, module and route, so that a line needs a single look-up.
    ``time_us`` is None for lines of any time."""

    def __init__(
        self, begins: datetime, time_us: int | None, routes: Mapping[object, _Route], begun: list[_Begun]
    ) -> None:
        self.time_us = time_us
        self._begins, self._ends = begins, begins + _MINUTE
        self._routes, self._begun = routes, begun

    def __missing__(self, said: object) -> _Take:
        """Create the collector of a new route. Raises KeyError if the route is unknown."""
        begun = _Begun(self, self._routes[said])
        self._begun.append(begun)
        take = self[said] = begun.taken.append
        return take

    def first(self, seen: Sequence[Any]) -> int:
        """Return how many of the first lines are in this minute. One at its very start does not count: its time may
        have been rounded to that."""
        begins, ends, at = self._begins, self._ends, 0
        try:
            for at, line in enumerate(seen):
                if not begins < line.time < ends:
                    return at
        except TypeError:  # one of the two has an offset; or the line has no time
            return at
        return len(seen)


class _Begun:
    """The counts of a minute's lines of one route since they were last handed on."""

    def __init__(self, minute: _Minute, route: _Route) -> None:
        self.taken = array("d")
        self._minute = minute
        self._route = route

    def hand_on(self, tally: Tally, unit_s: float) -> None:
        """Add the counts to the tally and reset them."""
        records = len(self.taken)
        times_s = array("d", [value * unit_s for value in self.taken if value == value])  # NaN is not
        counted = cell_of(records, self._route.severity, times_s)
        self._route.cell.join(counted)
        if self._minute.time_us is not None:
            tally.slice(self._minute.time_us).join(counted)
        self._minute.clear()


class JsonCount:
    """Counts the JSON lines of one source into ``tally``. ``zone`` applies to times without an offset. Unless
    ``timed``, ignore the tally's slices."""

    def __init__(self, tally: Tally, source: str, zone: tzinfo, *, timed: bool = True) -> None:
        self._tally = tally
        self._source = source
        self._zone = zone
        self._timed = timed
        self._kinds: dict[str, object] = {}
        self._odd_lines = 0
        self._plan: _DecodePlan | None = None
        self._routes: dict[object, _Route] = {}
        self._error_levels: set[object] = set()
        self._begun: list[_Begun] = []
        self._minutes: dict[datetime, _Minute] = {}
        self._minute = _Minute(datetime(1, 1, 1, tzinfo=UTC), None, self._routes, self._begun)

    def count(self, block: bytes) -> None:
        """Count a block of whole lines; ``hand_on`` completes it."""
        lines = BytesIO(block).readlines()  # each with its newline; in half of the time of split
        if len(block) > RAW_LIMIT:
            for line in lines:
                if len(line) > RAW_LIMIT:
                    self._count_slowly(line)
            lines = [line for line in lines if len(line) <= RAW_LIMIT]
        read = 0
        while read < len(lines):
            plan = self._plan
            if plan is None:
                self._learn(self._count_slowly(lines[read]))
                read += 1
            else:
                read += self._count_by(plan, lines[read:] if read else lines)
        if len(self._begun) > _LEARNED_MOST:
            self.hand_on()

    def hand_on(self) -> None:
        """Add the counts to the tally."""
        unit_s = 1.0 if self._plan is None else self._plan.unit_s
        for begun in self._begun:
            begun.hand_on(self._tally, unit_s)
        self._begun.clear()

    def _count_by(self, plan: _DecodePlan, lines: Sequence[bytes]) -> int:
        """Count lines for as long as the plan is in force; return how many."""
        seen = plan.read(lines)
        at = 0
        while at < len(lines) and self._plan is plan:
            known = self._count_known(plan, seen[at:] if at else seen, lines[at:] if at else lines)
            at += known
            if not known:
                self._learn(self._count_slowly(lines[at]))
                at += 1
        return at

    def _count_known(self, plan: _DecodePlan, seen: Sequence[Any], lines: Sequence[bytes]) -> int:
        """Count the lines of one minute up to the first one with an unknown property; return how many."""
        if self._timed:
            seen = seen[: self._of_one_minute(seen)]
        minute, no_route = self._minute, UNSET
        left = iter(seen)
        try:
            if plan.has_route:
                for line in left:
                    minute[line.level, line.module, line.route](line.duration)
            else:
                for line in left:
                    minute[line.level, line.module, no_route](line.duration)
        except KeyError:
            seen = seen[: -1 - operator.length_hint(left)]
        error_levels = self._error_levels
        for error in [line for line in seen if line.level in error_levels]:
            fault_type = plan.fault_type(error)
            if fault_type is None:
                entry = self._parse(next(line for line, read in zip(lines, seen, strict=False) if read is error))
                fault_type = "" if entry is None or entry.fault is None else entry.fault.type
            self._tally.add_error(fault_type, self._routes[error.level, error.module, error.route].module)
        return len(seen)

    def _of_one_minute(self, seen: Sequence[Any]) -> int:
        """Return how many lines, from the first on, are in one known minute."""
        if not (count := self._minute.first(seen)) and isinstance(time := seen[0].time, datetime):
            minute = self._minutes.get(time.replace(second=0, microsecond=0))
            if minute is not None and (count := minute.first(seen)):
                self._minute = minute
        return count

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
        if entry.severity >= Severity.ERROR:
            self._error_levels.add(said[0])
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
        self._plan = _DecodePlan(self._kinds, timed=self._timed)
        self._routes.clear()

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
                self._minutes[begins] = _Minute(begins, us - into_us, self._routes, self._begun)
            self._minute = self._minutes[begins]


def _players(keys: tuple[str, ...], role: str) -> list[str]:
    """Return the keys for a role in order of preference: each is used if those before it are missing."""
    found: list[str] = []
    while (name := getattr(names_of(tuple(key for key in keys if key not in found)), role)) is not None:
        found.append(name)
    return found
