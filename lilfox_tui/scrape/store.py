"""The in-memory store of scraped series, and the contract of every store: one matrix per target, one row per scrape."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher, label_condition

# The contract of whoever keeps series, and how gaps look in their numbers.


Floats = NDArray[np.float64]
Times = NDArray[np.int64]
"""Milliseconds since 1970 (UTC), as in Prometheus."""

STALE_BITS = 0x7FF0000000000002
"""Prometheus' own stale marker: the series ends here (model/value/value.go)."""
ABSENT_BITS = 0x7FF0000000000003
"""The series has no sample in this row; older ones still count within the lookback."""
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]
ABSENT: float = struct.unpack("<d", struct.pack("<Q", ABSENT_BITS))[0]
# Arrays must be filled through their integer view: a float passed through Python arithmetic may lose the pattern.


class SelectedSeries(NamedTuple):
    """Series that share their times (those of one target that a selector selects).

    ``labels`` is the same object from call to call while the selection is the same. ``values`` has one row a time and
    one column a label set; STALE and ABSENT stand where there is no sample. Both arrays are read only and stay as
    they are while the target goes on.
    """

    labels: LabelList
    times: Times
    values: Floats


class SeriesSource(Protocol):
    """A source of series: the store of scraped series, or a rule test's input."""

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """Return all series that every matcher selects, with their rows of ``start_ms <= time <= end_ms``. Series
        without such rows may be left out."""
        ...


class CombinedSource(SeriesSource):
    """A source of all series of two others."""

    def __init__(self, one: SeriesSource, other: SeriesSource) -> None:
        self._one, self._other = one, other

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """As :meth:`SeriesSource.select`."""
        return [*self._one.select(matchers, start_ms, end_ms), *self._other.select(matchers, start_ms, end_ms)]


# Which column of a target's matrix holds which series, and which columns a selector picks.


Places = slice | NDArray[np.intp]
_CHOICES_KEPT, _PLACES_KEPT = 16_384, 1_000_000
"""Selectors whose choice is remembered for one target, and the columns of all these choices (some 50 bytes each): those
of thousands of rules, not those of somebody who types queries for days."""


class ColumnSelection(NamedTuple):
    """The series that a selector selects, and their columns; a slice if they are contiguous, which needs no copy."""

    labels: LabelList
    places: Places


class _CachedSelection(NamedTuple):
    """The selection of a selector among the first ``width`` columns."""

    width: int
    places: list[int]
    choice: ColumnSelection | None


class _KnownColumns:
    """The data that column sets of all widths share; only ever extended, by the writer."""

    def __init__(self, before: dict[tuple[Matcher, ...], _CachedSelection]) -> None:
        self.sets: list[LabelSet] = []
        self.place_of: dict[LabelSet, int] = {}
        self.by_name: dict[str, list[int]] = {}
        self.chosen: dict[tuple[Matcher, ...], _CachedSelection] = {}
        self.before = before
        self._chosen_places = 0

    def add(self, sets: Iterable[LabelSet]) -> None:
        for labels in sets:
            self.by_name.setdefault(labels.get(NAME), []).append(len(self.sets))
            self.place_of[labels] = len(self.sets)
            self.sets.append(labels)

    def remember(self, matchers: tuple[Matcher, ...], selection: _CachedSelection) -> None:
        old = self.chosen.get(matchers)
        more = len(selection.places) - (0 if old is None else len(old.places))
        if len(self.chosen) >= _CHOICES_KEPT or self._chosen_places + more > _PLACES_KEPT:
            self.chosen.clear()
            self._chosen_places, more = 0, len(selection.places)
        self.chosen[matchers] = selection
        self._chosen_places += more


class Columns:
    """The first ``count`` columns of one matrix; adding columns makes another object, and this one stays as it is."""

    def __init__(self, known: _KnownColumns, count: int) -> None:
        self._known, self.count = known, count

    @classmethod
    def of(cls, sets: Sequence[LabelSet], before: Columns | None = None) -> Columns:
        """Return new columns in the order of ``sets``; selections made ``before`` keep their label lists where they are
        the same."""
        known = _KnownColumns({} if before is None else before._known.chosen)
        known.add(sets)
        return cls(known, len(sets))

    def widened(self, added: Sequence[LabelSet]) -> Columns:
        """Return columns with ``added`` appended. Only for the newest columns, by the writer."""
        self._known.add(added)
        return Columns(self._known, self.count + len(added))

    @property
    def names(self) -> frozenset[str]:
        """The metric names of the series."""
        return frozenset(self._known.by_name)

    def place_of(self, labels: LabelSet) -> int | None:
        """Return the column of a series, or None."""
        place = self._known.place_of.get(labels)
        return place if place is not None and place < self.count else None

    def places_of(self, labels: Iterable[LabelSet]) -> list[int]:
        """Return the columns of series that all have one."""
        return [self._known.place_of[one] for one in labels]

    def sets(self, places: Iterable[int]) -> list[LabelSet]:
        """Return the series of these columns."""
        return [self._known.sets[place] for place in places]

    def choose(self, matchers: tuple[Matcher, ...]) -> ColumnSelection | None:
        """Return the selection of all ``matchers``, None if it is empty. ``labels`` of a selection is the same object
        as long as the selection is the same, also across a change of columns. Raises UsageError for a pattern that RE2
        refuses."""
        known = self._known
        found = known.chosen.get(matchers)
        if found is not None and found.width == self.count:
            return found.choice
        if found is not None and found.width > self.count:
            return _selection(known, self._fitting(matchers, 0), None)
        places, old = ([], known.before.get(matchers)) if found is None else (found.places, found)
        more = self._fitting(matchers, 0 if found is None else found.width)
        if more or found is None:
            places = places + more
            choice = _selection(known, places, old.choice if old is not None else None)
        else:
            choice = found.choice
        known.remember(matchers, _CachedSelection(self.count, places, choice))
        return choice

    def _fitting(self, matchers: tuple[Matcher, ...], first: int) -> list[int]:
        """Return the columns from ``first`` on that all ``matchers`` select."""
        name = _metric_of(matchers)
        if name is None:
            places = list(range(first, self.count))
        else:
            places = [place for place in self._known.by_name.get(name, ()) if first <= place < self.count]
        for matcher in matchers:
            fits = label_condition(matcher.op, matcher.value)
            places = [place for place in places if fits(self._known.sets[place].get(matcher.name))]
        return places


def _metric_of(matchers: tuple[Matcher, ...]) -> str | None:
    """Return the metric name of all series that ``matchers`` select; None if it may be any."""
    return next((matcher.value for matcher in matchers if matcher.name == NAME and matcher.op == "="), None)


def _selection(known: _KnownColumns, places: Sequence[int], old: ColumnSelection | None) -> ColumnSelection | None:
    if not places:
        return None
    sets = tuple(known.sets[place] for place in places)
    labels = old.labels if old is not None and old.labels.sets == sets else LabelList(sets)
    return ColumnSelection(labels, contiguous(places))


def contiguous(places: Sequence[int]) -> Places:
    """Return ``places`` as a slice if they are contiguous, else as an index."""
    if not places:
        return slice(0, 0)
    first, last = places[0], places[-1]
    if last - first + 1 == len(places) and all(b == a + 1 for a, b in pairwise(places)):
        return slice(first, last + 1)
    return np.asarray(places, np.intp)


# All series of a target share their times, so a scrape writes one row and a window is a slice. Rows are only appended,
# and a matrix that is full is replaced by a new one: what was handed out stays as it is, in other threads too.


_FEWEST_ROWS = 16
_PART_FORGOTTEN = 8
"""When the limit is reached, one part in so many of the time that is kept is forgotten at once."""
_BYTES_OF_A_SET = 200
"""About what a label set takes beside its text (objects, the places in dictionaries)."""


class _Matrix:
    """Times and values with spare rows and columns; ``rows`` of them are used."""

    __slots__ = ("columns", "rows", "times", "values")

    def __init__(self, columns: Columns, times: Times, values: Floats, rows: int) -> None:
        self.columns, self.times, self.values, self.rows = columns, times, values, rows

    @classmethod
    def empty(cls, columns: Columns, rows: int) -> _Matrix:
        width = columns.count + columns.count // 8 + 2
        return cls(columns, np.empty(rows, np.int64), np.empty((rows, width)), 0)

    @property
    def full(self) -> bool:
        return self.rows == len(self.times)

    @property
    def size_bytes(self) -> int:
        """The memory in use: pages of rows not yet written do not count."""
        return int(self.rows * (self.values.shape[1] + 1) * 8)


class TargetSeries:
    """The series of one target. Any thread may append rows, but only one at a time; any thread may :meth:`select`."""

    def __init__(self, keep_ms: int, changed: Callable[[TargetSeries, int, LabelList, Floats], None]) -> None:
        self._keep_ms, self._changed = keep_ms, changed
        self._list = LabelList(())
        self._live: Places = slice(0, 0)
        self._text_bytes = 0
        self._matrix = _Matrix.empty(Columns.of(()), _FEWEST_ROWS)
        self._writing = threading.RLock()

    @property
    def columns(self) -> Columns:
        """The series of all rows; another object whenever they change."""
        return self._matrix.columns

    @property
    def series_count(self) -> int:
        """The number of series in the last row."""
        return len(self._list)

    @property
    def sample_count(self) -> int:
        """The number of stored samples, including ABSENT and STALE ones."""
        return self._matrix.rows * self._matrix.columns.count

    @property
    def size_bytes(self) -> int:
        """The approximate memory of numbers and labels."""
        return self._matrix.size_bytes + self._text_bytes

    @property
    def oldest_ms(self) -> int | None:
        """The time of the oldest row, None without rows."""
        return int(self._matrix.times[0]) if self._matrix.rows else None

    @property
    def newest_ms(self) -> int | None:
        """The time of the newest row, None without rows."""
        return int(self._matrix.times[self._matrix.rows - 1]) if self._matrix.rows else None

    @property
    def is_full(self) -> bool:
        """Whether the next row first moves all others to a larger matrix."""
        return self._matrix.full

    @property
    def row_bytes(self) -> int:
        """The memory of the next row if its series are those of the last one."""
        return int((self._matrix.values.shape[1] + 1) * 8)

    def append(self, at_ms: int, labels: LabelList, values: Floats) -> bool:
        """Append a row: ``values[i]`` belongs to ``labels[i]``, ABSENT if it has no sample now. Series of the last row
        that are no longer in ``labels`` get STALE. Fastest with the same LabelList object as last time.

        False, and nothing is kept, where ``at_ms`` is not after the last row. Raises ValueError where ``labels`` holds
        a set twice.
        """
        with self._writing:
            newest = self.newest_ms
            if newest is not None and at_ms <= newest:
                return False
            if self._matrix.full:
                self._move(at_ms - self._keep_ms)
            gone = self._take_list(labels) if labels is not self._list else ()
            self._write(at_ms, values, gone)
            self._changed(self, at_ms, labels, values)
        return True

    def end(self, at_ms: int) -> bool:
        """End every live series with STALE at ``at_ms``; return False if that is not after the last row."""
        return self.append(at_ms, LabelList(()), np.empty(0)) if self._list else False

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> SelectedSeries | None:
        """Select like :meth:`SeriesSource.select`, from this target."""
        matrix = self._matrix
        rows = matrix.rows
        choice = matrix.columns.choose(matchers)
        if choice is None:
            return None
        times = matrix.times[:rows]
        start, end = (int(place) for place in (times.searchsorted(start_ms), times.searchsorted(end_ms, "right")))
        if start >= end:
            return None
        window, values = times[start:end], matrix.values[start:end, choice.places]
        window.flags.writeable = values.flags.writeable = False
        return SelectedSeries(choice.labels, window, values)

    @property
    def least_bytes(self) -> int:
        """The memory of the target with its newest row alone."""
        return self._text_bytes + int(self._matrix.values.shape[1]) * 8

    def forget(self, before_ms: int) -> None:
        """Drop rows older than ``before_ms``, but not the newest one while series are live; deferred if a row is being
        written now."""
        if self._writing.acquire(blocking=False):
            try:
                self._move(before_ms)
            finally:
                self._writing.release()

    def _move(self, before_ms: int) -> None:
        """Move newer rows to a new matrix; series without samples in it are dropped entirely."""
        old = self._matrix
        first = min(int(old.times[: old.rows].searchsorted(before_ms)), max(old.rows - bool(self._list), 0))
        kept = old.rows - first
        places = self._places_with_samples(old, first)
        columns = old.columns
        if len(places) < columns.count:
            sets = columns.sets(places)
            columns = Columns.of(sets, old.columns)
            self._text_bytes = _text_bytes(sets)
        new = _Matrix.empty(columns, max(_FEWEST_ROWS, kept + kept // 2))
        new.times[:kept] = old.times[first : old.rows]
        new.values[:kept, : columns.count] = old.values[first : old.rows, contiguous(places)]
        new.rows = kept
        self._matrix = new
        self._live = contiguous(columns.places_of(self._list))

    def _take_list(self, labels: LabelList) -> list[int]:
        """Make ``labels`` the live series; return the positions of those that no longer are."""
        still = set(labels)
        if len(still) != len(labels):
            raise ValueError("a series stands twice in one row")
        columns = self._matrix.columns
        added = [one for one in labels if columns.place_of(one) is None]
        if added:
            columns = self._widen(added)
        before, self._list, self._live = self._list, labels, contiguous(columns.places_of(labels))
        return columns.places_of(one for one in before if one not in still)

    def _widen(self, added: Sequence[LabelSet]) -> Columns:
        old = self._matrix
        columns = old.columns.widened(added)
        first, width = old.columns.count, columns.count
        if width <= old.values.shape[1]:
            new = _Matrix(columns, old.times, old.values, old.rows)
        else:
            new = _Matrix.empty(columns, len(old.times))
            new.rows = old.rows
            new.times[: old.rows] = old.times[: old.rows]
            new.values[: old.rows, :first] = old.values[: old.rows, :first]
        new.values.view(np.int64)[: old.rows, first:width] = ABSENT_BITS
        self._matrix = new
        self._text_bytes += _text_bytes(added)
        return columns

    def _write(self, at_ms: int, values: Floats, gone: Sequence[int]) -> None:
        matrix = self._matrix
        width = matrix.columns.count
        row = matrix.values[matrix.rows, :width]
        if len(self._list) < width:
            bits = row.view(np.int64)
            bits.fill(ABSENT_BITS)
            if gone:
                bits[list(gone)] = STALE_BITS
        row[self._live] = values
        matrix.times[matrix.rows] = at_ms
        matrix.rows += 1

    def _places_with_samples(self, matrix: _Matrix, first: int) -> list[int]:
        """Return the columns of live series, and of those that have a sample from row ``first`` on."""
        alive = np.zeros(matrix.columns.count, np.bool_)
        alive[self._live] = True
        dead = np.flatnonzero(~alive)
        bits = matrix.values.view(np.int64)[first : matrix.rows, dead]
        alive[dead] = ((bits != ABSENT_BITS) & (bits != STALE_BITS)).any(axis=0)
        return [int(place) for place in np.flatnonzero(alive)]


Recorder = Callable[[str, int, LabelList | None, Floats | None], None]
"""Is called with the key of a target and its new row; without labels if its history was dropped. Must not block."""


class _Index:
    """Which targets have series of a metric, and the memory of all of them: neither asks every target. Any thread may
    use it."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._sizes: dict[TargetSeries, int] = {}
        self._columns: dict[TargetSeries, Columns] = {}
        self._names: dict[TargetSeries, frozenset[str]] = {}
        self._targets: dict[str, dict[TargetSeries, None]] = {}
        self._writing = threading.Lock()

    def targets_with(self, name: str) -> list[TargetSeries]:
        """Return the targets that have series of metric ``name`` in any row."""
        return list(self._targets.get(name, ()))

    def update(self, target: TargetSeries) -> None:
        """Take over the size and the series of ``target``; call it after they have changed."""
        with self._writing:
            columns, size_bytes = target.columns, target.size_bytes
            self.size_bytes += size_bytes - self._sizes.get(target, 0)
            self._sizes[target] = size_bytes
            if self._columns.get(target) is not columns:
                self._columns[target] = columns
                self._rename(target, columns.names)

    def drop(self, target: TargetSeries) -> None:
        """Forget ``target``."""
        with self._writing:
            self.size_bytes -= self._sizes.pop(target, 0)
            self._columns.pop(target, None)
            self._rename(target, frozenset())
            self._names.pop(target)

    def _rename(self, target: TargetSeries, names: frozenset[str]) -> None:
        before = self._names.get(target, frozenset())
        self._names[target] = names
        for name in names - before:
            self._targets.setdefault(name, {})[target] = None
        for name in before - names:
            del self._targets[name][target]
            if not self._targets[name]:
                del self._targets[name]


class SeriesStore(SeriesSource):
    """The series of all targets: the newest ``keep_s`` seconds, or less if they would take more than ``limit_bytes``:
    the oldest rows are dropped first, but never the newest row of a target."""

    def __init__(self, *, keep_s: float, limit_bytes: int) -> None:
        self._keep_ms, self.limit_bytes = round(keep_s * 1000), limit_bytes
        self._targets: dict[str, TargetSeries] = {}
        self._index = _Index()
        self._next_look_ms = 0
        self._record: Recorder | None = None

    def record(self, recorder: Recorder | None) -> None:
        """Call ``recorder`` with each row from now on; None: nobody."""
        self._record = recorder

    def target(self, key: str) -> TargetSeries:
        """Return the series of one target, creating it at the first call."""
        if key not in self._targets:
            self._targets[key] = TargetSeries(self._keep_ms, partial(self._grown, key))
        return self._targets[key]

    def drop(self, key: str) -> None:
        """Drop a target and its history."""
        gone = self._targets.pop(key, None)
        if gone is not None:
            self._index.drop(gone)
            if self._record is not None:
                self._record(key, 0, None, None)

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """Return all series that every matcher selects, one :class:`SelectedSeries` per target. Raises UsageError for a
        pattern that RE2 refuses."""
        name = _metric_of(matchers)
        targets = list(self._targets.values()) if name is None else self._index.targets_with(name)
        found = (target.select(matchers, start_ms, end_ms) for target in targets)
        return [one for one in found if one is not None]

    @property
    def series_count(self) -> int:
        """The number of live series of all targets."""
        return sum(target.series_count for target in list(self._targets.values()))

    @property
    def sample_count(self) -> int:
        """The number of samples of all targets, including ABSENT and STALE ones."""
        return sum(target.sample_count for target in list(self._targets.values()))

    @property
    def size_bytes(self) -> int:
        """The approximate memory of numbers and labels."""
        return self._index.size_bytes

    def room_for(self, target: TargetSeries) -> int:
        """Return how many bytes the series of ``target`` may take beside the newest rows of all other targets."""
        return self.limit_bytes - sum(one.least_bytes for one in list(self._targets.values()) if one is not target)

    def makes_room(self, target: TargetSeries, at_ms: int) -> bool:
        """Whether a row of ``target`` at ``at_ms`` moves stored rows, which takes a while if there are many."""
        over = self.size_bytes + target.row_bytes > self.limit_bytes
        return over or target.is_full or at_ms >= self._next_look_ms

    @property
    def oldest_ms(self) -> int | None:
        """The time of the oldest row; None without rows."""
        times = [target.oldest_ms for target in list(self._targets.values())]
        return min((time for time in times if time is not None), default=None)

    def _grown(self, key: str, target: TargetSeries, at_ms: int, labels: LabelList, values: Floats) -> None:
        if self._record is not None:
            self._record(key, at_ms, labels, values)
        if self._targets.get(key) is not target:
            return  # it was dropped meanwhile
        self._index.update(target)
        newest = target.newest_ms or 0
        if newest >= self._next_look_ms:
            self._next_look_ms = newest + self._keep_ms // _PART_FORGOTTEN
            self._forget(newest - self._keep_ms)
        if self.size_bytes > self.limit_bytes:
            oldest = self.oldest_ms or 0
            self._forget(oldest + max(1, (newest - oldest) // _PART_FORGOTTEN))

    def _forget(self, before_ms: int) -> None:
        for target in list(self._targets.values()):
            oldest, newest = target.oldest_ms, target.newest_ms
            if oldest is None or oldest >= before_ms or (oldest == newest and target.series_count):
                continue
            target.forget(before_ms)
            self._index.update(target)


def series_bytes(count: int, text: int) -> int:
    """Return the memory of so many series with one row, whose labels have so many characters."""
    return (_BYTES_OF_A_SET + 8) * count + text


def needed_bytes(labels: LabelList) -> int:
    """Return the memory of these series with one row."""
    return series_bytes(len(labels), _text_length(labels))


def _text_bytes(sets: Sequence[LabelSet]) -> int:
    return _BYTES_OF_A_SET * len(sets) + _text_length(sets)


def _text_length(sets: Iterable[LabelSet]) -> int:
    return sum(len(name) + len(value) for one in sets for name, value in one.pairs)
