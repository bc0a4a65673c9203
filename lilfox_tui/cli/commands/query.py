"""``lilfox query``: evaluates a PromQL expression, in the given Prometheus, in a running ``lilfox monitor``, or over
series scraped now."""

from __future__ import annotations

import argparse
import asyncio

from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``query``."""
    add = parser.add_argument
    add("expression", nargs="?", metavar="EXPR", help=_("PromQL, such as: sum by (job) (up)"))
    add(
        "--at",
        metavar="TIME",
        help=_("evaluate at this time: 10m, 03:15, 2026-11-25T03:15Z; requires a Prometheus server or lilfox monitor"),
    )
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
        help=_("step of the range; default: 1/60 of the range"),
    )
    add("--prometheus", metavar="URL", help=_("query this Prometheus server, or one with a compatible API"))
    add("--scrape", action="store_true", help=_("scrape now, also if lilfox monitor runs and has series"))
    add("--json", action="store_true", help=_("print the result as one JSON document"))
    add("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def run(args: argparse.Namespace) -> int:
    """Prints the result; returns 2 for an invalid query, 3 if some sources did not respond."""
    if args.json_schema:
        print_schema("query")
        return 0
    if not args.expression:
        raise UsageError(tr("no expression given"), tr("for example: lilfox query 'sum by (job) (up)'"))
    if args.step is not None and args.range is None:
        raise UsageError(tr("--step needs a range: add --range"))
    from lilfox_tui.cli.query_engine import answer

    loaded = load_settings(args)
    return asyncio.run(answer(args, loaded.config, loaded.path))
