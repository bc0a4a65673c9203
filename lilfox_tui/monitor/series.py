"""Hosts, recovered units and findings of the audit as series for rules and queries. Imports numpy.

``cpu_usage_percent`` and ``memory_usage_percent`` are the gauges that the manual's rules name; the others have the
names of LilFox's own ``/metrics``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import is_

import numpy as np
from msgspec import structs

from lilfox_tui.clusters.model import ClusterView
from lilfox_tui.config.model import RecoveryConfig
from lilfox_tui.containers.model import EngineView
from lilfox_tui.metrics.model import HostSnapshot, Labels
from lilfox_tui.monitor.cluster_export import cluster_families
from lilfox_tui.monitor.container_export import container_families
from lilfox_tui.monitor.export import host_families, read_families, usage_families
from lilfox_tui.monitor.export_sections import (
    Family,
    audit_families,
    certificate_families,
    deadline_families,
    lines_families,
    probe_families,
    recovery_families,
)
from lilfox_tui.monitor.model import AuditView, HostView, ServiceView
from lilfox_tui.recovery.history import UnitRecord
from lilfox_tui.scrape import exposition
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, ms_of
from lilfox_tui.scrape.store import SeriesStore

OTHERS_EVERY_MS = 15_000
"""As seldom as Prometheus scrapes: they are many."""
PROBES_EVERY_MS = 5_000
_Lines = list[tuple[str, Labels, float]]


class HostSeries:
    """Writes the numbers of one host to ``store``: the CPU and memory gauges at each reading, the others less often."""

    def __init__(self, store: SeriesStore, name: str, *, others_every_ms: int = OTHERS_EVERY_MS) -> None:
        self._others_every_ms = others_every_ms
        self._gauges, self._others = store.target(f"host {name}"), store.target(f"host {name} others")
        self._keys: dict[str, tuple[tuple[tuple[str, Labels], ...], LabelList]] = {}
        self._next_others_ms = 0
        self._reached = False
        self.families: dict[str, exposition.Family] = {}
        """Type and help of the metrics that were written."""

    def take(self, view: HostView, snapshot: HostSnapshot) -> None:
        """Take in a new reading and the host's level."""
        at_ms = ms_of(snapshot.at)
        gauges = _lines_of(view, usage_families([view]))
        self._gauges.append(at_ms, self._labels("gauges", gauges), _values(gauges))
        if self._others_due(at_ms, reached=True):
            families = (*host_families([view]), *read_families({view.name: snapshot}))
            self._append_others(at_ms, view, families)

    def lost(self, view: HostView, at_ms: int) -> None:
        """Record that the host is unreachable: its series end, and ``lilfox_host_up`` is 0."""
        self._gauges.end(at_ms)
        if self._others_due(at_ms, reached=False):
            self._append_others(at_ms, view, tuple(host_families([structs.replace(view, summary=None)])))

    def _others_due(self, at_ms: int, *, reached: bool) -> bool:
        if reached == self._reached and at_ms < self._next_others_ms:
            return False
        self._reached, self._next_others_ms = reached, at_ms + self._others_every_ms
        return True

    def _append_others(self, at_ms: int, view: HostView, families: tuple[Family, ...]) -> None:
        written = (*usage_families([view]), *families)
        if len(written) > len(self.families):
            self.families = {name: exposition.Family(kind, help_) for name, kind, help_, _found in written}
        lines = _lines_of(view, families)
        self._others.append(at_ms, self._labels("others", lines), _values(lines))

    def _labels(self, which: str, lines: _Lines) -> LabelList:
        """Return the labels of ``lines``: the same object as long as the series are the same."""
        keys = tuple((name, labels) for name, labels, _value in lines)
        known = self._keys.get(which)
        if known is None or known[0] != keys:
            known = (keys, LabelList([LabelSet.of({**dict(labels), NAME: name}) for name, labels in keys]))
            self._keys[which] = known
        return known[1]


def _lines_of(view: HostView, families: Iterable[Family]) -> _Lines:
    instance = ("instance", view.config.address or view.name)
    return [(name, (*labels, instance), value) for name, _kind, _help, found in families for labels, value in found]


def _values(lines: _Lines) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value for _name, _labels, value in lines], np.float64)


class FamilySeries:
    """Writes whole families of metrics to the target ``name`` of ``store``."""

    def __init__(self, store: SeriesStore, name: str) -> None:
        self._target = store.target(name)
        self._last: tuple[LabelList, np.ndarray[tuple[int], np.dtype[np.float64]]] | None = None
        self.families: dict[str, exposition.Family] = {}
        """Type and help of the metrics that were written."""

    def take(self, families: Iterable[Family], now: datetime) -> None:
        """Take in the current values; what is no longer among them ends."""
        lines: list[tuple[LabelSet, float]] = []
        for name, kind, help_, found in families:
            self.families[name] = exposition.Family(kind, help_)
            lines += ((LabelSet.of({**dict(labels), NAME: name}), value) for labels, value in found)
        values = np.array([value for _labels, value in lines], dtype=np.float64)
        self._last = LabelList([labels for labels, _value in lines]), values
        self.repeat(now)

    def repeat(self, now: datetime) -> None:
        """Take in the values of the last time again."""
        if self._last is not None:
            self._target.append(ms_of(now), *self._last)


class RecoverySeries:
    """Writes the state of the units to ``store``."""

    def __init__(self, store: SeriesStore, units: Mapping[str, RecoveryConfig]) -> None:
        self._series, self._units = FamilySeries(store, "recovery"), units

    def take(self, records: Mapping[str, UnitRecord], now: datetime) -> None:
        """Take in the current records."""
        self._series.take(recovery_families(self._units, records), now)


class MonitorSeries:
    """Writes what the monitor knows to ``store``: the numbers of each host, and the findings of the audit and the
    certificates of services as seldom as Prometheus scrapes."""

    def __init__(self, store: SeriesStore) -> None:
        self._store = store
        self._hosts: dict[str, HostSeries] = {}
        self._audit = FamilySeries(store, "audit")
        self._certificates = FamilySeries(store, "certificates")
        self._probes = FamilySeries(store, "probes")
        self._containers = FamilySeries(store, "containers")
        self._clusters = FamilySeries(store, "clusters")
        self._next_audit_ms = self._next_certificates_ms = self._next_probes_ms = self._next_containers_ms = 0
        self._next_clusters_ms = 0
        self._written: tuple[ClusterView, ...] = ()
        """The clusters as they were taken in last: of many objects, which seldom change."""

    def of_host(self, name: str) -> HostSeries:
        """Return the series of a host."""
        if name not in self._hosts:
            self._hosts[name] = HostSeries(self._store, name)
        return self._hosts[name]

    def take_audit(self, view: AuditView, now: datetime) -> None:
        """Take in the newest result of the audit."""
        if ms_of(now) >= self._next_audit_ms:
            self._next_audit_ms = ms_of(now) + OTHERS_EVERY_MS
            self._audit.take(audit_families(view), now)

    def take_certificates(self, services: Iterable[ServiceView], now: datetime) -> None:
        """Take in the times of the certificates of services."""
        if ms_of(now) >= self._next_certificates_ms:
            self._next_certificates_ms = ms_of(now) + OTHERS_EVERY_MS
            self._certificates.take(certificate_families(services), now)

    def take_probes(self, services: Iterable[ServiceView], now: datetime) -> None:
        """Take in the newest answers of ports and hosts, and the newest reports of jobs."""
        if ms_of(now) >= self._next_probes_ms:
            self._next_probes_ms = ms_of(now) + PROBES_EVERY_MS
            views = tuple(services)
            self._probes.take((*probe_families(views), *deadline_families(views), *lines_families(views)), now)

    def take_containers(self, engines: Mapping[str, tuple[EngineView, ...]], now: datetime) -> None:
        """Take in the containers of all hosts."""
        if ms_of(now) >= self._next_containers_ms:
            self._next_containers_ms = ms_of(now) + OTHERS_EVERY_MS
            self._containers.take(container_families(engines, now), now)

    def take_clusters(self, clusters: Mapping[str, ClusterView], now: datetime, *, at_once: bool = False) -> None:
        """Take in the Kubernetes clusters, with ``at_once`` however short ago that was done."""
        if at_once or ms_of(now) >= self._next_clusters_ms:
            self._next_clusters_ms = ms_of(now) + OTHERS_EVERY_MS
            views = tuple(clusters.values())
            if len(views) == len(self._written) and all(map(is_, views, self._written)):
                self._clusters.repeat(now)
            else:
                self._clusters.take(cluster_families(clusters), now)
                self._written = views

    def families(self) -> dict[str, exposition.Family]:
        """Return type and help of the metrics that were written, by name."""
        found: dict[str, exposition.Family] = {}
        for group in (self._audit, self._certificates, self._probes, self._containers, self._clusters):
            found |= group.families
        for host in self._hosts.values():
            found |= host.families
        return found
