"""How high each part of the Metrics pane is. Pure."""

from __future__ import annotations

from typing import NamedTuple

LOW = 14
"""Rows of a pane in which there is no room for blank lines, nor for more than one part below the hosts."""


CHANGES_HEAD = 2
"""Rows above the first change; without one they are not shown."""
HOSTS_FIRST = 5
"""Rows that the hosts have before there are any for changes: their title and heading, and three of them."""


class Parts(NamedTuple):
    """Rows of each part, its title among them; 0 where it is not there."""

    hosts: int
    services: int = 0
    backends: int = 0
    alerts: int = 0
    changes: int = 0
    detail: int = 0


_SUBJECTS = {"host": "hosts", "service": "services", "backend": "backends", "alert": "alerts", "rule": "alerts"}


def heads(height: int) -> Parts:
    """Rows above the rows of each part: titles, and blank lines only where there is room."""
    return Parts(2, 3, 2, 2) if height >= LOW else Parts(1, 1, 1, 1)


def heights(height: int, wanted: Parts, *, selected: str | None, only: str | None) -> Parts:
    """What each part gets of ``height`` rows, of those that it has (``wanted``). ``selected`` is the kind of the row
    that is chosen, ``only`` that of the part that is shown alone.

    Alerts and backends get a quarter at most, services a third, hosts the rest, but about a quarter: each that is
    there shows a row. What is left over then goes to services, backends and alerts.
    """
    detail = 2 if height >= 18 else 1 if height >= 9 else 0
    if only is not None:
        return Parts(0, detail=detail)._replace(**{_SUBJECTS[only]: height - detail})
    backends, alerts = min(wanted.backends, max(2, height // 4)), min(wanted.alerts, max(3, height // 4))
    services = wanted.services
    if height < LOW:
        services, backends, alerts = _one_of(services, backends, alerts, _SUBJECTS.get(selected or ""))
    services = min(services, max(3, height // 3))
    room = height - services - backends - alerts - detail
    changes = min(wanted.changes, max(3, min(7, room - wanted.hosts))) if height >= 20 else 0
    if room - changes < min(wanted.hosts, HOSTS_FIRST):
        changes = 0
    hosts = min(wanted.hosts, max(3, height // 4 - 1, room - changes) if height >= LOW else max(2, room))
    services = max(0, min(height - hosts - backends - alerts - detail, wanted.services if services else 0))
    left = height - hosts - services - backends - alerts - detail
    changes = min(changes, left) if left > CHANGES_HEAD else 0
    if not (services or backends or alerts):
        hosts = height - detail
    if backends:
        backends = min(wanted.backends, max(backends, height - hosts - services - alerts - changes - detail))
    if alerts:
        alerts = min(wanted.alerts, max(alerts, height - hosts - services - backends - changes - detail))
    return Parts(hosts, services, backends, alerts, changes, detail)


def _one_of(services: int, backends: int, alerts: int, selected: str | None) -> tuple[int, int, int]:
    """The part of the selected row alone; without one, the first that there is."""
    if selected == "alerts" or not (services or backends):
        return 0, 0, alerts
    if selected == "backends" or not services:
        return 0, backends, 0
    return services, 0, 0
