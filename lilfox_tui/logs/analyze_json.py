"""Counting JSON lines fast: only the fields that are counted are read (msgspec), by a plan made from what lines hold.

A plan knows every key of the lines that it reads. A line with another key, and whatever else it cannot decide, is read
by the format instead, and what a level or a module stands for is learned from that: the counts are the same as if the
format had read every line.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw

from lilfox_tui.logs import faults
from lilfox_tui.logs.formats.json_lines import parse
from lilfox_tui.logs.named_fields import names_of
from lilfox_tui.logs.record import RAW_LIMIT, Entry, Severity
from lilfox_tui.logs.tally import MINUTE_US, Cell, Tally, route_of

_KEYS_MOST = 64
_ODD_LINES = 50
"""So many lines with keys that the plan does not know make a new one."""
_LEARNED_MOST = 10_000
_LEAST_US, _MOST_US = 0, 250_000_000_000_000_000
_LONGEST_S = 1e18
_MINUTE = timedelta(minutes=1)
_TYPES: dict[str, Any] = {"time": datetime, "level": object, "module": object, "duration": object, "route": object}
"""As what the fields are read that play a role."""
_UNDECIDED = (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError)
_ROLES = ("time", "level", "module", "duration")
_FAULT_ROLES = ("fault", "fault_type", "error")


class _Plan:
    """How lines are read that have no other than these keys.

    ``decode`` gives a struct with what plays a role (``time``, ``level``, ``module``, ``duration``, ``route``), UNSET
    where the line does not have it. ``sure`` are the roles that no second key could play then. Where nothing is counted
    by time it is not read.
    """

    def __init__(self, keys: tuple[str, ...], *, timed: bool) -> None:
        players = {role: _players(keys, role) for role in _ROLES}
        players["route"] = ["route"] if "route" in keys else []
        attributes = {names[0]: role for role, names in players.items() if names}
        told = [(name, role) for role in _FAULT_ROLES for name in _players(keys, role)]
        attributes |= {name: f"fault_{number}" for number, (name, _) in enumerate(told) if name not in attributes}
        attributes |= {name: f"other_{number}" for number, name in enumerate(keys) if name not in attributes}
        types = _TYPES if timed else {role: type_ for role, type_ in _TYPES.items() if role != "time"}
        fields: list[tuple[str, Any, Any]] = [
            (attributes[name], types.get(attributes[name], Raw), UNSET) for name in keys
        ]
        absent = {role: UNSET for role, names in players.items() if not names}
        written = {attribute: name for name, attribute in attributes.items()}
        line = msgspec.defstruct("Line", fields, rename=written, forbid_unknown_fields=True, gc=False, namespace=absent)
        self.decode = msgspec.json.Decoder(line).decode
        self.keys = frozenset(keys)
        self.sure = frozenset(role for role, names in players.items() if len(names) < 2)
        self.time_key = written.get("time")
        self.level_key = written.get("level")
        self.module_key = written.get("module")
        self.unit_s = names_of(keys).unit_s
        self._faults = [operator.attrgetter(attributes[name]) for name, _ in told]
        self._only_fault = [role for _, role in told] == ["fault"]

    def fault_type(self, seen: object) -> str | None:
        """The class of the exception that the line tells of, "" for none; None where the format has to be asked."""
        held = [value for get in self._faults if (value := get(seen)) is not UNSET]
        if not held:
            return ""
        if not self._only_fault:
            return None
        try:
            fault = faults.from_value(msgspec.json.decode(held[0]))
        except (ValueError, RecursionError):
            return None
        return "" if fault is None else fault.type


_Counted: TypeAlias = tuple[Cell, Callable[[float], None], str]
"""What is counted of a minute's lines of one route, what takes a response time of theirs, and their module."""


class _Minute:
    """Lines of one minute, by route: counted here first, since a line needs one look-up then, and not two. ``time_us``
    is None for lines of any time."""

    def __init__(self, begins: datetime, time_us: int | None) -> None:
        self.by_route: dict[object, _Counted] = {}
        """By what a line says of its route."""
        self.routes: list[tuple[Cell, Cell]] = []
        """What is counted here of a route, and where that belongs."""
        self.span = begins, begins + _MINUTE, self.by_route
        self._time_us = time_us

    def hand_on(self, tally: Tally) -> None:
        """Adds what was counted to the tally, and forgets it."""
        for counted, route in self.routes:
            route.join(counted)
            if self._time_us is not None:
                tally.slice(self._time_us).join(counted)
        self.routes.clear()
        self.by_route.clear()


class JsonCount:
    """Counts the JSON lines of one source into ``tally``. ``zone`` is that of times without an offset. Unless ``timed``
    the tally's slices are of no use afterwards."""

    def __init__(self, tally: Tally, source: str, zone: tzinfo, *, timed: bool = True) -> None:
        self._tally = tally
        self._source = source
        self._zone = zone
        self._timed = timed
        self._keys: dict[str, None] = {}
        self._odd_lines = 0
        self._plan: _Plan | None = None
        self._errors: dict[object, bool] = {}
        self._routes: dict[object, tuple[Cell, str]] = {}
        self._minutes: dict[datetime, _Minute] = {}
        self._minute = _Minute(datetime(1, 1, 1, tzinfo=UTC), None)
        self._counting: list[_Minute] = []

    def count(self, block: bytes) -> None:
        """Counts a block of whole lines; ``hand_on`` ends it."""
        lines = block.split(b"\n")
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
        if len(self._counting) > _LEARNED_MOST:
            self.hand_on()

    def hand_on(self) -> None:
        """Puts what was counted into the tally, where it is not all the time."""
        for minute in self._counting:
            minute.hand_on(self._tally)
        self._counting.clear()

    def _count_by(self, plan: _Plan, lines: list[bytes]) -> int:
        """Counts lines as long as the plan is in force; how many."""
        decode, errors, unit_s, has_route = plan.decode, self._errors, plan.unit_s, "route" in plan.keys
        may_lack, timed = "duration" in plan.sure, self._timed
        begins, ends, by_route = self._minute.span
        for number, line in enumerate(lines, 1):
            try:
                seen: Any = decode(line)
                is_error = errors[seen.level]
                if timed and not begins < seen.time < ends:
                    begins, ends, by_route = self._minute_of(seen.time).span
                key = (seen.module, seen.route) if has_route else seen.module
                counted, told, module = by_route[key] if key in by_route else self._begin_route(key)
            except _UNDECIDED:
                self._learn(self._count_slowly(line))
                if self._plan is not plan:
                    return number
                begins, ends, by_route = self._minute.span
                continue
            taken = seen.duration
            kind = taken.__class__
            if kind is not float and kind is not int and (taken is not UNSET or not may_lack):
                self._count_slowly(line)
                continue
            if is_error:
                fault_type = plan.fault_type(seen)
                if fault_type is None:
                    self._count_slowly(line)
                    continue
                counted.errors += 1
                self._tally.add_error(fault_type, module)
            counted.records += 1
            if taken is not UNSET and 0 <= taken < _LONGEST_S:
                told(taken * unit_s)
        return len(lines)

    def _minute_of(self, time: datetime) -> _Minute:
        """The minute of a line. Raises LookupError where it is not known, or the time may have been rounded into it."""
        begins = time.replace(second=0, microsecond=0)
        if begins == time:
            raise LookupError
        self._minute = self._minutes[begins]
        return self._minute

    def _begin_route(self, key: object) -> _Counted:
        """Where a line of the minute and of that route is counted. Raises LookupError for a route that is not known."""
        route, module = self._routes[key]
        cell = Cell()
        minute = self._minute
        minute.routes.append((cell, route))
        minute.by_route[key] = cell, cell.response_times_s.append, module
        self._counting.append(minute)
        return minute.by_route[key]

    def _count_slowly(self, line: bytes) -> Entry | None:
        """Counts a line as its format reads it; None where it is no record."""
        raw = line[:-1] if line.endswith(b"\r") else line
        if not raw:
            return None
        entry = parse(raw[:RAW_LIMIT], self._zone)
        if entry is None:
            self._tally.unread += 1
        else:
            self._tally.add(self._source, entry)
        return entry

    def _learn(self, entry: Entry | None) -> None:
        if entry is None:
            return
        fields, plan = entry.fields, self._plan
        if plan is None or not plan.keys.issuperset(fields):
            self._learn_keys(fields)
            return
        time = UNSET if plan.time_key is None else fields.get(plan.time_key)
        if self._timed and isinstance(time, str) and entry.time_us is not None:
            self._learn_minute(time, entry.time_us)
        level = None if plan.level_key is None else fields.get(plan.level_key)
        if isinstance(level, str) and entry.severity and len(self._errors) < _LEARNED_MOST:
            self._errors[level] = entry.severity >= Severity.ERROR
        module = UNSET if plan.module_key is None else fields.get(plan.module_key, UNSET)
        route: object = fields.get("route", UNSET)
        if (isinstance(module, str) or (module is UNSET and "module" in plan.sure)) and isinstance(
            route, str | msgspec.UnsetType
        ):
            if len(self._routes) > _LEARNED_MOST:
                self._routes.clear()
            cell = self._tally.route(self._source, route_of(fields, entry.module))
            self._routes[(module, route) if "route" in plan.keys else module] = cell, entry.module

    def _learn_keys(self, fields: Mapping[str, object]) -> None:
        self._keys |= dict.fromkeys(fields)
        self._odd_lines += 1
        if self._plan is not None and self._odd_lines < _ODD_LINES:
            return
        self._odd_lines = 0
        alike = len({key.lower() for key in self._keys}) < len(self._keys)
        if alike or len(self._keys) > _KEYS_MOST:  # which of two is meant depends on the line
            self._keys = {}
            return
        self.hand_on()
        self._plan = _Plan(tuple(self._keys), timed=self._timed)
        self._errors.clear()
        self._routes.clear()

    def _learn_minute(self, text: str, us: int) -> None:
        """All times that differ from this one in seconds and their fraction alone are in the same slice."""
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


def _players(keys: tuple[str, ...], role: str) -> list[str]:
    """The keys that play a role, each when those before it are missing."""
    found: list[str] = []
    while (name := getattr(names_of(tuple(key for key in keys if key not in found)), role)) is not None:
        found.append(name)
    return found
