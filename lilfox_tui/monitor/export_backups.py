"""Backup plans for other programs: in the document of ``check`` and ``monitor``, and as Prometheus' gauges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.backup_view import Backups, PlanView
from lilfox_tui.monitor.export_forms import Family, Line, iso


def backups_level(backups: Backups | None) -> Level:
    """The worst level of the plans, a restore that is half done among them; GOOD where there are none."""
    if backups is not None and backups.half_done:
        return Level.FAILING
    return max((view.level for view in _plans(backups)), default=Level.GOOD)


def half_done_document(backups: Backups | None) -> list[dict[str, Any]]:
    """Restores of which a part alone is in place."""
    return [] if backups is None else [half.document() for half in backups.half_done]


def backups_document(backups: Backups | None) -> list[dict[str, Any]]:
    """Each plan in each of its stores. Instants are ISO 8601 with their offset; null is not known."""
    return [_document(view) for view in _plans(backups)]


def backups_families(backups: Backups | None, now: datetime) -> Iterator[Family]:
    """Level, age of the newest good set and duration of the newest drill, with the labels ``plan`` and ``store``."""
    views: list[tuple[Labels, PlanView]] = [
        ((("plan", view.name), ("store", view.store)), view) for view in _plans(backups)
    ]
    half: list[Line] = [] if backups is None else [((), float(len(backups.half_done)))]
    yield "lilfox_restores_half_done", "gauge", "Restores whose process died between their renames.", half
    levels = [(labels, float(view.level)) for labels, view in views]
    yield "lilfox_backup_level", "gauge", "How well the plan is: 0 good, 1 unknown, 2 degraded, 3 failing.", levels
    yield "lilfox_backup_sets", "gauge", "Sets in the store, by their state.", _by_state(views)
    late = [(labels, float(view.late is not None)) for labels, view in views if view.sets is not None]
    yield "lilfox_backup_late", "gauge", "Whether a scheduled run gave no good set.", late
    newest = [(labels, _newest_good(view)) for labels, view in views]
    ages = [(labels, (now - at).total_seconds()) for labels, at in newest if at is not None]
    yield "lilfox_backup_age_seconds", "gauge", "Age of the newest good set.", ages
    drills = [(labels, view.rto_s) for labels, view in views if view.rto_s is not None]
    yield "lilfox_backup_restore_seconds", "gauge", "How long the newest drill took to restore a set.", drills


def _by_state(views: Sequence[tuple[Labels, PlanView]]) -> list[tuple[Labels, float]]:
    """Each state is told, also with 0: an alert is to see it come."""
    from lilfox_tui.backup.sets.model import Status

    return [
        ((*labels, ("state", state.value)), float(sum(found.status == state for found in view.sets)))
        for labels, view in views
        if view.sets is not None
        for state in Status
    ]


def _document(view: PlanView) -> dict[str, Any]:
    newest = view.sets[0] if view.sets else None
    good = _newest_good(view)
    return {
        "plan": view.name,
        "store": view.store,
        "copy": view.copy,
        "level": view.level.name.lower(),
        "since": iso(view.since),
        "reasons": [str(reason) for reason in view.reasons],
        "late": view.late is not None,
        "due": None if view.late is None else iso(view.late.due),
        "next_run": None if view.next_run is None else iso(view.next_run),
        "newest": None if newest is None else newest.id,
        "newest_status": None if newest is None else newest.status,
        "newest_good_at": None if good is None else iso(good),
        "sets": None if view.sets is None else len(view.sets),
        "restore_s": view.rto_s,
    }


def _newest_good(view: PlanView) -> datetime | None:
    return next((found.created for found in view.sets or () if found.good), None)


def _plans(backups: Backups | None) -> Iterator[PlanView]:
    if backups is not None:
        yield from (view for view in backups.plans.values() if view.config is not None)
