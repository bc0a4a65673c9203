"""``lilfox logs``: records of all sources by time, as the Logs pane has them; ``lilfox logs stats``: counts."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lilfox_tui.cli.log_lines import Printed
from lilfox_tui.cli.log_sources import STDIN, open_sources, zone_of_reader
from lilfox_tui.cli.output import flush, print_error, print_json, show_passing, warn
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.config.model import Config
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import _, tr
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.merge import MergedStream
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import LogSource, MultiLogSource, SourceNotice

if TYPE_CHECKING:
    from lilfox_tui.logs.analyze import Analysis

STATS = "stats"
FOLLOWED_TAIL = 10
"""So many records stand before what is new when ``-f`` is asked for and no number, as tail(1) has it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``logs`` accepts."""
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help=_("names of the configuration, files, or - (standard input); stats before them counts errors and times"),
    )
    parser.add_argument("--host", metavar="NAME", help=_("sources and files on that host"))
    parser.add_argument(
        "--level", metavar="LEVEL", help=_("that level or worse: debug, info, warning, error, critical")
    )
    parser.add_argument(
        "--grep", metavar="TEXT", help=_("records that hold that text; all in small letters: in any case")
    )
    parser.add_argument(
        "--where", metavar="EXPR", help=_("records that match, such as: status>=500 and not path~^/health")
    )
    parser.add_argument("--since", metavar="TIME", help=_("from then on: 10m, 03:15, 2026-11-25, 2026-11-25T03:15Z"))
    parser.add_argument("--until", metavar="TIME", help=_("up to then"))
    parser.add_argument("-f", "--follow", action="store_true", help=_("go on with what is new"))
    parser.add_argument("--tail", type=_count, metavar="N", help=_("the last N of them"))
    parser.add_argument(
        "--zone", default="", metavar="NAME", help=_("time zone of files' times that tell none, such as UTC")
    )
    parser.add_argument("--json", action="store_true", help=_("JSON: a line for each record, one document for stats"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that"))


def run(args: argparse.Namespace) -> int:
    """Prints records, or statistics; 3 when some of the sources could not be read, 1 when none could."""
    is_stats = args.sources[:1] == [STATS]
    if args.json_schema:
        print_schema("logs-stats" if is_stats else "logs")
        return 0
    config = load_settings(args).config
    where = _where(args)
    if is_stats:
        if args.follow or args.tail is not None:
            raise UsageError(tr("stats counts what there is: it takes neither -f nor --tail"))
        return asyncio.run(_statistics(config, args, where))
    return asyncio.run(_records(config, args, where))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(_("{given} is not a number from 1 to 1000000", given=text))
    return int(text)


def _where(args: argparse.Namespace) -> Filter:
    """What the options ask for together. Raises UsageError."""
    from lilfox_tui.logs.filter.model import And, AtLeast, TextMatch, severity_named
    from lilfox_tui.logs.filter.syntax import Clock, parse_filter

    now, zone = datetime.now(UTC), zone_of_reader()
    parts: list[Filter] = []
    if args.level is not None:
        severity = severity_named(args.level)
        if severity is None:
            raise UsageError(
                tr("there is no level {name}", name=args.level), tr("one of: debug, info, warning, error, critical")
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
    async with open_sources(config, args.sources, host=args.host, zone=args.zone) as sources:
        in_time = MergedStream(sources, where)
        printed = Printed(zone_of_reader(), as_json=args.json, with_source=len(sources) > 1)
        if args.sources == [STDIN]:
            await _print_stream(in_time, printed, args.tail)
        else:
            await _print_stored(in_time, printed, args)
        return _told(in_time.failed, sources)


async def _print_stored(in_time: MergedStream, printed: Printed, args: argparse.Namespace) -> None:
    if args.follow:
        await in_time.note_newest()
    tail = args.tail if args.tail is not None or not args.follow or args.since else FOLLOWED_TAIL
    if tail is None:
        async with aclosing(in_time.oldest_first()) as records:
            async for record in records:
                printed.record(record)
    else:
        for record in await in_time.last(tail):
            printed.record(record)
    if args.follow:
        flush()
        await _print_stream(in_time, printed, None)


async def _print_stream(in_time: MergedStream, printed: Printed, tail: int | None) -> None:
    """Prints what comes, at once; with ``tail`` the last of it when it has ended."""
    kept: list[LogRecord] = []
    async with aclosing(in_time.follow()) as batches:
        async for batch in batches:
            for item in batch:
                if isinstance(item, SourceNotice):
                    warn(printed.notice(item))
                elif tail is None:
                    printed.record(item)
                else:
                    kept.append(item)
            kept = kept[-tail:] if tail is not None else kept
            flush()
    for record in kept:
        printed.record(record)


async def _statistics(config: Config, args: argparse.Namespace, where: Filter) -> int:
    from lilfox_tui.cli.log_statistics import document, print_statistics
    from lilfox_tui.logs.analyze import analyze_stream

    words = args.sources[1:]
    async with open_sources(config, words, host=args.host, zone=args.zone) as sources:
        if words == [STDIN]:
            found = await analyze_stream(sources[0], where)
        else:
            found = await _counted(sources, where, slices=not args.json)
        if len(found.failed) < len(sources):
            if args.json:
                print_json(document(found.statistics))
            else:
                print_statistics(found.statistics, zone_of_reader())
        return _told(found.failed, sources)


async def _counted(sources: Sequence[LogSource], where: Filter, *, slices: bool) -> Analysis:
    """The count; at a terminal it is shown meanwhile how far it is."""
    from lilfox_tui.logs.analyze import analyze, report_progress

    if not sys.stderr.isatty():
        return await analyze(sources, where, slices=slices)

    def tell(source: str, share: int) -> None:
        show_passing(_("counting {source}: {share} %", source=source, share=share))

    def progress(done: int, total: int) -> None:
        show_passing(_("counting {share} %", share=100 * done // total if total else 0))

    show_passing(_("counting"))
    try:
        return await analyze(await report_progress(sources, tell), where, progress=progress, slices=slices)
    finally:
        show_passing("")


def _told(failed: Mapping[str, LilFoxError], sources: Sequence[LogSource]) -> int:
    several = [source for source in sources if isinstance(source, MultiLogSource) and source.name not in failed]
    partly = [error for source in several for error in source.refused.values()]
    for error in (*failed.values(), *partly):
        print_error(error)
    if not failed:
        return 3 if partly else 0
    return 1 if len(failed) == len(sources) else 3
