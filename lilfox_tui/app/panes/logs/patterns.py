"""The patterns of messages of the last ten minutes: failures first, of each part what is new, then what is more
frequent than before, then the others; and the filters of such rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from lilfox_tui.app.panes.logs.board import BoardRow, BoardSection
from lilfox_tui.app.panes.logs.rows import grouped, percent, records_told, severity_piece
from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.logs.filter.model import And, AtLeast, FieldMatch, Filter, Not, RegexMatch, Within
from lilfox_tui.logs.record import EPOCH, ID, METHODS, Severity
from lilfox_tui.logs.statistics import GROWN, UNKNOWN_MODULE, UNKNOWN_TYPE

if TYPE_CHECKING:
    from lilfox_tui.logs.analyze import RecentPatterns
    from lilfox_tui.logs.statistics import Kind, PatternChange, Slice

TREND_CELLS, TREND_LEAST = 14, 3
"""Of a pattern's trend over the last ten minutes and the hour before, at most and at least."""
_REQUESTED = re.compile(rf"\b(?:{METHODS}) (<path>)")
"""Where the path of a request stands in its template."""
_QUERY = r"""(?:[?#][^\s"']*)?"""
_PLACEHOLDER = re.compile(r"<(?:num|hex|uuid|str|path|url|addr)>")


def pattern_head(recent: RecentPatterns, zone: tzinfo, *, narrowed: bool = False) -> list[Row]:
    """What was counted, and what it was compared with. ``narrowed``: only what matches the filter was counted."""
    missing = not_read((*recent.cut, *recent.failed))
    if recent.since_us is None or recent.until_us is None:
        text = _("no record has a time: there are no last 10 minutes to compare")
        return missing if recent.failed else [(Piece(" " + text, "degraded"),)]
    since = _clock(recent.since_us, zone)
    text = records_told(grouped(recent.recent), recent.recent, narrowed=narrowed)
    if recent.before or not recent.unknown:
        text = _("{counted}, {before} in the hour before", counted=text, before=grouped(recent.before))
    head: list[Row] = [(Piece(" " + text, "strong"),)]
    if recent.known_from_us is not None:
        text = _("new: not seen from {since} to {until}", since=_clock(recent.known_from_us, zone), until=since)
        head.append((Piece(" " + text, "muted"),))
    if recent.unknown:
        head.append((Piece(" " + _without_before(recent, zone), "muted"),))
    return head + missing


def counted_span(recent: RecentPatterns) -> tuple[int, int] | None:
    """The times of which the patterns are, as the statistics tell theirs; None where no record has a time."""
    if recent.since_us is None or recent.until_us is None:
        return None
    begun_us = min(recent.unknown.values(), default=0) if recent.known_from_us is None else 0
    return max(recent.since_us, begun_us), recent.until_us


def _clock(at_us: int, zone: tzinfo) -> str:
    """A time of day, with its seconds unless it is that of a whole minute."""
    return moment(at_us, zone).strftime("%H:%M:%S" if at_us % 60_000_000 >= 1_000_000 else "%H:%M")


def _without_before(recent: RecentPatterns, zone: tzinfo) -> str:
    """What is done with the sources of whose time before nothing is known: they begin with their first record."""
    names, since = listed(recent.unknown), _clock(min(recent.unknown.values()), zone)
    within = {change.within_us for change in recent.changes if change.within_us is not None}
    if within:
        if len(within) == 1:
            then = _clock(within.pop(), zone)
            if recent.known_from_us is None:  # all that are counted
                return _("no records before {since}; compared: from {time} on with the time before", since=since,
                         time=then)  # fmt: skip
            return _("{names}: no records before {since}; from {time} on compared with the time before it",
                     names=names, since=since, time=then)  # fmt: skip
        return _("{names}: no records before {since}; the last quarter is compared with the rest",
                 names=names, since=since)  # fmt: skip
    text = _("not compared: no records before {since} in {names}", since=since, names=names)
    if recent.comparable_from_us is not None:
        text = _("{reason}; comparable from {time} on", reason=text, time=_clock(recent.comparable_from_us, zone))
    return text


def pattern_sections(
    recent: RecentPatterns, zone: tzinfo, glyphs: Glyphs, *, sparklines: bool = True
) -> list[BoardSection]:
    """The patterns, failures first, of each those that are new and that have grown first; each is a filter."""
    if recent.since_us is None:
        return []
    heads = ("", _("records"), _("share"), _("change"), _("trend"), _("first and last"), _("sources"))
    rows = tuple(
        _pattern_row(number, change, recent, zone, glyphs, sparklines=sparklines)
        for number, change in enumerate(recent.changes)
    )
    sections = []
    others = _("Other messages") if any(each.pattern.is_failure for each in recent.changes) else _("Messages")
    for title, are_failures in ((_("Failures"), True), (others, False)):
        its = [
            (row, each)
            for row, each in zip(rows, recent.changes, strict=True)
            if each.pattern.is_failure is are_failures
        ]
        if its:
            note = _news([change for _row, change in its])
            shown = tuple(row for row, _change in its)
            sections.append(BoardSection(title, shown, note, heads, frozenset((6,)), names_last=True, parts=True,
                                    name=_("message"), bar_at=2, name_least=30, columns_of=rows))  # fmt: skip
    return sections


def _news(changes: Sequence[PatternChange]) -> str:
    """How many patterns there are, how many are new, and how many more frequent than before."""
    count = len(changes)
    parts = [ngettext("{shown} pattern", "{shown} patterns", count, shown=grouped(count))]
    new = sum(each.compared and each.growth is None for each in changes)
    grown = sum(_has_grown(each) for each in changes)
    parts += [_("{count} new", count=new)] if new else []
    parts += [_("{count} more frequent", count=grown)] if grown else []
    return ", ".join(parts)


def _has_grown(change: PatternChange) -> bool:
    return change.growth is not None and change.growth >= GROWN


def _change(change: PatternChange, role: str) -> Piece:
    """By what factor a pattern is more frequent than before, marked from GROWN on, or that it is new."""
    if change.growth is None:
        return Piece(_("new") if change.compared else "", role)
    return Piece(f"×{change.growth:.1f}", role if _has_grown(change) else "muted")


def _pattern_row(
    number: int, change: PatternChange, recent: RecentPatterns, zone: tzinfo, glyphs: Glyphs, *, sparklines: bool
) -> BoardRow:
    pattern = change.pattern
    mark = severity_piece(Severity.ERROR if pattern.is_failure else pattern.severity, glyphs)
    role = "failing" if pattern.is_failure else mark.role if mark.role == "degraded" else "accent"
    is_news = change.compared and (change.growth is None or _has_grown(change))
    drawn = "muted" if role == "accent" and not is_news else role
    seen = [f"{moment(at, zone):%H:%M:%S}" for at in (pattern.first_us, pattern.last_us) if at is not None]
    more = f" +{len(pattern.sources) - 2}" if len(pattern.sources) > 2 else ""
    cells = (
        Piece(mark.text.strip() or " ", mark.role),
        Piece(grouped(change.recent), "strong"),
        Piece(percent(change.recent, recent.recent)),
        _change(change, role),
        Piece(_trend(change, recent, glyphs) if sparklines else "", drawn),
        Piece("–".join(dict.fromkeys(seen)), "muted"),
        Piece(", ".join(pattern.sources[:2]) + more, "muted"),
    )
    told = (Piece(f"  {each}", "failing" if pattern.is_failure else "text") for each in told_of(pattern.kind))
    text = text_of_kind(pattern.kind)
    name: Row = (*((Piece(text, "failing"),) if pattern.is_failure else coloured(text)), *told)
    example = f"{pattern.example.source}: {pattern.example.message}"
    share = change.recent / max(1, recent.recent)
    return BoardRow(f"pattern {number}", name, cells, filter_of_pattern(pattern.kind), share, drawn, example)


def _trend(change: PatternChange, recent: RecentPatterns, glyphs: Glyphs) -> str:
    """The rate of a pattern over the time that is known, in cells of as few slices as there is room for. Of the last
    one only the part up to the end of that time counts. Empty for what is too short to be a trend."""
    slices, slice_us = change.by_slice, recent.slice_us
    known_from = next((at for at, each in enumerate(slices) if each is not None), len(slices))
    step = -(-(len(slices) - known_from) // TREND_CELLS) or 1
    part = max(0.1, (recent.until_us or 0) % slice_us / slice_us)
    values: list[float | None] = []
    for end in range(len(slices), known_from, -step):
        known = [each for each in slices[max(known_from, end - step) : end] if each is not None]
        values.append(sum(known) / (len(known) - (0 if values else 1 - part)) if known else None)
    return spark(values[::-1], len(values), glyphs) if len(values) >= TREND_LEAST else ""


def not_read(names: Iterable[str]) -> list[Row]:
    """Which sources are missing in the counts, in whole or in part."""
    if not (told := list(dict.fromkeys(names))):
        return []
    return [(Piece(" " + _("not fully read: {names}", names=listed(told)), "degraded"),)]


def filter_of(template: str) -> Filter:
    """Return a filter for records that contain the words of a template in that order, with anything in place of its
    placeholders."""
    return RegexMatch(_pattern(template).removeprefix(".*").removesuffix(".*") or ".")


def _pattern(template: str) -> str:
    return re.sub(r"(?:[.][*])+", ".*", ".*".join(map(_literal, _PLACEHOLDER.split(template))))


def text_of_kind(kind: Kind) -> str:
    """The template, with the path of the request in it if it stands there."""
    place = None if kind.field or not kind.path else _REQUESTED.search(kind.template)
    return (
        kind.template if place is None else kind.template[: place.start(1)] + kind.path + kind.template[place.end(1) :]
    )


def told_of(kind: Kind) -> tuple[str, ...]:
    """What a kind is told apart by beside its template."""
    path = f"{kind.field}={kind.path}" if kind.field and kind.path else ""
    return tuple(part for part in (kind.status and f"status={kind.status}", path, kind.fault) if part)


def filter_of_pattern(kind: Kind) -> Filter:
    """Return a filter for the records of a pattern."""
    place = None if kind.field or not kind.path else _REQUESTED.search(kind.template)
    if place is None:
        parts = [filter_of(kind.template)]
    else:
        before, after = kind.template[: place.start(1)], kind.template[place.end(1) :]
        parts = [RegexMatch(f"{_pattern(before)}{of_path(kind.path)}{_QUERY}{_pattern(after)}")]
    parts += [FieldMatch("status", "=", kind.status)] if kind.status else []
    parts += [FieldMatch(kind.field, "~", f"^{of_path(kind.path)}(?:[?]|$)")] if kind.field and kind.path else []
    parts += [FieldMatch("type", "=", kind.fault)] if kind.fault else []
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def of_path(path: str) -> str:
    """Return a regular expression for that path, whatever stands in the place of what varies."""
    below = path.endswith("/<path>")
    text = r"[^\s/?#]+".join(_literal(part) for part in path.removesuffix("<path>").split(ID))
    return text + r"[^\s?#\"']*" if below else text


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\ ", " ")


# Rows of the statistics: what they are compared with, and their filters.


SLICES_LEAST = 4
"""Of a half of the time that is compared with the one before."""


class Halves(NamedTuple):
    """The time that is counted in two halves of whole slices, of which the newer one is compared with the older."""

    since_us: int
    middle_us: int
    until_us: int

    def change(self, times: Iterable[tuple[int, int]], role: str) -> Piece:
        """The factor by which something has become more frequent, marked in ``role`` from GROWN on; ``times`` are how
        many there were when."""
        older = newer = 0
        for at, count in times:
            older += count * (self.since_us <= at < self.middle_us)
            newer += count * (at >= self.middle_us)
        if not older:
            return Piece(_("new") if newer else "", role)
        factor = newer * (self.middle_us - self.since_us) / (older * (self.until_us - self.middle_us))
        return Piece(f"×{factor:.1f}", role if factor >= GROWN else "muted")


def halves_of(slices: Sequence[Slice], span: tuple[int, int] | None) -> Halves | None:
    """The halves of the time of ``slices``, of which ``span`` is known; None if that is too short to compare them."""
    if not slices or span is None:
        return None
    width = slices[0].until_us - slices[0].since_us
    half = (slices[-1].until_us - slices[0].since_us) // width // 2
    middle_us = slices[-1].until_us - half * width
    found = Halves(max(span[0], middle_us - half * width), middle_us, min(span[1], slices[-1].until_us))
    return found if half >= SLICES_LEAST and found.since_us < middle_us < found.until_us else None


def halves_row(halves: Halves, zone: tzinfo) -> Row:
    """What the changes are of."""
    since, middle, until = (f"{moment(at, zone):%H:%M:%S}" for at in halves)
    text = _("change: {middle} to {until} compared with {since} to {middle}", since=since, middle=middle, until=until)
    return (Piece(" " + text, "muted"),)


def errors_of_type(name: str) -> Filter:
    """Return a filter for the records behind a row of ``errors_by_type``."""
    return _errors(Not(FieldMatch("type", "~", "")) if name == UNKNOWN_TYPE else _is("type", name))


def errors_of_module(name: str) -> Filter:
    """Return a filter for the records behind a row of ``errors_by_module``."""
    return _errors(Not(FieldMatch("module", "~", ".")) if name == UNKNOWN_MODULE else _is("module", name))


def _errors(part: Filter) -> Filter:
    return And((AtLeast(Severity.ERROR), part))


def of_source(name: str) -> Filter:
    """Return a filter for the records of a group of ``by_source``."""
    return _is("source", name)


def of_slice(row: Slice) -> Filter:
    """Return a filter for the records of a slice."""
    return Within(row.since_us, row.until_us)


def slower_than(seconds: float) -> Filter:
    """Return a filter for records that took longer than ``seconds``, for instance those above a percentile."""
    return FieldMatch("response_time", ">", repr(seconds))


def _is(name: str, value: str) -> Filter:
    return FieldMatch(name, "=", value)


def moment(time_us: int, zone: tzinfo) -> datetime:
    """The time of a record in that zone."""
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(zone)
