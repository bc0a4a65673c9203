"""Statistics and patterns as rows to choose from, each with the filter that it stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta, tzinfo
from functools import partial

from lilfox_tui.app.dialogs.chooser import Choice
from lilfox_tui.app.panes.logs.rows import severity_piece
from lilfox_tui.app.panes.logs.strip import grouped
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.i18n import _, listed, ngettext
from lilfox_tui.logs.filter.model import AtLeast, Filter, RegexMatch
from lilfox_tui.logs.patterns import PatternChange, RecentPatterns
from lilfox_tui.logs.record import EPOCH, Severity
from lilfox_tui.logs.statistics import (
    ResponseTimes,
    Statistics,
    StatisticsGroup,
    errors_of_module,
    errors_of_type,
    of_slice,
    of_source,
    slower_than,
)
from lilfox_tui.text import cell_width, fit, human_duration

Offer = list[tuple[Choice, Filter | None]]
MakesRow = Callable[[str, str, str], Row]
ROWS_OF_A_KIND = 12
KIND, NAME, COUNT, LEAST = 14, 38, 22, 6
"""Cells of a row's parts, and of a name or a count at least."""
_PLACEHOLDER = re.compile(r"<(?:num|hex|uuid|str|path|url|addr)>")


def statistics_choices(found: Statistics, zone: tzinfo, room: int) -> Offer:
    """Errors by type, by module and by time, response times, and sources, in rows of so many cells; those that are no
    filter cannot be chosen."""
    records = ngettext("{shown} record", "{shown} records", found.records, shown=grouped(found.records))
    told = ngettext("{shown} error", "{shown} errors", found.errors, shown=grouped(found.errors))
    errors = _("{errors} in {records}", errors=told, records=records)
    rows: Offer = [_offered("errors", (Piece(errors, "strong"),), AtLeast(Severity.ERROR) if found.errors else None)]
    row = partial(_row, room)
    rows += _counted(row, _("type"), found.errors_by_type, errors_of_type)
    rows += _counted(row, _("module"), found.errors_by_module, errors_of_module)
    if found.response_times is not None:
        rows += _times(row, found.response_times)
    rows += [_grouped(row, each) for each in found.by_source[:ROWS_OF_A_KIND] if len(found.by_source) > 1]
    for each in found.by_slice:
        if each.errors:
            at = (EPOCH + timedelta(microseconds=each.since_us)).astimezone(zone).strftime("%m-%d %H:%M")
            slice_row = row(_("errors from"), at, grouped(each.errors))
            rows.append(_offered(f"slice {each.since_us}", slice_row, of_slice(each)))
    return rows


def pattern_choices(recent: RecentPatterns, glyphs: Glyphs) -> Offer:
    """What is new first; the template of each is its filter."""
    rows: Offer = []
    for number, change in enumerate(recent.changes):
        row = (severity_piece(change.pattern.severity, glyphs), *_growth(change), Piece(change.pattern.template))
        rows.append(_offered(f"pattern {number}", row, filter_of(change.pattern.template)))
    if recent.cut:
        text = _("not all was read of {names}", names=listed(recent.cut))
        rows.append(_offered("cut", (Piece(text, "degraded"),), None))
    return rows


def filter_of(template: str) -> Filter:
    """What has the words of a template in that order, whatever stands in its gaps."""
    pieces = [piece for piece in _PLACEHOLDER.split(template) if piece]
    return RegexMatch(".*".join(re.escape(piece).replace(r"\ ", " ") for piece in pieces) or ".")


def _growth(change: PatternChange) -> Row:
    count = Piece(f"{grouped(change.recent):>7}  ", "strong")
    if change.growth is None:
        return (count, Piece(fit(_("new"), 9), "accent"))
    return (count, Piece(fit(f"×{change.growth:.1f}", 9), "accent" if change.growth >= 2 else "muted"))


def _counted(row: MakesRow, kind: str, counts: Mapping[str, int], filter_of_name: object) -> Offer:
    assert callable(filter_of_name)
    return [
        _offered(f"{kind} {name}", row(kind, name, grouped(count)), filter_of_name(name), name)
        for name, count in list(counts.items())[:ROWS_OF_A_KIND]
    ]


def _times(row: MakesRow, times: ResponseTimes) -> Offer:
    kind = _("response time")
    told = _("{count} told, mean {mean}", count=grouped(times.count), mean=human_duration(times.mean_s))
    rows: Offer = [_offered("times", row(kind, told, ""), None, told)]
    for name, seconds in (("P50", times.p50_s), ("P95", times.p95_s), ("P99", times.p99_s)):
        rows.append(_offered(name, row(kind, name, human_duration(seconds)), slower_than(seconds)))
    return rows


def _grouped(row: MakesRow, group: StatisticsGroup) -> tuple[Choice, Filter | None]:
    errors = ngettext("{shown} error", "{shown} errors", group.errors, shown=grouped(group.errors))
    text = _("{errors} of {records}", errors=errors, records=grouped(group.records))
    return _offered(f"source {group.name}", row(_("source"), group.name, text), of_source(group.name), group.name)


def _row(room: int, kind: str, name: str, count: str) -> Row:
    """The count is whole on a small screen, too, where a name is cut instead."""
    counted = COUNT if room > KIND + NAME + COUNT else max(cell_width(count), LEAST)
    named = min(NAME, max(LEAST, room - 1 - KIND - counted))
    return (Piece(fit(kind, KIND), "muted"), Piece(fit(name, named), "strong"), Piece(fit(count, counted, right=True)))


def _offered(id_: str, row: Row, where: Filter | None, name: str = "") -> tuple[Choice, Filter | None]:
    """``name`` is said in full below the list where it is cut in its row."""
    words = " ".join(piece.text for piece in row)
    cut = name if name and name not in words else ""
    return Choice(id_, row, f"{words} {cut}", where is not None, more=cut), where
