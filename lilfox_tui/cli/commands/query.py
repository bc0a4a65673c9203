"""``lilfox query``: a PromQL expression, answered by the Prometheus that is named or over what is scraped now."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.cli.log_sources import zone_of_reader
from lilfox_tui.cli.output import print_json, print_table, warn
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, _, tr

if TYPE_CHECKING:
    from lilfox_tui.config.model import ApiConfig, Config
    from lilfox_tui.promql.value import Value

STEPS = 60
"""Numbers of a range where no step is asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``query`` accepts."""
    add = parser.add_argument
    add("expression", nargs="?", metavar="EXPR", help=_("PromQL, such as: sum by (job) (up)"))
    add("--at", metavar="TIME", help=_("evaluate at this time: 10m, 03:15, 2026-11-25T03:15Z; needs a Prometheus"))
    add(
        "--range",
        type=duration,
        metavar="DURATION",
        help=_("length of the range, which ends at --at or now, such as 1h"),
    )
    add(
        "--step",
        type=duration,
        metavar="DURATION",
        help=_("step of the range; default: a sixtieth of it"),
    )
    add("--prometheus", metavar="URL", help=_("query this Prometheus, or a server with a compatible API"))
    add("--json", action="store_true", help=_("one JSON document"))
    add("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Prints the answer; 2 for a query that is none, 3 where some of what was asked did not answer."""
    if args.json_schema:
        print_schema("query")
        return 0
    if not args.expression:
        raise UsageError(tr("no expression given"), tr("for example: lilfox query 'sum by (job) (up)'"))
    if args.step is not None and args.range is None:
        raise UsageError(tr("--step needs a range: add --range"))
    loaded = load_settings(args)
    return asyncio.run(_answer(args, loaded.config, loaded.path))


async def _answer(args: argparse.Namespace, config: Config, config_file: Path | None) -> int:
    from lilfox_tui.cli.query_engine import answer_document, answer_rows, external
    from lilfox_tui.promql.errors import QueryError

    notes: list[str | Message] = []
    troubles: list[Message] = []
    api = external(config, args.prometheus)
    try:
        if api is not None:
            value = await _remote(args, config, api, notes)
        else:
            value, told, troubles = await _here(args, config, config_file)
            notes += told
    except QueryError as error:
        raise UsageError(str(error), error.hint) from None
    notes += troubles
    for note in notes:
        warn(note)
    if args.json:
        print_json(answer_document(args.expression, value, [str(note) for note in notes]))
    else:
        table = list(answer_rows(value, zone_of_reader()))
        print_table(table)
        if not table:
            warn(_("no series"))
    return 3 if troubles else 0


async def _remote(args: argparse.Namespace, config: Config, api: ApiConfig, notes: list[str | Message]) -> Value:
    from lilfox_tui.cli.query_engine import opened
    from lilfox_tui.promql.value import Matrix

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


async def _here(
    args: argparse.Namespace, config: Config, config_file: Path | None
) -> tuple[Value, list[Message], list[Message]]:
    from lilfox_tui.cli.query_engine import answer_here
    from lilfox_tui.promql.query import parse

    if args.at is not None:
        raise UsageError(
            tr("no history without a Prometheus: --at cannot be evaluated"),
            tr("Use --prometheus URL, or set prometheus: in the configuration."),
        )
    query = parse(args.expression)
    return await answer_here(config, config_file, query, range_s=args.range, step_s=_step_s(args))


def _step_s(args: argparse.Namespace) -> float:
    step_s: float = args.step or max((args.range or 0.0) / STEPS, 0.001)
    return step_s


def _moment(text: str | None) -> datetime:
    """The time that ``--at`` is. Raises UsageError."""
    now = datetime.now(UTC)
    if text is None:
        return now
    from lilfox_tui.logs.filter.syntax import Clock

    since_us = Clock(now, zone_of_reader()).between(text, "").since_us
    assert since_us is not None
    return datetime.fromtimestamp(since_us / 1_000_000, UTC)
