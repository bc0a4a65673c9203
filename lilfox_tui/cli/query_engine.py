"""The query engine of ``lilfox query``, and its answer as a table and as JSON."""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lilfox_tui.cli.output import Cell, print_json, print_table, warn
from lilfox_tui.config.model import ApiConfig, Config
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import time_at
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.filter.syntax import Clock
from lilfox_tui.logs.source import zone_of
from lilfox_tui.monitor.cluster_export import cluster_families
from lilfox_tui.monitor.query_socket import NoMonitor, QueryRequest, ask_monitor, is_newer, socket_folder
from lilfox_tui.monitor.scrape_once import ScrapeResult, scrape_once
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import Query, looks_elsewhere, parse, ranges_ms, window_ms, within
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import NAME, matches, ms_of, time_of
from lilfox_tui.scrape.store import SeriesStore

STEPS = 60
"""Numbers of a range where no step is asked for."""
LOOK_S = 5.0
"""How long is scraped for a query that needs a past."""
LONGEST_LOOK_S = 300.0
_PERIODS_S = (0.2, 1.0)
_OF_HOSTS = ("cpu_usage_percent", "memory_usage_percent")
_OF_HOSTS_PREFIX = "lilfox_"

Say = Callable[[str], None]


async def answer(args: argparse.Namespace, config: Config, config_file: Path | None) -> int:
    """Prints the answer to the query in ``args``; returns the exit code. Raises LilFoxError."""
    notes: list[str | Message] = []
    troubles: list[Message] = []
    api = external(config, args.prometheus)
    try:
        source = "scrape" if api is None else "prometheus"
        if api is not None:
            value = await _remote(args, config, api, notes)
        elif (answered := await _of_monitor(args, config_file, notes)) is not None:
            value, source = answered, "monitor"
        else:
            value, told, troubles = await _here(args, config, config_file)
            notes += told
    except QueryError as error:
        raise UsageError(str(error), error.hint) from None
    notes += troubles
    for note in notes:
        warn(note)
    if args.json:
        print_json(answer_document(args.expression, value, source, [str(note) for note in notes]))
    else:
        table = list(answer_rows(value, zone_of("")))
        print_table(table)
        if not table:
            warn(_("no series"))
    return 3 if troubles else 0


async def _remote(args: argparse.Namespace, config: Config, api: ApiConfig, notes: list[str | Message]) -> Value:
    at = _moment(args.at)
    engine, host = opened(config, api, notes.append)
    try:
        if args.range is None:
            return await engine.instant(args.expression, at)
        return Matrix(await engine.range(args.expression, at - timedelta(seconds=args.range), at, _step_s(args)))
    finally:
        await engine.close()
        if host is not None:
            await host.close()


async def _of_monitor(args: argparse.Namespace, config_file: Path | None, notes: list[str | Message]) -> Value | None:
    """The answer of the ``lilfox monitor`` that runs with this configuration; None if there is none. Raises
    QueryError."""
    if args.scrape:
        return None
    end_ms, start_ms = ms_of(_moment(args.at)), None
    if args.range is not None:
        start_ms = end_ms - round(args.range * 1000)
    query = parse(args.expression)
    request = QueryRequest(args.expression, end_ms, start_ms, max(1, round(_step_s(args) * 1000)))
    try:
        answer = await ask_monitor(await asyncio.to_thread(socket_folder, config_file), request)
    except NoMonitor as error:
        if not error.silent:
            notes.append(tr("{reason}; scraping now", reason=error))
        return None
    since = "" if answer.oldest is None else f"{answer.oldest.astimezone(zone_of('')):%Y-%m-%d %H:%M:%S}"
    notes.append(
        tr("answered by lilfox monitor (PID {pid}), which has series since {time}", pid=answer.pid, time=since)
        if since
        else tr("answered by lilfox monitor (PID {pid})", pid=answer.pid)
    )
    first_ms = (end_ms if start_ms is None else start_ms) - window_ms(query.tree)
    if answer.oldest is not None and first_ms < end_ms and first_ms < ms_of(answer.oldest):
        notes.append(tr("the query reads earlier times, for which there is no data"))
    if await asyncio.to_thread(is_newer, config_file, answer.started):
        notes.append(tr("the configuration was changed after the monitor started; restart it, or use --scrape"))
    return answer.value


async def _here(
    args: argparse.Namespace, config: Config, config_file: Path | None
) -> tuple[Value, list[Message], list[Message]]:
    if args.at is not None:
        raise UsageError(
            tr("no history without a Prometheus or a running lilfox monitor: --at is not available"),
            tr("Use --prometheus URL, or set prometheus: in the configuration."),
        )
    query = parse(args.expression)
    return await answer_here(config, config_file, query, range_s=args.range, step_s=_step_s(args))


def _step_s(args: argparse.Namespace) -> float:
    step_s: float = args.step or max((args.range or 0.0) / STEPS, 0.001)
    return step_s


def _moment(text: str | None) -> datetime:
    """The time given with ``--at``. Raises UsageError."""
    now = datetime.now(UTC)
    if text is None:
        return now
    since_us = Clock(now, zone_of("")).between(text, "").since_us
    assert since_us is not None
    return datetime.fromtimestamp(since_us / 1_000_000, UTC)


def external(config: Config, url: str | None) -> ApiConfig | None:
    """The Prometheus of ``--prometheus URL`` or of the configuration, if any. Raises UsageError."""
    if url is None:
        return config.prometheus
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(tr("not an address; write http://HOST:PORT or https://HOST:PORT"))
    if "@" in parts.netloc:
        raise UsageError(
            tr("the address contains a user or password"), tr("set it under prometheus: in the configuration")
        )
    if config.prometheus is not None and config.prometheus.url.rstrip("/") == url.rstrip("/"):
        return config.prometheus
    return ApiConfig(url=url)


def opened(config: Config, api: ApiConfig, say: Say) -> tuple[RemoteEngine, Host | None]:
    """The engine, and the host that sends the queries if one is configured."""
    host = None
    if api.from_ is not None and not config.hosts[api.from_].local:
        host = open_host(api.from_, config.hosts[api.from_], config.ssh, read_only=config.read_only)
    return RemoteEngine(api, host, warn=say), host


async def answer_here(
    config: Config, config_file: Path | None, query: Query, *, range_s: float | None, step_s: float
) -> tuple[Value, list[Message], list[Message]]:
    """Evaluates the query over series scraped now; returns the value, notes about it, and the errors of targets. Raises
    LilFoxError if no target answered."""
    if range_s is not None and range_s > LONGEST_LOOK_S:
        raise UsageError(
            tr(
                "no history without a Prometheus or a running lilfox monitor: a range covers only what is scraped "
                "during the query, at most 5m"
            ),
            tr("Use --prometheus URL, or set prometheus: in the configuration."),
        )
    if not query.selectors and range_s is None:
        return query.at(SeriesStore(keep_s=0, limit_bytes=0), ms_of(datetime.now(UTC))), [], []
    ranges = ranges_ms(query)
    for_s = range_s or (LOOK_S if ranges else 0.0)
    every_s = _every_s(ranges, None if range_s is None else step_s)
    wanted = {"hosts": _wants_hosts(query), "clusters": bool(config.clusters) and _wants_clusters(query)}
    async with scrape_once(config, config_file, for_s=for_s, every_s=every_s, **wanted) as seen:
        _check_not_empty(seen)
        known_ms = round((seen.window_s + every_s / 2) * 1000)
        notes = _notes(seen, query, range_s, known_ms)
        query = within(query, known_ms)
        end_ms = ms_of(seen.at)
        if range_s is None:
            return query.at(seen.store, end_ms), notes, list(seen.troubles)
        lines = query.over(seen.store, end_ms - round(range_s * 1000), end_ms, max(1, round(step_s * 1000)))
        return Matrix(lines), notes, list(seen.troubles)


def _check_not_empty(seen: ScrapeResult) -> None:
    """Raises LilFoxError if there is nothing to scrape or no target answered."""
    if not seen.asked:
        raise LilFoxError(
            tr("the configuration defines neither scrape targets nor a Prometheus"),
            tr("Add services, scrape or prometheus to the configuration, or use --prometheus URL."),
        )
    if len(seen.troubles) == seen.asked:
        raise LilFoxError(seen.troubles[0])


def _notes(seen: ScrapeResult, query: Query, range_s: float | None, known_ms: int) -> list[Message]:
    notes = []
    ranges = ranges_ms(query)
    if ranges or range_s is not None:
        notes.append(tr("scraped for {seconds:.0f} s", seconds=seen.window_s))
    if ranges and ranges[-1] > known_ms:
        notes.append(tr("longer ranges in the expression are shortened to {seconds:.1f} s", seconds=known_ms / 1000))
    if looks_elsewhere(query):
        notes.append(tr("offset and @ refer to a time without data"))
    return notes


def _every_s(ranges: tuple[int, ...], step_s: float | None) -> float:
    """The scrape interval: short enough for three scrapes in the shortest range, and one per step, if possible."""
    wanted = [_PERIODS_S[1], *([ranges[0] / 3000] if ranges else []), *([step_s] if step_s else [])]
    return max(_PERIODS_S[0], min(wanted))


def _wants_hosts(query: Query) -> bool:
    """Whether a selector may match host metrics: reading those takes a login to each host."""
    for matchers in query.selectors:
        names = [matcher for matcher in matchers if matcher.name == NAME]
        exact = next((matcher.value for matcher in names if matcher.op == "="), None)
        if exact is not None:
            if exact in _OF_HOSTS or exact.startswith(_OF_HOSTS_PREFIX):
                return True
        elif not names or any(all(matches(matcher, name) for matcher in names) for name in _OF_HOSTS):
            return True
    return False


def _wants_clusters(query: Query) -> bool:
    """Whether a selector may match series of Kubernetes clusters: kubectl is asked for them."""
    written = [name for name, *_family in cluster_families({})]
    named = ([each for each in matchers if each.name == NAME] for matchers in query.selectors)
    return any(all(matches(each, name) for each in names) for names in named for name in written)


def answer_rows(value: Value, zone: tzinfo) -> Iterator[list[Cell]]:
    """The value as table rows: one per series, with number and labels; for a range, each series with a row for each of
    its numbers below."""
    match value:
        case Vector():
            for labels, number in zip(value.labels, value.values.tolist(), strict=True):
                yield [Cell(number_text(number), right=True), Cell(str(labels))]
        case Matrix():
            for line in value.lines:
                yield from _rows_of_line(line, zone)
        case float():
            yield [Cell(number_text(value))]
        case str():
            yield [Cell(value)]


def _rows_of_line(line: Line, zone: tzinfo) -> Iterator[list[Cell]]:
    yield [Cell(str(line.labels))]
    for at_ms, number in zip(line.times.tolist(), line.values.tolist(), strict=True):
        at = time_at(at_ms / 1000).astimezone(zone)
        yield [Cell(f"  {at:%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d}"), Cell(number_text(number), right=True)]


def answer_document(query: str, value: Value, source: str, notes: Sequence[str]) -> dict[str, Any]:
    """The answer as a JSON document; ``source`` tells who gave it. Times are RFC 3339 in UTC; NaN, +Inf and -Inf, which
    JSON lacks, are strings."""
    made: dict[str, Any] = {"query": query}
    match value:
        case Vector():
            made["kind"] = "vector"
            made["series"] = [
                {"labels": dict(labels), "value": _json_number(number)}
                for labels, number in zip(value.labels, value.values.tolist(), strict=True)
            ]
        case Matrix():
            made["kind"] = "matrix"
            made["series"] = [_of_line(line) for line in value.lines]
        case float():
            made |= {"kind": "scalar", "value": _json_number(value)}
        case str():
            made |= {"kind": "string", "value": value}
    return made | {"source": source, "notes": list(notes)}


def number_text(number: float) -> str:
    """A number in PromQL syntax."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _of_line(line: Line) -> dict[str, Any]:
    values = [
        {"at": _answer_time(at_ms), "value": _json_number(number)}
        for at_ms, number in zip(line.times.tolist(), line.values.tolist(), strict=True)
    ]
    return {"labels": dict(line.labels), "values": values}


def _json_number(number: float) -> float | str:
    return number if math.isfinite(number) else number_text(number)


def _answer_time(at_ms: int) -> str:
    return time_of(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
