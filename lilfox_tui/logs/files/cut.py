"""A place in the list by time of several logs: where each of them is parted into what is older and what is newer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from lilfox_tui.logs.files.log_file import Place
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Start

NEVER_US = -(2**62)
"""The time of records that have none, nor any before them in their log."""
FOREVER_US = 2**62
FIRST = "^"
LAST = "$"
_TIME = "="


class Cut(Struct, frozen=True):
    """``edges`` has for each log FIRST, LAST, a time (:func:`edge_at`) or the place of a byte: records that begin
    before it are older. A log that is not in it has come since: all of it is newer. ``time_us`` is where the list is
    parted."""

    time_us: int
    edges: Mapping[str, str]

    @property
    def word(self) -> str:
        """The place, for :class:`AtPlace`."""
        return json.dumps([self.time_us, dict(self.edges)])

    def start(self, log: str, *, older: bool) -> Start | None:
        """Where that log goes on in a direction; None where nothing of it is there."""
        edge = self.edges.get(log, FIRST)
        if edge == FIRST:
            return None if older else Beginning()
        if edge == LAST:
            return End() if older else None
        if edge.startswith(_TIME):
            return AtTime(int(edge.removeprefix(_TIME)))
        place = Place(edge)
        return AtPlace(edge if older else place.at(place.offset - 1))


def is_cut(words: str) -> bool:
    """Whether that place is a cut's, not a record's."""
    return words.startswith("[")


def read_cut(words: str) -> Cut:
    """The cut of that place."""
    time_us, edges = json.loads(words)
    return Cut(time_us, edges)


def edge_at(time_us: int) -> str:
    """The edge between what is before that time and what is not."""
    return f"{_TIME}{time_us}"


def edge_before(record: Record) -> str:
    """The edge in front of a record."""
    return record.place


def edge_behind(record: Record) -> str:
    """The edge behind a record, at the end of its last line."""
    place = Place(record.place)
    return place.at(place.offset + max(1, record.size_bytes))


def edge_going(start: Start | None, *, older: bool) -> str | None:
    """The edge that a log has come to which goes on from there; None where that tells no byte."""
    if not isinstance(start, AtPlace):
        return None
    place = Place(start.place)
    return start.place if older else place.at(place.offset + 1)
