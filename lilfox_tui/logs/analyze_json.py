"""Counting JSON lines fast: only the fields that are counted are read (msgspec), by a plan made from what lines hold.

A plan knows every key of the lines that it reads. A line with another key, and whatever else it cannot decide, is read
by the format instead, and what a level or a module stands for is learned from that: the counts are the same as if the
format had read every line.
"""

from __future__ import annotations

import operator
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from lilfox_tui.logs import times
from lilfox_tui.logs.formats.json_lines import parse
from lilfox_tui.logs.named_fields import names_of
from lilfox_tui.logs.record import RAW_LIMIT, Entry, Severity
from lilfox_tui.logs.tally import Cell, Tally, route_of

_KEYS_MOST = 64
_ODD_LINES = 50
"""So many lines with keys that the plan does not know make a new one."""
_LEARNED_MOST = 10_000
_LEAST_US, _MOST_US = 0, 250_000_000_000_000_000
_LONGEST_S = 1e18
_FRACTION = ".,0123456789"
_UNDECIDED = (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError)
_ROLES = ("time", "level", "module", "duration")
_FAULT_ROLES = ("fault", "fault_type", "error")


class _Plan:
    """How lines are read that have no other than these keys.

    ``decode`` gives a struct with what plays a role (``time``, ``level``, ``module``, ``duration``, ``route``), UNSET
    where the line does not have it. ``sure`` are the roles that no second key could play then.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        players = {role: _players(keys, role) for role in _ROLES}
        players["route"] = ["route"] if "route" in keys else []
        attributes = {names[0]: role for role, names in players.items() if names}
        faults = [name for role in _FAULT_ROLES for name in _players(keys, role)]
        attributes |= {name: f"fault_{number}" for number, name in enumerate(faults) if name not in attributes}
        attributes |= {name: f"other_{number}" for number, name in enumerate(keys) if name not in attributes}
        fields: list[tuple[str, Any, Any]] = [
            (attributes[name], object if attributes[name] in players else Raw, UNSET) for name in keys
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
        self._faults = [operator.attrgetter(attributes[name]) for name in faults]

    def tells_fault(self, seen: object) -> bool:
        """Whether the line has a key that may tell of an exception."""
        return any(told(seen) is not UNSET for told in self._faults)


class JsonCount:
    """Counts the JSON lines of one source into ``tally``. ``zone`` is that of times without an offset."""

    def __init__(self, tally: Tally, source: str, zone: tzinfo) -> None:
        self._tally = tally
        self._source = source
        self._zone = zone
        self._keys: dict[str, None] = {}
        self._odd_lines = 0
        self._plan: _Plan | None = None
        self._errors: dict[object, bool] = {}
        self._routes: dict[object, tuple[Cell, str]] = {}
        self._slices: dict[str, Cell] = {}
        self._slice_us = tally.slice_us

    def count(self, block: bytes) -> None:
        """Counts a block of whole lines."""
        lines = block.split(b"\n")
        read = 0
        while read < len(lines):
            plan = self._plan
            if plan is None:
                self._learn(self._count_slowly(lines[read]))
                read += 1
            else:
                read += self._count_by(plan, lines[read:] if read else lines)

    def _count_by(self, plan: _Plan, lines: list[bytes]) -> int:
        """Counts lines as long as the plan is in force; how many."""
        decode, errors, routes, slices = plan.decode, self._errors, self._routes, self._slices
        may_lack, unit_s = "duration" in plan.sure, plan.unit_s
        check_time = datetime.fromisoformat
        for number, line in enumerate(lines, 1):
            try:
                seen: Any = decode(line)
                level, module, taken, time = seen.level, seen.module, seen.duration, seen.time
                is_error = errors[level if level.__class__ is str else (level.__class__, level)]
                route, module_name = routes[module if seen.route is UNSET else (module, seen.route)]
                if time.__class__ is str:
                    check_time(time)
                    if time[16] != ":":
                        raise LookupError
                    in_time = slices[time[:16] + time[19:].lstrip(_FRACTION)]
                else:
                    in_time = self._slice_of(time)
            except _UNDECIDED:
                self._learn(self._count_slowly(line))
                if self._plan is not plan:
                    return number
                continue
            is_odd = (
                taken.__class__ is not float and taken.__class__ is not int and (taken is not UNSET or not may_lack)
            )
            if is_odd or (is_error and plan.tells_fault(seen)) or len(line) > RAW_LIMIT:
                self._count_slowly(line)
                continue
            route.records += 1
            in_time.records += 1
            if is_error:
                route.errors += 1
                in_time.errors += 1
                self._tally.add_error("", module_name)
            if taken is not UNSET and 0 <= taken < _LONGEST_S:
                route.response_times_s.append(taken_s := taken * unit_s)
                in_time.response_times_s.append(taken_s)
        return len(lines)

    def _slice_of(self, time: object) -> Cell:
        """Where a line with a number for its time is counted. Raises LookupError for another time, or none."""
        us = times.from_value(time, self._zone) if time.__class__ in (int, float) else None
        if us is None:
            raise LookupError
        cell = self._tally.slice(us)
        self._forget_widened()
        return cell

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
            self._forget_widened()
        return entry

    def _learn(self, entry: Entry | None) -> None:
        if entry is None:
            return
        fields, plan = entry.fields, self._plan
        if plan is None or not plan.keys.issuperset(fields):
            self._learn_keys(fields)
            return
        time = UNSET if plan.time_key is None else fields.get(plan.time_key)
        if isinstance(time, str) and entry.time_us is not None and _is_iso(time):
            self._learn_minute(time, entry.time_us)
        level = None if plan.level_key is None else fields.get(plan.level_key)
        if isinstance(level, str | int) and len(self._errors) < _LEARNED_MOST:
            key = level if isinstance(level, str) else (level.__class__, level)
            self._errors[key] = entry.severity >= Severity.ERROR
        module = UNSET if plan.module_key is None else fields.get(plan.module_key, UNSET)
        route: object = fields.get("route", UNSET)
        if (isinstance(module, str) or (module is UNSET and "module" in plan.sure)) and isinstance(
            route, str | msgspec.UnsetType
        ):
            if len(self._routes) > _LEARNED_MOST:
                self._routes.clear()
            cell = self._tally.route(self._source, route_of(fields, entry.module))
            self._routes[module if route is UNSET else (module, route)] = cell, entry.module

    def _learn_minute(self, time: str, us: int) -> None:
        """All times that differ from this one in seconds and their fraction alone are in the same slice."""
        if time[13:14] == ":" == time[16:17] and _LEAST_US < us < _MOST_US:
            if len(self._slices) > _LEARNED_MOST:
                self._slices.clear()
            cell = self._tally.slice(us)
            self._forget_widened()
            self._slices[time[:16] + time[19:].lstrip(_FRACTION)] = cell

    def _learn_keys(self, fields: Any) -> None:
        self._keys |= dict.fromkeys(fields)
        self._odd_lines += 1
        if self._plan is not None and self._odd_lines < _ODD_LINES:
            return
        self._odd_lines = 0
        alike = len({key.lower() for key in self._keys}) < len(self._keys)
        if alike or len(self._keys) > _KEYS_MOST:  # which of two is meant depends on the line
            self._keys = {}
            return
        self._plan = _Plan(tuple(self._keys))
        self._errors.clear()
        self._routes.clear()

    def _forget_widened(self) -> None:
        """The cells of slices that were made wider are no longer the tally's."""
        if self._slice_us != self._tally.slice_us:
            self._slice_us = self._tally.slice_us
            self._slices.clear()


def _is_iso(time: str) -> bool:
    try:
        datetime.fromisoformat(time)
    except ValueError:
        return False
    return True


def _players(keys: tuple[str, ...], role: str) -> list[str]:
    """The keys that play a role, each when those before it are missing."""
    found: list[str] = []
    while (name := getattr(names_of(tuple(key for key in keys if key not in found)), role)) is not None:
        found.append(name)
    return found
