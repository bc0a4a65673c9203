"""Message templates: what is said whatever the numbers and names in it, how often, and which are new lately."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtEnd, AtTime, LogSource, Start, page_of

# Templates of messages: what is said, whatever the numbers, names and addresses in it, how often, and what is new.


TEMPLATES = 5000
"""So many are told apart; of those above, the ones not seen for longest are forgotten."""
SLICE_US = 60_000_000
SLICES = 90
"""So many minutes, the newest, are counted one by one: an hour, and what it is compared with."""
LONGEST = 300
"""Characters of a message's first line that make its template, and of an example that are kept."""

_QUOTED = re.compile(r""""[^"]*+"|(?<!\w)'[^']*+'(?!\w)|`[^`]*+`""", re.ASCII)
_URL = r"""(?<!\w) [a-z][a-z0-9+.-]{1,15}+ :// [^\s"'<>)\]}]++"""
_UUID = r"(?<![\w-]) [0-9a-fA-F]{8} - (?:[0-9a-fA-F]{4}-){3} [0-9a-fA-F]{12} (?![\w-])"
_ADDRESS = r"""
    (?<![\w.]) \d{1,3} (?:\.\d{1,3}){3} (?!\w|\.\w) (?::\d++)?
    | (?<![\w:]) (?=[A-Fa-f:]*+[0-9])
      (?: (?:[0-9A-Fa-f]{1,4}:){5,7}+[0-9A-Fa-f]{1,4} | (?:[0-9A-Fa-f]{1,4}:){0,6}+:[0-9A-Fa-f:]++ ) (?!\w)
"""
_PATH = r"(?<![\w/]) ~?+ (?:/[\w.%@~+=,-]++)++ /?+"
_HEX = r"""
    (?<![A-Za-z0-9]) (?: 0[xX][0-9a-fA-F]++ | (?=[A-Fa-f]*+[0-9]) (?=[0-9]*+[A-Fa-f]) [0-9a-fA-F]{6,}+ ) (?![A-Za-z0-9])
"""
_NUMBER = r"\d++ (?:\.\d++)*+"
_VARIABLE = re.compile(
    f"(?P<url>{_URL})|(?P<uuid>{_UUID})|(?P<addr>{_ADDRESS})|(?P<path>{_PATH})|(?P<hex>{_HEX})|{_NUMBER}",
    re.VERBOSE | re.ASCII,
)


@lru_cache(maxsize=4096)
def _template(start: str) -> str:
    if '"' in start or "'" in start or "`" in start:
        start = _QUOTED.sub("<str>", start)
    return " ".join(map(_word, start.split(" ")))


@lru_cache(maxsize=16384)
def _word(word: str) -> str:
    """What a message is made of are mostly words seen before."""
    return word if word.isalpha() else "<num>" if word.isdecimal() else _VARIABLE.sub(_placeholder, word)


def _placeholder(found: re.Match[str]) -> str:
    return f"<{found.lastgroup or 'num'}>"


def template_of(message: str) -> str:
    """The template of a message's first line: ``<num>``, ``<hex>``, ``<uuid>``, ``<str>``, ``<path>``, ``<url>`` and
    ``<addr>`` stand for what varies. In linear time."""
    start = message[:LONGEST]
    return _template(start.partition("\n")[0] if "\n" in start else start)


class Example(Struct, frozen=True):
    """Where to find a record of a template, and how its message begins."""

    source: str
    place: str
    time_us: int | None
    message: str


class Pattern(Struct, frozen=True):
    """A template, how many records have it, the gravest of them, and the one that was added last."""

    template: str
    count: int
    severity: Severity
    example: Example


class PatternChange(Struct, frozen=True):
    """How often a pattern came recently, and before that. ``growth`` is by how much its rate has grown; None for what
    did not come before: it is new."""

    pattern: Pattern
    recent: int
    before: int
    growth: float | None


class _Tally:
    __slots__ = ("count", "latest", "severity")

    def __init__(self) -> None:
        self.count = 0
        self.severity = Severity.UNKNOWN
        self.latest: tuple[str, str, int | None, str] = ("", "", None, "")

    def pattern(self, template: str) -> Pattern:
        return Pattern(template, self.count, self.severity, Example(*self.latest))


class Patterns:
    """Counts the templates of records as they are added, in any order, in bounded memory."""

    def __init__(self) -> None:
        self._tallies: OrderedDict[str, _Tally] = OrderedDict()
        self._slices: dict[int, dict[str, int]] = {}
        self._newest = 0
        self.forgotten = 0
        """Records whose templates are no longer told apart, since there were more than TEMPLATES."""

    def add(self, record: LogRecord) -> None:
        """Counts the record."""
        entry = record.entry
        start = entry.message[:LONGEST]
        template = template_of(start)
        tally = self._tallies.get(template)
        if tally is None:
            tally = self._tallies[template] = _Tally()
            if len(self._tallies) > TEMPLATES:
                self._forget()
        else:
            self._tallies.move_to_end(template)
        tally.count += 1
        if entry.severity > tally.severity:
            tally.severity = entry.severity
        tally.latest = (record.source, record.place, entry.time_us, start)
        if entry.time_us is not None:
            self._count_at(entry.time_us // SLICE_US, template)

    def _count_at(self, number: int, template: str) -> None:
        counts = self._slices.get(number)
        if counts is None:
            if self._slices and number <= self._newest - SLICES:
                return
            counts = self._slices[number] = {}
            self._newest = max(self._slices)
            for old in [one for one in self._slices if one <= self._newest - SLICES]:
                del self._slices[old]
        counts[template] = counts.get(template, 0) + 1

    def _forget(self) -> None:
        template, tally = self._tallies.popitem(last=False)
        self.forgotten += tally.count
        for counts in self._slices.values():
            counts.pop(template, None)

    def patterns(self) -> list[Pattern]:
        """All that are told apart, the most frequent first."""
        found = [tally.pattern(template) for template, tally in self._tallies.items()]
        return sorted(found, key=lambda one: (-one.count, one.template))

    def new_since(self, recent_from_us: int, before_us: int) -> list[PatternChange]:
        """What came from ``recent_from_us`` on (microseconds since 1970, UTC; counted from the start of its minute)
        against the ``before_us`` microseconds before it: what is new first, the gravest and the most frequent of it,
        then what has grown most. Of the time before the newest SLICES minutes nothing is known here, and records
        without a time do not count."""
        cut, oldest = recent_from_us // SLICE_US, (recent_from_us - before_us) // SLICE_US
        recent = self._sum(cut, self._newest + 1)
        before = self._sum(oldest, cut)
        longer = (cut - oldest) / max(1, self._newest + 1 - cut)
        changes = [
            PatternChange(
                self._tallies[template].pattern(template),
                count,
                before.get(template, 0),
                count * longer / before[template] if template in before else None,
            )
            for template, count in recent.items()
        ]
        return sorted(changes, key=_by_news)

    def _sum(self, first: int, end: int) -> dict[str, int]:
        total: dict[str, int] = {}
        for number, counts in self._slices.items():
            if first <= number < end:
                for template, count in counts.items():
                    total[template] = total.get(template, 0) + count
        return total


def _by_news(change: PatternChange) -> tuple[bool, float, int, int, str]:
    known = change.growth is not None
    severity = 0 if known else -change.pattern.severity
    return known, -(change.growth or 0), severity, -change.recent, change.pattern.template


# What was said lately that was not said before: templates of the last minutes against the time before them.


RECENT_US = 10 * 60_000_000
BEFORE_US = 60 * 60_000_000
AT_MOST = 300_000
"""Records that are read of one source, the oldest of that time first."""
_PAGE = 2000


class RecentPatterns(Struct, frozen=True):
    """What came in the RECENT_US up to ``until_us`` (microseconds since 1970, UTC), new ones first. ``cut`` names the
    sources of which not everything was read, there being too much; ``failed`` tells which could not be read."""

    changes: tuple[PatternChange, ...]
    until_us: int | None
    cut: tuple[str, ...] = ()
    failed: Mapping[str, LilFoxError] = {}


async def recent_patterns(sources: Sequence[LogSource], where: Filter, *, until_us: int | None) -> RecentPatterns:
    """Counts what matches in the ten minutes up to ``until_us`` (the newest record when None), and in the hour
    before."""
    failed: dict[str, LilFoxError] = {}
    until_us = await _newest(sources, failed) if until_us is None else until_us
    if until_us is None:
        return RecentPatterns((), None, failed=failed)
    patterns, cut = Patterns(), []
    for source in sources:
        try:
            if not await _add(patterns, source, where, until_us):
                cut.append(source.name)
        except LilFoxError as error:
            failed[source.name] = error
    return RecentPatterns(tuple(patterns.new_since(until_us - RECENT_US, BEFORE_US)), until_us, tuple(cut), failed)


async def _newest(sources: Sequence[LogSource], failed: dict[str, LilFoxError]) -> int | None:
    times = []
    for source in sources:
        try:
            page = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        except LilFoxError as error:
            failed[source.name] = error
            continue
        times += [each.entry.time_us for each in page.records if each.entry.time_us is not None]
    return max(times, default=None)


async def _add(patterns: Patterns, source: LogSource, where: Filter, until_us: int) -> bool:
    """Whether everything of that time was counted."""
    start: Start | None = AtTime(until_us - RECENT_US - BEFORE_US)
    count = 0
    while start is not None:
        page = await page_of(source, start, older=False, limit=_PAGE, where=where)
        for record in page.records:
            time_us = record.entry.time_us
            if time_us is not None and time_us > until_us:
                return True
            patterns.add(record)
        count += len(page.records)
        if count >= AT_MOST:
            return False
        start = page.more
    return True
