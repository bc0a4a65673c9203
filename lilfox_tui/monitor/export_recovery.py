"""Units that recover by themselves, as Prometheus' gauges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lilfox_tui.config.runbook_model import RecoveryConfig
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.export_forms import Family
from lilfox_tui.recovery.history import UnitRecord


def recovery_families(units: Mapping[str, RecoveryConfig], records: Mapping[str, UnitRecord]) -> Iterator[Family]:
    """Of each unit that was looked at: whether it was given up, and its restarts within its time."""
    known: list[tuple[Labels, UnitRecord]] = [
        ((("name", name), ("host", unit.host), ("unit", unit.unit)), records[name])
        for name, unit in units.items()
        if name in records
    ]
    given_up = [(labels, float(record.state == "given up")) for labels, record in known]
    yield "lilfox_recovery_given_up", "gauge", "Whether the unit is left alone after too many restarts.", given_up
    restarts = [(labels, float(len(record.restarts))) for labels, record in known]
    yield "lilfox_recovery_restarts", "gauge", "Restarts within the time of its limit.", restarts
