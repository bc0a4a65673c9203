"""``lilfox alerts history``: what fired, resolved, was told, acknowledged and silenced, the newest first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lilfox_tui.cli.alerts.kept import kept
from lilfox_tui.cli.durations import duration
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.text import human_duration

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Event

_KINDS: Mapping[str, tuple[Message, Level | None]] = {
    "fired": (tr("fired"), Level.FAILING),
    "resolved": (tr("resolved"), Level.GOOD),
    "acknowledged": (tr("acknowledged"), None),
    "unacknowledged": (tr("no longer acknowledged"), None),
    "silenced": (tr("silenced"), None),
    "expired": (tr("silence ended"), None),
    "told": (tr("told"), None),
    "not told": (tr("not told"), Level.DEGRADED),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts history`` accepts."""
    parser.add_argument("--since", type=duration, metavar="DURATION", help=str(tr("how far back, such as 1d")))
    parser.add_argument(
        "--limit", type=int, default=100, metavar="COUNT", help=str(tr("the most entries; 100 if not given"))
    )
    parser.add_argument("--json", action="store_true", help=str(tr("one JSON document")))
    parser.add_argument("--json-schema", action="store_true", help=str(tr("the schema of that document")))


def run(args: argparse.Namespace) -> int:
    """Prints it."""
    if args.json_schema:
        print_schema("alerts-history")
        return 0
    since = None if args.since is None else datetime.now(UTC) - timedelta(seconds=args.since)
    with kept(args) as saved:
        events = saved.events(max(0, args.limit), since=since)
    if args.json:
        print_json({"events": [_document(event) for event in events]})
    elif not events:
        print_line(tr("nothing has happened"))
    else:
        print_table([_row(event) for event in events])
    return 0


def _document(event: Event) -> dict[str, Any]:
    value = event.value if event.value is not None and abs(event.value) < float("inf") else None
    return {
        "at": event.at.isoformat(), "kind": event.kind, "labels": dict(event.labels), "rule": event.rule,
        "value": value, "lasted_s": event.lasted_s, "by": event.by, "note": event.note,
    }  # fmt: skip


def _row(event: Event) -> list[Cell]:
    text, level = _KINDS[event.kind]
    lasted = "" if event.lasted_s is None else _("after {lasted}", lasted=human_duration(event.lasted_s))
    value = "" if event.value is None else f"{event.value:g}"
    labels = " ".join(f"{name}={found}" for name, found in event.labels if name != "alertname")
    name = dict(event.labels).get("alertname", "")
    said = " ".join(part for part in (lasted, event.by, event.note) if part)
    at = event.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return [Cell(at), Cell(str(text), level), Cell(name), Cell(value, right=True), Cell(labels), Cell(said)]
