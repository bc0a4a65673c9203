"""The patterns of messages of the last ten minutes: new ones first, then those that are more frequent than before, then
the others; each is a filter. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from lilfox_tui.app.panes.logs.board import BoardRow, BoardSection
from lilfox_tui.app.panes.logs.histogram import MINUTE_US, records_told
from lilfox_tui.app.panes.logs.rows import grouped, percent, severity_piece
from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.logs.filter.model import And, FieldMatch, Filter, RegexMatch
from lilfox_tui.logs.record import EPOCH
from lilfox_tui.logs.statistics import GROWN

if TYPE_CHECKING:
    from lilfox_tui.logs.analyze import RecentPatterns
    from lilfox_tui.logs.statistics import Pattern, PatternChange

TREND_CELLS, TREND_LEAST = 14, 3
"""Of a pattern's trend over the last ten minutes and the hour before, at most and at least."""
_PLACEHOLDER = re.compile(r"<(?:num|hex|uuid|str|path|url|addr)>")


def pattern_head(recent: RecentPatterns, zone: tzinfo, *, narrowed: bool = False) -> list[Row]:
    """What was counted, and what it could not be compared with. ``narrowed``: only what matches the filter was
    counted."""
    missing = not_read((*recent.cut, *recent.failed))
    if recent.since_us is None or recent.until_us is None:
        text = _("no record has a time: there are no last 10 minutes to compare")
        return missing if recent.failed else [(Piece(" " + text, "degraded"),)]
    since, until = (moment(at, zone).strftime("%m-%d %H:%M") for at in (recent.since_us, recent.until_us))
    records = records_told(grouped(recent.recent), recent.recent, narrowed=narrowed)
    text = _("{records} between {since} and {until}", records=records, since=since, until=until[6:])
    if recent.before or not recent.unknown:
        text = _("{counted}, {before} in the hour before", counted=text, before=grouped(recent.before))
    head: list[Row] = [(Piece(" " + text, "strong"),)]
    if recent.unknown:
        text = _("not compared: no records before {since} in {names}", since=since[6:], names=listed(recent.unknown))
        if recent.comparable_from_us is not None:
            then = moment(recent.comparable_from_us, zone).strftime("%H:%M")
            text = _("{reason}; comparable from {time} on", reason=text, time=then)
        head.append((Piece(" " + text, "muted"),))
    return head + missing


def pattern_sections(
    recent: RecentPatterns, zone: tzinfo, glyphs: Glyphs, *, sparklines: bool = True
) -> list[BoardSection]:
    """The patterns by their change, errors first; each is a filter."""
    if recent.since_us is None:
        return []
    known_us = recent.since_us if recent.known_from_us is None else recent.known_from_us
    before = _(
        "{since} to {until}", since=f"{moment(known_us, zone):%H:%M}", until=f"{moment(recent.since_us, zone):%H:%M}"
    )
    kinds: tuple[tuple[str, str, Callable[[PatternChange], bool]], ...] = (
        (_("New"), _("not seen from {time}", time=before), lambda one: one.compared and one.growth is None),
        (_("Not compared") if any(each.compared for each in recent.changes) else _("Most frequent"), "",
         lambda one: not one.compared),
        (_("More frequent"), _("at least twice the rate of {time}", time=before),
         lambda one: one.growth is not None and one.growth >= GROWN),
        (_("As before"), _("compared with {time}", time=before),
         lambda one: one.growth is not None and one.growth < GROWN),
    )  # fmt: skip
    heads = ("", _("records"), _("share"), _("change"), _("trend"), _("first and last"), _("sources"))
    sections = []
    for title, note, belongs in kinds:
        rows = tuple(
            _pattern_row(number, change, recent, zone, glyphs, sparklines=sparklines)
            for number, change in enumerate(recent.changes)
            if belongs(change)
        )
        if rows:
            sections.append(BoardSection(title, rows, note, heads, frozenset((6,)), names_last=True,
                                    name=_("message"), parts=True, bar_at=2, name_least=40))  # fmt: skip
    return sections


def _pattern_row(
    number: int, change: PatternChange, recent: RecentPatterns, zone: tzinfo, glyphs: Glyphs, *, sparklines: bool
) -> BoardRow:
    pattern = change.pattern
    mark = severity_piece(pattern.severity, glyphs)
    trend_role = "failing" if pattern.is_failure else mark.role if mark.role == "degraded" else "accent"
    grown = change.growth
    seen = [f"{moment(at, zone):%H:%M:%S}" for at in (pattern.first_us, pattern.last_us) if at is not None]
    more = f" +{len(pattern.sources) - 2}" if len(pattern.sources) > 2 else ""
    cells = (
        Piece(mark.text.strip() or " ", mark.role),
        Piece(grouped(change.recent), "strong"),
        Piece(percent(change.recent, recent.recent)),
        Piece(f"×{grown:.1f}" if grown is not None else _("new") if change.compared else "",
              "accent" if grown is None or grown >= GROWN else "muted"),
        Piece(_trend(change, recent.until_us or 0, glyphs) if sparklines else "", trend_role),
        Piece("–".join(dict.fromkeys(seen)), "muted"),
        Piece(", ".join(pattern.sources[:2]) + more, "muted"),
    )  # fmt: skip
    told = [f"status={pattern.status}"] if pattern.status else []
    told += [pattern.fault] if pattern.fault else []
    role = "failing" if pattern.is_failure else "text"
    name: Row = (Piece(pattern.template, role), *(Piece(f"  {each}", "failing") for each in told))
    example = f"{pattern.example.source}: {pattern.example.message}"
    share = change.recent / max(1, recent.recent)
    return BoardRow(f"pattern {number}", name, cells, filter_of_pattern(pattern), share, trend_role, example)


def _trend(change: PatternChange, until_us: int, glyphs: Glyphs) -> str:
    """The rate of a pattern in the hour before and now, in cells of as few minutes as there is room for, from the
    first minute that is known. Of the last one only the part up to ``until_us`` counts. Empty for what is too short to
    be a trend."""
    minutes = change.by_minute
    known_from = next((at for at, each in enumerate(minutes) if each is not None), len(minutes))
    step = -(-(len(minutes) - known_from) // TREND_CELLS) or 1
    part = max(0.1, until_us % MINUTE_US / MINUTE_US)
    values: list[float | None] = []
    for end in range(len(minutes), known_from, -step):
        known = [each for each in minutes[max(known_from, end - step) : end] if each is not None]
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
    pieces = [piece for piece in _PLACEHOLDER.split(template) if piece]
    return RegexMatch(".*".join(re.escape(piece).replace(r"\ ", " ") for piece in pieces) or ".")


def filter_of_pattern(pattern: Pattern) -> Filter:
    """Return a filter for records of a pattern."""
    parts = [filter_of(pattern.template)]
    parts += [FieldMatch("status", "=", pattern.status)] if pattern.status else []
    parts += [FieldMatch("type", "=", pattern.fault)] if pattern.fault else []
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def moment(time_us: int, zone: tzinfo) -> datetime:
    """The time of a record in that zone."""
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(zone)
