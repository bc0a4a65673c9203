"""``lilfox logs``: records of all sources by time, as in the Logs pane; ``lilfox logs stats``: counts."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from lilfox_tui.cli.output import (
    Cell,
    flush,
    is_coloured,
    json_text,
    print_cleaned,
    print_error,
    print_json,
    print_line,
    print_table,
    row_text,
    show_passing,
    warn,
)
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import clean
from lilfox_tui.logs.filter.model import (
    COMMON_FIELDS,
    EVERYTHING,
    And,
    AtLeast,
    Filter,
    TextMatch,
    severity_named,
)
from lilfox_tui.logs.filter.syntax import Clock, parse_filter, text_like_field
from lilfox_tui.logs.merge import MergedStream
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity
from lilfox_tui.logs.source import LogSource, MultiLogSource, SourceNotice, zone_of
from lilfox_tui.logs.statistics import MINUTE_US, Slice, Statistics, StatisticsGroup
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.logs.analyze import Analysis, Responses, SourceResponses
    from lilfox_tui.logs.field_statistics import FieldGroup, FieldQuestion, FieldTally, ResponseTimes


T = TypeVar("T")
_LEVELS = {Severity.WARNING: Level.DEGRADED, Severity.ERROR: Level.FAILING, Severity.CRITICAL: Level.FAILING}
_DEEPEST = 50
_AT_ONCE = 500


class RecordPrinter:
    """Prints records. ``zone`` is that of the times shown; ``with_source`` adds the source if there are several."""

    def __init__(self, zone: tzinfo, *, as_json: bool, with_source: bool) -> None:
        self._zone = zone
        self._as_json = as_json
        self._with_source = with_source
        self.any = False
        """Whether a record was printed."""

    def records(self, records: Sequence[LogRecord]) -> None:
        """Prints records at once, each with the lines after its first indented."""
        self.any = self.any or bool(records)
        coloured = is_coloured(sys.stdout)
        for at in range(0, len(records), _AT_ONCE):
            print_cleaned("".join([self._text(each, coloured=coloured) for each in records[at : at + _AT_ONCE]]))

    def _text(self, record: LogRecord, *, coloured: bool) -> str:
        if self._as_json:
            return json_text(record_document(record), lines=True)
        first, *more = _text_lines(record)
        level = _LEVELS.get(record.entry.severity)
        cells = [Cell(self._time(record.at)), Cell(f"{_level_name(record.entry.severity) or '-':<8}", level)]
        if self._with_source:
            cells.append(Cell(record.source))
        logger = record.entry.logger
        text = row_text([*cells, Cell(f"{logger}: {first}" if logger else first)], coloured=coloured)
        return "".join([text, *(f"    {clean(line)}\n" for line in more)]) if more else text

    def notice(self, notice: SourceNotice) -> str:
        """A source's notice about itself as one line."""
        return f"{notice.source}: {notice.text}"

    def _time(self, at: datetime | None) -> str:
        return " " * 23 if at is None else at.astimezone(self._zone).isoformat(" ", "milliseconds")[:23]


def record_document(record: LogRecord) -> dict[str, Any]:
    """The record in the format of the schema ``logs.json``."""
    entry, at = record.entry, record.at
    return {
        "time": None if at is None else at.isoformat(),
        "source": record.source,
        "log": record.log or None,
        "level": _level_name(entry.severity),
        "logger": entry.logger or None,
        "module": entry.module or None,
        "message": entry.message,
        "exception": None if entry.fault is None else {"type": entry.fault.type, "text": entry.fault.text},
        "response_time": entry.response_time_s,
        "fields": _plain_value(entry.fields),
        "raw": record.raw.decode("utf-8", "replace"),
    }


def _level_name(severity: Severity) -> str | None:
    return severity.name if severity else None


def _text_lines(record: LogRecord) -> Iterator[str]:
    """The message, and the exception's text unless the message contains it."""
    entry = record.entry
    yield from entry.message.splitlines() or [""]
    if entry.fault is not None and entry.fault.text not in entry.message:
        yield from entry.fault.text.splitlines()


def _plain_value(value: object, depth: int = 0) -> Any:
    """A value that JSON can hold: no NaN, no other types, limited depth."""
    if depth > _DEEPEST:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain_value(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(each, depth + 1) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


ROWS_MOST = 20
"""So many types, modules and routes are shown; ``--json`` has all."""


def statistics_document(found: Statistics, responses: Responses) -> dict[str, Any]:
    """The document of ``--json``: see the schema ``logs-stats.json``."""
    taken, told = found.response_times, responses.total
    return {
        "records": found.records,
        "errors": {
            "total": found.errors,
            "by_type": dict(found.errors_by_type),
            "by_module": dict(found.errors_by_module),
        },
        "responses": {"records": responses.records, "total": told.responses, "status_5xx": told.failed},
        "response_time": None
        if taken is None
        else {"count": taken.count, "mean": taken.mean_s, "p50": taken.p50_s, "p95": taken.p95_s, "p99": taken.p99_s},
    }


def print_statistics(found: Statistics, responses: Responses, zone: tzinfo) -> None:
    """Prints all statistics as tables; times are in ``zone``."""
    print_line(_("records: {count}", count=found.records))
    print_line(_("errors (level ERROR or above): {count}", count=found.errors))
    if (told := responses.total).responses:
        text = _("responses with status 5xx: {failed} of {count}", failed=told.failed, count=told.responses)
        if not responses.are_all:
            text = _("{told}, in the newest {count} records", told=text, count=responses.records)
        print_line(text)
    if found.unread:
        print_line(_("not counted (not in the expected log format): {count}", count=found.unread))
    if found.timeless:
        print_line(_("without a time: {count}", count=found.timeless))
    _print_counts(_("errors by type"), found.errors_by_type)
    _print_counts(_("errors by module"), found.errors_by_module)
    if found.response_times is None:
        print_line()
        print_line(_("no record has a response time"))
    else:
        _print_groups(
            _("response times"), [StatisticsGroup(_("all"), found.records, found.errors, found.response_times)]
        )
    if len(found.by_source) > 1:
        _print_groups(_("by source"), found.by_source, responses.by_source)
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


def _print_groups(
    title: str, groups: Sequence[StatisticsGroup], responses: Mapping[str, SourceResponses] | None = None
) -> None:
    """Prints a table of groups; with the share of ``responses`` with status 5xx if any are known."""
    print_line()
    heads = (_("records"), _("errors"), _("timed"), _("mean"), "P50", "P95", "P99")
    rows = [[Cell(title), *(Cell(head, right=True) for head in heads)], *map(_group_row, groups[: 2 * ROWS_MOST])]
    if responses:
        told = [responses.get(group.name) for group in groups]
        texts = ["5xx", *("-" if each is None else f"{each.failed}/{each.responses}" for each in told)]
        rows = [[*row[:3], Cell(text, right=True), *row[3:]] for row, text in zip(rows, texts, strict=False)]
    print_table(rows)
    _print_left_out(len(groups) - 2 * ROWS_MOST)


def _print_left_out(count: int) -> None:
    if count > 0:
        print_line("  " + _("and {count} more; --json shows all", count=count))


def _group_row(group: StatisticsGroup) -> list[Cell]:
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
    precise = "%H:%M:%S" if row.until_us - row.since_us < MINUTE_US else "%H:%M"
    return StatisticsGroup(began.strftime(f"%Y-%m-%d {precise}"), row.records, row.errors, row.response_times)


GROUPS_SHOWN = 200
RESPONSE_TIME = "response_time"
_BAR_CELLS, _FIELDS_MOST = 20, 4


def field_statistics_document(found: FieldTally) -> dict[str, Any]:
    """The document of ``--json``: see the schema ``logs-stats-by.json``."""
    question = found.question
    return {
        "records": found.records,
        "by": list(question.by),
        "of": question.of,
        "over": question.over_us / 1e6 or None,
        "groups": [_group_document(group, question) for group in found.groups()],
    }


def _group_document(group: FieldGroup, question: FieldQuestion) -> dict[str, Any]:
    spread, since_us = group.numbers, group.since_us
    return {
        "since": None if since_us is None else (EPOCH + timedelta(microseconds=since_us)).isoformat(),
        "values": {name: value or None for name, value in zip(question.by, group.values, strict=True)},
        "records": group.records,
        "errors": group.errors,
        "numbers": None
        if spread is None
        else {
            "count": spread.count,
            "sum": spread.total,
            "mean": spread.mean,
            "min": spread.least,
            "p50": spread.p50,
            "p95": spread.p95,
            "p99": spread.p99,
            "max": spread.greatest,
        },
    }


def print_field_statistics(found: FieldTally, zone: tzinfo) -> None:
    """Prints the groups as a table with a bar of their records; times are in ``zone``."""
    question, groups = found.question, list(found.groups())
    for at, name in enumerate(question.by):
        if groups and not any(group.values[at] for group in groups):
            warn(_("no record has the field {name}", name=name))
    if question.of != RESPONSE_TIME and not any(group.numbers for group in groups):
        warn(_("no record has a number in the field {name}", name=question.of))
    if not question.by:
        groups = list(_with_gaps(groups, question.over_us))
    most = max((group.records for group in groups), default=1)
    named = [_("time")] if question.over_us else []
    heads = (_("records"), _("errors"), question.of, _("mean"), "P50", "P95", "P99", _("max"))
    rows = [[*map(Cell, [*named, *question.by]), *(Cell(head, right=True) for head in heads), Cell("")]]
    for group in groups[:GROUPS_SHOWN]:
        names = [*([_slice_text(group.since_us, question, zone)] if question.over_us else []), *group.values]
        numbers = (str(group.records), str(group.errors), *_spread_texts(group, question))
        bar = "█" * (max(1, round(_BAR_CELLS * group.records / most)) if group.records else 0)
        rows.append([*(Cell(name or "-") for name in names), *(Cell(each, right=True) for each in numbers), Cell(bar)])
    print_line(_("records: {count}", count=found.records))
    print_table(rows)
    _print_left_out(len(groups) - GROUPS_SHOWN)


def _with_gaps(groups: Sequence[FieldGroup], over_us: int) -> Iterator[FieldGroup]:
    """The slices with those between them that have no record, as a histogram needs them, where there are few."""
    before_us = None
    for group in groups:
        if before_us is not None and group.since_us is not None:
            empty = range(before_us + over_us, group.since_us, over_us)
            for since_us in empty if len(empty) < GROUPS_SHOWN else ():
                yield replace(group, since_us=since_us, records=0, errors=0, numbers=None)
        before_us = group.since_us
        yield group


def _spread_texts(group: FieldGroup, question: FieldQuestion) -> Iterator[str]:
    spread = group.numbers
    if spread is None:
        yield from ("-",) * 6
        return
    yield str(spread.count)
    for value in (spread.mean, spread.p50, spread.p95, spread.p99, spread.greatest):
        yield f"{value:.3f} s" if question.of == RESPONSE_TIME else f"{value:.6g}"


def _slice_text(since_us: int | None, question: FieldQuestion, zone: tzinfo) -> str:
    if since_us is None:
        return "-"
    began = (EPOCH + timedelta(microseconds=since_us)).astimezone(zone)
    return began.strftime("%Y-%m-%d %H:%M:%S" if question.over_us % MINUTE_US else "%Y-%m-%d %H:%M")


STATS = "stats"
FOLLOWED_TAIL = 10
"""So many records stand before what is new when ``-f`` is asked for and no number, as tail(1) has it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``logs``."""
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help=_(
            "source names from the configuration, files, kubernetes://CLUSTER/NAMESPACE/KIND/NAME, or - (standard "
            "input); put stats first to get error counts and response times"
        ),
    )
    parser.add_argument("--host", metavar="NAME", help=_("use the sources and files on this host"))
    parser.add_argument(
        "--level", metavar="LEVEL", help=_("this level or worse: debug, info, warning, error, critical")
    )
    parser.add_argument(
        "--grep", metavar="TEXT", help=_("records that contain this text; all-lowercase text matches any case")
    )
    parser.add_argument(
        "--where", metavar="EXPR", help=_("records that match, such as: status>=500 and not path~^/health")
    )
    parser.add_argument(
        "--since", metavar="TIME", help=_("records since this time: 10m, 03:15, 2026-11-25, 2026-11-25T03:15Z")
    )
    parser.add_argument("--until", metavar="TIME", help=_("records up to this time"))
    parser.add_argument(
        "--stats-by", type=_fields, metavar="FIELD[,FIELD]",
        help=_("count records by the values of these fields, such as: status or path,method"),
    )  # fmt: skip
    parser.add_argument(
        "--stats-of", metavar="FIELD", help=_("the number whose mean and quantiles are shown; response_time by default")
    )
    parser.add_argument("--over", type=duration, metavar="DURATION", help=_("count in slices of time, such as 5m"))
    parser.add_argument("-f", "--follow", action="store_true", help=_("keep printing new records"))
    parser.add_argument("--tail", type=_count, metavar="N", help=_("only the last N records"))
    parser.add_argument(
        "--zone", default="", metavar="NAME", help=_("time zone for file timestamps without one, such as UTC")
    )
    parser.add_argument(
        "--json", action="store_true", help=_("JSON: one line for each record; for stats, one document")
    )
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that JSON"))


def run(args: argparse.Namespace) -> int:
    """Prints records, or statistics; returns 3 if some of the sources could not be read, 1 if none could."""
    is_stats = args.sources[:1] == [STATS]
    by_fields = args.stats_by is not None or args.stats_of is not None or args.over is not None
    if args.json_schema:
        print_schema("logs-stats-by" if by_fields else "logs-stats" if is_stats else "logs")
        return 0
    config = load_settings(args).config
    where = _where(args)
    if (is_stats or by_fields) and (args.follow or args.tail is not None):
        raise UsageError(tr("stats counts existing records: it takes neither -f nor --tail"))
    if is_stats or by_fields:
        return asyncio.run(_statistics(config, args, where, by_fields=by_fields))
    return asyncio.run(_records(config, args, where))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(_("{given} is not a number from 1 to 1000000", given=text))
    return int(text)


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names) or len(names) > _FIELDS_MOST:
        raise argparse.ArgumentTypeError(_("{given} does not name 1 to {most} fields", given=text, most=_FIELDS_MOST))
    return names


def _where(args: argparse.Namespace) -> Filter:
    """The filter that combines all options. Raises UsageError."""
    now, zone = datetime.now(UTC), zone_of("")
    parts: list[Filter] = []
    if args.level is not None:
        severity = severity_named(args.level)
        if severity is None:
            raise UsageError(
                tr("unknown level {name}", name=args.level), tr("one of: debug, info, warning, error, critical")
            )
        parts.append(AtLeast(severity))
    if args.since or args.until:
        parts.append(Clock(now, zone).between(args.since or "", args.until or ""))
    if args.grep:
        parts.append(TextMatch(args.grep))
    if args.where:
        parts.append(parse_filter(args.where, now=now, zone=zone))
    parts = [part for part in parts if part != EVERYTHING]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


async def _records(config: Config, args: argparse.Namespace, where: Filter) -> int:
    from lilfox_tui.cli.log_sources import STDIN, open_sources

    async with open_sources(config, args.sources, host=args.host, zone=args.zone) as sources:
        in_time = MergedStream(sources, where)
        printed = RecordPrinter(zone_of(""), as_json=args.json, with_source=len(sources) > 1)
        if args.sources == [STDIN]:
            await _print_stream(in_time, printed, args.tail)
        else:
            await _print_stored(in_time, printed, args)
        if not printed.any and args.where:
            _explain(parse_filter(args.where, now=datetime.now(UTC), zone=zone_of("")))
        return _report_failures(in_time.failed, sources)


def _explain(where: Filter) -> None:
    """Says what may be meant by a filter that nothing matches."""
    if (like := text_like_field(where, COMMON_FIELDS)) is not None:
        word, name, meant = like
        warn(_("nothing matches: {word} is searched as text; {filter} filters by {name}",
               word=word, filter=meant, name=name))  # fmt: skip


async def _print_stored(in_time: MergedStream, printed: RecordPrinter, args: argparse.Namespace) -> None:
    if args.follow:
        await in_time.note_newest()
    tail = args.tail if args.tail is not None or not args.follow or args.since else FOLLOWED_TAIL
    if tail is None:
        async with aclosing(in_time.oldest_first()) as records:
            async for record in records:
                printed.records((record,))
    else:
        printed.records(await in_time.last(tail))
    if args.follow:
        flush()
        await _print_stream(in_time, printed, None)


async def _print_stream(in_time: MergedStream, printed: RecordPrinter, tail: int | None) -> None:
    """Prints records as they arrive; with ``tail`` the last ones when the stream has ended."""
    kept: list[LogRecord] = []
    async with aclosing(in_time.follow()) as batches:
        async for batch in batches:
            for item in batch:
                if isinstance(item, LogRecord):
                    kept.append(item)
                    continue
                if tail is None:  # a notice stands where its source has it
                    printed.records(kept)
                    kept.clear()
                warn(printed.notice(item))
            if tail is None:
                printed.records(kept)
            kept = kept[-tail:] if tail is not None else []
            flush()
    printed.records(kept)


async def _statistics(config: Config, args: argparse.Namespace, where: Filter, *, by_fields: bool) -> int:
    """Prints the statistics, or counts by the fields that are asked for."""
    from lilfox_tui.cli.log_sources import STDIN, open_sources

    words = args.sources[1:] if args.sources[:1] == [STATS] else args.sources
    async with open_sources(config, words, host=args.host, zone=args.zone) as sources:
        count = _print_field_statistics if by_fields else _print_statistics
        return _report_failures(await count(sources, args, where, is_stream=words == [STDIN]), sources)


async def _print_statistics(
    sources: Sequence[LogSource], args: argparse.Namespace, where: Filter, *, is_stream: bool
) -> Mapping[str, LilFoxError]:
    from lilfox_tui.logs.analyze import analyze_stream, count_responses, counted_ones, newest_responses

    if is_stream:
        found, responses = await analyze_stream(sources[0], where)
    else:
        counting = _counted(sources, where, slices=not args.json)
        found, (newest, responses) = await asyncio.gather(counting, newest_responses(sources, where))
        if responses.are_all:
            responses = count_responses(counted_ones(newest, found.statistics), are_all=True)
    if len(found.failed) < len(sources):
        if args.json:
            print_json(statistics_document(found.statistics, responses))
        else:
            print_statistics(found.statistics, responses, zone_of(""))
    return found.failed


async def _print_field_statistics(
    sources: Sequence[LogSource], args: argparse.Namespace, where: Filter, *, is_stream: bool
) -> Mapping[str, LilFoxError]:
    from lilfox_tui.logs.analyze import analyze_fields

    count = partial(
        analyze_fields, sources, where, by=args.stats_by or (), of=args.stats_of or RESPONSE_TIME,
        over_us=round((args.over or 0) * 1e6), is_stream=is_stream,
    )  # fmt: skip
    found = await _with_progress(count)
    if len(found.failed) < len(sources):
        if args.json:
            print_json(field_statistics_document(found.tally))
        else:
            print_field_statistics(found.tally, zone_of(""))
    return found.failed


async def _with_progress(count: Callable[..., Awaitable[T]]) -> T:
    """Counts; shows the progress at a terminal."""
    if not sys.stderr.isatty():
        return await count()

    def progress(done: int, total: int) -> None:
        show_passing(_("counting {share}%", share=100 * done // total if total else 0))

    show_passing(_("counting"))
    try:
        return await count(progress=progress)
    finally:
        show_passing("")


async def _counted(sources: Sequence[LogSource], where: Filter, *, slices: bool) -> Analysis:
    """Counts the records of all sources; shows the progress at a terminal."""
    from lilfox_tui.logs.analyze import analyze, report_progress

    def tell(source: str, share: int) -> None:
        show_passing(_("counting {source}: {share}%", source=source, share=share))

    told = await report_progress(sources, tell) if sys.stderr.isatty() else sources
    return await _with_progress(partial(analyze, told, where, slices=slices))


def _report_failures(failed: Mapping[str, LilFoxError], sources: Sequence[LogSource]) -> int:
    several = [source for source in sources if isinstance(source, MultiLogSource) and source.name not in failed]
    partly = [error for source in several for error in source.refused.values()]
    for error in (*failed.values(), *partly):
        print_error(error)
    if not failed:
        return 3 if partly else 0
    return 1 if len(failed) == len(sources) else 3
