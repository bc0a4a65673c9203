"""Statistics of logs as ``lilfox logs stats`` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import Any

from lilfox_tui.cli.output import Cell, print_line, print_table
from lilfox_tui.i18n import _
from lilfox_tui.logs.record import EPOCH
from lilfox_tui.logs.statistics import ResponseTimes, Slice, Statistics, StatisticsGroup

ROWS_MOST = 20
"""So many types, modules and routes are shown; ``--json`` has all."""


def document(found: Statistics) -> dict[str, Any]:
    """The document of ``--json``: see ``logs-stats.json`` of the schemas."""
    taken = found.response_times
    return {
        "records": found.records,
        "errors": {
            "total": found.errors,
            "by_type": dict(found.errors_by_type),
            "by_module": dict(found.errors_by_module),
        },
        "response_time": None
        if taken is None
        else {"count": taken.count, "mean": taken.mean_s, "p50": taken.p50_s, "p95": taken.p95_s, "p99": taken.p99_s},
    }


def print_statistics(found: Statistics, zone: tzinfo) -> None:
    """Prints all of it as tables; times are of ``zone``."""
    print_line(_("records: {count}", count=found.records))
    print_line(_("errors: {count}", count=found.errors))
    if found.unread:
        print_line(_("not counted, since not of their log's format: {count}", count=found.unread))
    if found.timeless:
        print_line(_("without a time: {count}", count=found.timeless))
    _print_counts(_("errors by type"), found.errors_by_type)
    _print_counts(_("errors by module"), found.errors_by_module)
    if found.response_times is None:
        print_line()
        print_line(_("no record tells a response time"))
    else:
        _print_groups(
            _("response times"), [StatisticsGroup(_("all"), found.records, found.errors, found.response_times)]
        )
    if len(found.by_source) > 1:
        _print_groups(_("by source"), found.by_source)
    if len(found.by_route) > 1:
        _print_groups(_("by route or module"), found.by_route)
    if len(found.by_slice) > 1:
        _print_groups(_("by time"), [_of_slice(row, zone) for row in found.by_slice])


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    if not counts:
        return
    print_line()
    print_line(title)
    print_table([Cell(f"  {count}", right=True), Cell(name)] for name, count in list(counts.items())[:ROWS_MOST])
    _print_left_out(len(counts) - ROWS_MOST)


def _print_groups(title: str, groups: Sequence[StatisticsGroup]) -> None:
    print_line()
    heads = (_("records"), _("errors"), _("timed"), _("mean"), "P50", "P95", "P99")
    print_table([[Cell(title), *(Cell(head, right=True) for head in heads)], *map(_row, groups[: 2 * ROWS_MOST])])
    _print_left_out(len(groups) - 2 * ROWS_MOST)


def _print_left_out(count: int) -> None:
    if count > 0:
        print_line("  " + _("and {count} more; --json has all", count=count))


def _row(group: StatisticsGroup) -> list[Cell]:
    numbers = (str(group.records), str(group.errors), *_seconds(group.response_times))
    return [Cell(f"  {group.name or '-'}"), *(Cell(number, right=True) for number in numbers)]


def _seconds(taken: ResponseTimes | None) -> Iterator[str]:
    if taken is None:
        yield from ("-",) * 5
        return
    yield str(taken.count)
    yield from (f"{seconds:.3f} s" for seconds in (taken.mean_s, taken.p50_s, taken.p95_s, taken.p99_s))


def _of_slice(row: Slice, zone: tzinfo) -> StatisticsGroup:
    began = (EPOCH + timedelta(microseconds=row.since_us)).astimezone(zone)
    return StatisticsGroup(f"{began:%Y-%m-%d %H:%M}", row.records, row.errors, row.response_times)
