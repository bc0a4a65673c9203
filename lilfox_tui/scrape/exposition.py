"""Parses the response of a metrics endpoint into series and values: Prometheus' text format 0.0.4 and OpenMetrics
1.0."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import fit, human_bytes
from lilfox_tui.redact import redacted_start
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, openmetrics_number
from lilfox_tui.scrape.store import Floats

# One line of a page of metrics: what stands before the value, the value, and a time if there is one.
#
# Grammar: Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) and OpenMetrics 1.0, both
# with quoted UTF-8 names (``{"http.requests", "http.route"="/"} 1``). What they take and refuse is what Prometheus'
# parsers do, which let a little more pass than the documents say.


_SERIES = rb"""([a-zA-Z_:][a-zA-Z0-9_:]*+(?:[ \t]*+\{%(labels)s\})?+|\{%(labels)s\})""" % {
    b"labels": rb"""(?:[^"}]|"(?:[^"\\]|\\.)*+")*+"""
}
_TEXT = re.compile(rb"[ \t]*+" + _SERIES + rb"[ \t]*+([^{ \t]++)(?:[ \t]++(\d++))?+[ \t]*+", re.DOTALL)
_OPENMETRICS = re.compile(
    _SERIES + rb""" ([^ ]++)(?: ([^ #][^ ]*+))?+(?: # \{(?:[^"}]|"(?:[^"\\]|\\.)*+")*+\} [^ ]++(?: [^ ]++)?+)?+""",
    re.DOTALL,
)
_LABEL = re.compile(
    rb"""[ \t]*+(?:([a-zA-Z_][a-zA-Z0-9_]*+)|"((?:[^"\\]|\\.)*+)")[ \t]*+"""
    rb"""(?:(=)[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+)?+(,?+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\([\\"n])')
_PLAIN = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_WORDS = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_WORDS |= {"infinity": math.inf, "+infinity": math.inf, "-infinity": -math.inf}
_LATEST_MS = 2**63 - 1
_MOST_LABELS = 1000
"""Of one series, whatever the target's own limits are: a page of one series could fill the memory."""


class SampleLine(NamedTuple):
    """One sample of a page. ``series`` is the text before the value, unchanged; ``at_ms`` is None if the line has no
    timestamp."""

    series: bytes
    value: float
    at_ms: int | None


class Malformed(LilFoxError):
    """A line does not have the format; the message says why."""


def read_sample(line: bytes, *, openmetrics: bool) -> SampleLine:
    """Parse a line that is neither blank nor a comment, without its newline. Raises Malformed."""
    match = (_OPENMETRICS if openmetrics else _TEXT).fullmatch(line)
    if match is None:
        raise Malformed(tr("expected a name, labels in braces and a value"))
    series, value, at = match.groups()
    if at is None:
        return SampleLine(series, number(value), None)
    at_ms = _milliseconds(at) if openmetrics else int(at)
    if abs(at_ms) > _LATEST_MS:
        raise Malformed(tr("timestamp out of range"))
    return SampleLine(series, number(value), at_ms)


def number(text: bytes) -> float:
    """Parse a value as Prometheus does (Go's ParseFloat without hexadecimals and underscores). Raises Malformed."""
    if _PLAIN.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise Malformed(tr("value out of range"))
        return value
    word = _WORDS.get(text.decode("ascii", "replace").lower())
    if word is None:
        raise Malformed(tr("the value is not a number"))
    return word


def read_series(series: bytes) -> dict[str, str]:
    """Parse the labels of the text before a value, including the name as ``__name__``. Raises Malformed."""
    head, brace, inner = series.partition(b"{")
    name = head.strip(b" \t")
    labels = {NAME: name.decode()} if name else {}
    if not brace:
        return labels
    inner = inner[:-1]
    place = 0
    while place < len(inner):
        match = _LABEL.match(inner, place)
        if match is None:
            if inner[place:].strip(b" \t"):
                raise Malformed(tr('expected labels in the braces, each as name="value"'))
            break
        place = match.end()
        plain, quoted, equals, value, comma = match.groups()
        if equals is None:
            if quoted is None or not (comma or place == len(inner)):
                raise Malformed(tr("a label has no value"))
            if NAME in labels:
                raise Malformed(tr("the metric has two names"))
            _set(labels, NAME, quoted)
        else:
            _set(labels, _text(plain if quoted is None else quoted), value)
    if not labels.get(NAME):
        raise Malformed(tr("the metric has no name"))
    return labels


def _set(labels: dict[str, str], name: str, value: bytes) -> None:
    if not name:
        raise Malformed(tr("a label has no name"))
    if name in labels:
        raise Malformed(tr("label {name} appears twice", name=name))
    if len(labels) > _MOST_LABELS:
        raise Malformed(tr("a series has more than {limit} labels", limit=_MOST_LABELS))
    labels[name] = _text(value)


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Malformed(tr("a label is not UTF-8")) from None
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _milliseconds(seconds: bytes) -> int:
    value = number(seconds)
    if not math.isfinite(value):
        raise Malformed(tr("the timestamp is not a number"))
    return int(value * 1000)


# The lines of a page of metrics, before anything of them is read.


LONGEST_LINE = 256 * 1024
_MOST_LINES = 4_000_000
_SPLIT_BYTES = 1 << 20
_ESCAPED = re.compile(rb"\\.")
_INDENTED = re.compile(rb"^[ \t]++", re.MULTILINE)
_NEWLINE, _QUOTE, _HASH = b'\n"#'


class BadPage(LilFoxError):
    """The page cannot be used. ``samples`` and ``kept`` are the counts before the error. ``known_next_time``: the part
    that was read makes the next attempt faster."""

    def __init__(
        self,
        message: Message,
        hint: Message | str = "",
        *,
        samples: int = 0,
        kept: int = 0,
        known_next_time: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.samples, self.kept, self.known_next_time = samples, kept, known_next_time


def lines_of(body: bytes) -> list[bytes]:
    """Split a page into lines, in pieces, because a single long call of C code would block all threads. Raises
    BadPage."""
    found: list[bytes] = []
    start, end = 0, len(body.removesuffix(b"\n"))
    while end - start > _SPLIT_BYTES:
        last = body.rfind(b"\n", start, start + _SPLIT_BYTES)
        if last < 0:
            last = body.find(b"\n", start, end)
        if last < 0:
            break
        found += body[start:last].split(b"\n")
        start = last + 1
        if len(found) > _MOST_LINES:
            raise BadPage(tr("more than {limit} lines; none was read", limit=_MOST_LINES))
    found += body[start:end].split(b"\n")
    return found


def lines_of_one(lines: Sequence[bytes], row: int) -> int:
    """Return how many lines the sample beginning in ``row`` has: as in Prometheus' parser of the text format, and
    unlike OpenMetrics, a quoted value may contain newlines."""
    inside, length = False, 0
    for place in range(row, len(lines)):
        line = lines[place]
        length += len(line)
        if length > LONGEST_LINE:
            break
        inside ^= (_ESCAPED.sub(b"", line) if b"\\" in line else line).count(b'"') % 2 == 1
        if not inside:
            return place - row + 1
    return 1


def sample_count(body: bytes) -> int:
    """Return how many samples a page holds, without parsing it or looking at each line; 0 if some may span several
    lines, which are hard to tell apart."""
    count = start = 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + _SPLIT_BYTES) + 1 or body.find(b"\n", start) + 1 or len(body)
        lines, start = body[start:end], end
        if lines[:1] in (b" ", b"\t") or b"\n " in lines or b"\n\t" in lines:
            lines = _INDENTED.sub(b"", lines)
        if b"\\" in lines:
            lines = _ESCAPED.sub(b"", lines)
        octets = np.frombuffer(lines, np.uint8)
        starts = np.concatenate((np.zeros(1, np.intp), np.flatnonzero(octets == _NEWLINE) + 1))
        starts = starts[starts < len(octets)]
        quotes = np.searchsorted(np.flatnonzero(octets == _QUOTE), np.append(starts, len(octets)))
        is_sample = (octets[starts] != _HASH) & (octets[starts] != _NEWLINE)
        if (np.diff(quotes)[is_sample] % 2).any():
            return 0
        count += int(np.count_nonzero(is_sample))
    return count


# A target gives nearly the same page over and over. So the text before each value is the key of what it means, as in
# Prometheus' own scrape cache: of a page with the same keys in the same order only the values that have changed are
# read; of any other page the meaning of those lines whose key is new.


TEXT_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
OPENMETRICS_TYPES = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"}
)
_NORMALISED = {"histogram": "le", "summary": "quantile"}
_FIGURES = b"0123456789.+-eE "
_SHOWN_CELLS = 80
_KEYS_SPARE = 1000
_LINES_EACH = 10
"""A page with more lines a sample than this is not remembered: it holds next to nothing."""
_MOST_FAMILIES = 20_000
_LOOKED_AT_CLOCK_EACH = 512
"""So many lines lie between two looks at the time."""

Relabel = Callable[[Mapping[str, str]], LabelSet | None]
"""A page's labels into the series', None where the sample is dropped."""
Counted = Callable[[int, Sequence[bytes]], None]
"""Gets how many samples a page has, 0 if that is not known, and its lines, none of which is parsed."""


class Family(Struct, frozen=True):
    """The metadata of a metric on a page; untrusted text."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


class TimedSample(NamedTuple):
    """A sample with its own timestamp (milliseconds)."""

    labels: LabelSet
    at_ms: int
    value: float


class ScrapedPage(NamedTuple):
    """The samples of a page: ``values[i]`` belongs to ``labels[i]``; ``labels`` is the same object as long as the
    series are the same.

    ``samples`` is how many the page has, ``kept`` how many are left after relabelling; ``duplicates`` of them were
    dropped because their series stood on the page before.
    """

    labels: LabelList
    values: Floats
    timed: tuple[TimedSample, ...]
    samples: int
    kept: int
    duplicates: int


class _Shape(NamedTuple):
    """The last page, so that only changed lines of the next one are parsed. ``keys`` are the lines without their
    values. ``places`` is the position of each line's value in ``values``, -1 if it has none; ``picked`` are the
    positions of the values that are in ``page``."""

    lines: list[bytes]
    keys: list[bytes]
    places: list[int]
    values: Floats
    picked: NDArray[np.intp] | None
    page: ScrapedPage


class Exposition:
    """Reads the pages of one target. ``families`` is the metadata of the last one.

    ``honor_timestamps`` False: times of samples are not heeded. More than ``limit`` samples after relabelling (0: no
    limit) are refused; before they are parsed, where relabelling drops none: then there is ``counted``, which may raise
    BadPage as well.
    """

    def __init__(
        self, relabel: Relabel, *, honor_timestamps: bool = True, limit: int = 0, counted: Counted | None = None
    ) -> None:
        self.families: dict[str, Family] = {}
        self._counted = counted
        self._relabel, self._honor_timestamps, self._limit = relabel, honor_timestamps, limit
        self._known: dict[bytes, LabelSet | None] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._labels = LabelList(())
        self._shape: _Shape | None = None
        self._openmetrics = False

    @property
    def knows_last(self) -> bool:
        """Whether a page that looks like the last one will be read quickly."""
        return self._shape is not None

    def forget(self) -> None:
        """Forget earlier pages, to free their memory when a page is not stored."""
        self._known, self._pairs, self._labels, self._shape = {}, {}, LabelList(()), None

    def read(self, body: bytes, *, openmetrics: bool, until_s: float = math.inf) -> ScrapedPage:
        """Return the samples of a page. Raises BadPage, also if the page is not read by ``until_s`` (of
        time.perf_counter); later pages are read as if it had not existed."""
        if openmetrics != self._openmetrics:
            self._openmetrics, self._shape = openmetrics, None
            self._known.clear()
        lines = lines_of(body)
        page = self._same_shape(lines)
        if page is not None:
            return page
        if self._counted is not None:
            count = sample_count(body)
            if 0 < self._limit < count:
                raise _too_many(self._limit, count, count)
            self._counted(count, lines)
        return self._by_line(lines, until_s)

    def _same_shape(self, lines: list[bytes]) -> ScrapedPage | None:
        """Return the page if it differs from the last one only in values, else None."""
        shape = self._shape
        if shape is None or len(lines) != len(shape.lines):
            return None
        places, ends = [], []
        for place, known, old, new in zip(shape.places, shape.keys, shape.lines, lines, strict=True):
            if new != old:
                key, _space, end = new.rpartition(b" ")
                if place < 0 or key != known:
                    return None
                places.append(place)
                ends.append(end)
        changed = _values(ends)
        if changed is None:
            return None
        values = shape.values.copy()
        values[places] = changed
        page = shape.page._replace(values=values if shape.picked is None else values[shape.picked])
        self._shape = shape._replace(lines=lines, values=values, page=page)
        return page

    def _by_line(self, lines: list[bytes], until_s: float) -> ScrapedPage:
        reading = _PageParser(self._known, self._pairs, self._relabel, openmetrics=self._openmetrics, limit=self._limit)
        reading.honor_timestamps = self._honor_timestamps
        try:
            self._take_all(reading, lines, until_s)
        finally:
            if len(self._known) > 2 * len(reading.used) + _KEYS_SPARE:
                self._known, self._pairs = reading.used, {}
        if self._openmetrics and not reading.ended:
            raise reading.bad_end()
        page = self._page(reading)
        self.families = reading.families
        self._shape = _shape(lines, reading, page)
        return page

    def _take_all(self, reading: _PageParser, lines: list[bytes], until_s: float) -> None:
        row = looks = 0
        while row < len(lines):
            count = 1
            try:
                reading.take(row, lines[row])
            except Malformed as error:
                count = 1 if self._openmetrics else lines_of_one(lines, row)
                if count == 1:
                    raise reading.bad(row, lines[row], error.message) from None
                reading.take_lines(row, lines[row : row + count])
            row += count
            looks += 1
            if looks % _LOOKED_AT_CLOCK_EACH == 0 and time.perf_counter() > until_s:
                raise reading.too_slow(row, len(lines))

    def _page(self, reading: _PageParser) -> ScrapedPage:
        if tuple(reading.sets) != self._labels.sets:
            self._labels = LabelList(tuple(reading.sets))
        values = np.fromiter(reading.sets.values(), np.float64, len(reading.sets))
        return ScrapedPage(
            self._labels, values, tuple(reading.timed), reading.samples, reading.kept, reading.duplicates
        )


class _PageParser:
    """Parses a page line by line. ``sets`` are its series in their order, with their values."""

    def __init__(
        self,
        known: dict[bytes, LabelSet | None],
        pairs: dict[tuple[str, str], tuple[str, str]],
        relabel: Relabel,
        *,
        openmetrics: bool,
        limit: int,
    ) -> None:
        self.families: dict[str, Family] = {}
        self.used: dict[bytes, LabelSet | None] = {}
        self.sets: dict[LabelSet, float] = {}
        self.timed: list[TimedSample] = []
        self.rows: list[int] = []
        self.keys: list[bytes] = []
        self.values: list[float] = []
        self.picked: list[int] = []
        self.samples = self.kept = self.duplicates = 0
        self.simple = self.honor_timestamps = True
        self.ended = False
        self._known, self._pairs, self._relabel = known, pairs, relabel
        self._openmetrics, self._limit = openmetrics, limit
        self._type = ""

    def take(self, row: int, line: bytes) -> None:
        """Parse one line. Raises Malformed, BadPage."""
        if self.ended:
            raise Malformed(tr("there is content after # EOF"))
        key, _space, end = line.rpartition(b" ")
        if key in self._known and (value := _plain(end)) is not None:
            self._sample(row, key, value, None)
            return
        if len(line) > LONGEST_LINE:
            raise Malformed(tr("it is longer than {limit}", limit=human_bytes(LONGEST_LINE)))
        start = line if self._openmetrics else line.strip(b" \t")
        if start.startswith(b"#"):
            self._comment(start)
        elif start:
            series, value, at_ms = read_sample(line, openmetrics=self._openmetrics)
            self.simple = self.simple and series == key
            self._sample(row, series, value, at_ms if self.honor_timestamps else None)
        elif self._openmetrics:
            raise Malformed(tr("OpenMetrics does not allow empty lines"))

    def take_lines(self, row: int, lines: list[bytes]) -> None:
        """Parse one sample that spans several lines. Raises BadPage."""
        whole = b"\n".join(lines)
        try:
            self.take(row, whole)
        except Malformed as error:
            raise self.bad(row, whole, error.message) from None
        self.simple = False

    def _sample(self, row: int, key: bytes, value: float, at_ms: int | None) -> None:
        if key in self._known:
            self.samples += 1
            labels = self._known[key]
        else:
            exposed = self._normalised(read_series(key))
            self.samples += 1
            labels = self._known[key] = self._shared(self._relabel(exposed))
        self.rows.append(row)
        self.keys.append(key)
        self.values.append(value)
        self.used[key] = labels
        if labels is None:
            return
        self.kept += 1
        if 0 < self._limit < self.kept:
            raise _too_many(self._limit, self.samples, self.kept)
        if at_ms is not None:
            self.timed.append(TimedSample(labels, at_ms, value))
            self.simple = False
        elif labels in self.sets:
            self.duplicates += 1
        else:
            self.sets[labels] = value
            self.picked.append(len(self.rows) - 1)

    def _shared(self, labels: LabelSet | None) -> LabelSet | None:
        """Return the labels with pairs shared with other series as the same objects: most of a series' memory is its
        pairs."""
        if labels is None:
            return None
        shared = self._pairs
        return LabelSet(tuple(shared.setdefault(pair, pair) for pair in labels.pairs))

    def _normalised(self, labels: dict[str, str]) -> dict[str, str]:
        name = _NORMALISED.get(self._type, "")
        if name in labels:
            with suppress(Malformed):  # what is no number stays as it is
                labels[name] = openmetrics_number(number(labels[name].encode()))
        return labels

    def _comment(self, line: bytes) -> None:
        words = line.split(b" ", 3) if self._openmetrics else line.split(None, 3)
        self.ended = self._openmetrics and words == [b"#", b"EOF"]
        if len(words) < 3 or words[0] != b"#" or words[1] not in (b"HELP", b"TYPE", b"UNIT"):
            if self._openmetrics and not self.ended:
                raise Malformed(tr("OpenMetrics allows only HELP, TYPE and UNIT comments"))
            return
        try:
            kind, name = words[1].decode(), words[2].strip(b'"').decode()
            said = words[3].decode() if len(words) > 3 else ""
        except UnicodeDecodeError:
            raise Malformed(tr("the text is not UTF-8")) from None
        if kind == "TYPE":
            self._type = said
            if said not in (OPENMETRICS_TYPES if self._openmetrics else TEXT_TYPES):
                raise Malformed(tr("no such metric type"))
        elif kind == "UNIT" and said and not name.endswith(f"_{said}"):
            raise Malformed(tr("the unit is not a suffix of the name"))
        if name not in self.families and len(self.families) == _MOST_FAMILIES:
            return
        family = self.families.get(name, Family())
        self.families[name] = Family(*(
            said if field == kind.lower() else getattr(family, field) for field in Family.__struct_fields__
        ))  # fmt: skip

    def bad(self, row: int, line: bytes, reason: Message | str) -> BadPage:
        """Return the error for a malformed line."""
        hint: Message | str = ""
        if line.lstrip()[:1] == b"<":
            hint = tr("That looks like a web page: is metrics_path right, or does it require a login?")
        shown = fit(redacted_start(line, 2 * _SHOWN_CELLS), _SHOWN_CELLS).rstrip()
        message = tr("error on line {line}: {reason}: {shown}", line=row + 1, reason=reason, shown=shown)
        return BadPage(message, hint, samples=self.samples, kept=self.kept)

    def too_slow(self, row: int, rows: int) -> BadPage:
        """Return the error for a page that was not read in time; the part that was read makes the next attempt
        faster."""
        return BadPage(
            tr("the response took too long to parse: {count} of {all} lines read", count=row, all=rows),
            tr("Raise timeout, scrape less often, or drop series in the exporter."),
            samples=self.samples, kept=self.kept, known_next_time=True,
        )  # fmt: skip

    def bad_end(self) -> BadPage:
        """Return the error for an OpenMetrics page that is cut off."""
        return BadPage(
            tr("the response does not end with # EOF: it was truncated"), samples=self.samples, kept=self.kept
        )


def _too_many(limit: int, samples: int, kept: int) -> BadPage:
    return BadPage(
        tr("more than {limit} samples; none was stored", limit=limit),
        tr("Raise sample_limit, or drop series with metric_relabel."),
        samples=samples, kept=kept, known_next_time=True,
    )  # fmt: skip


def _shape(lines: list[bytes], reading: _PageParser, page: ScrapedPage) -> _Shape | None:
    """Return the shape of a page; None if a sample has a timestamp, or something else after its value: such a page is
    read line by line."""
    if not reading.simple or len(lines) > _LINES_EACH * len(reading.rows) + _KEYS_SPARE:
        return None
    places, keys = [-1] * len(lines), [b""] * len(lines)
    for place, (row, key) in enumerate(zip(reading.rows, reading.keys, strict=True)):
        places[row], keys[row] = place, key
    picked = None if len(reading.picked) == len(reading.rows) else np.asarray(reading.picked, np.intp)
    return _Shape(lines, keys, places, np.array(reading.values, np.float64), picked, page)


def _plain(end: bytes) -> float | None:
    try:
        return number(end)
    except Malformed:
        return None


def _values(ends: list[bytes]) -> Floats | None:
    """Parse the numbers; None if one of them is invalid. A NaN is never the one that marks the end of a series."""
    try:
        if not b" ".join(ends).translate(None, _FIGURES):
            values = np.array(list(map(float, ends)), np.float64)
            if np.isfinite(values).all():
                return values
        return np.array([number(end) for end in ends], np.float64)
    except (ValueError, Malformed):
        return None
