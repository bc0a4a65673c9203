"""``lilfox cluster list``: the workloads, pods, nodes and events of Kubernetes clusters, worst first."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lilfox_tui.cli.output import Cell, print_json, print_table, shape
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.clusters.model import (
    ClusterEvent,
    ClusterView,
    ComputeAmounts,
    NodeView,
    ObjectCondition,
    Pod,
    PodContainer,
    PodView,
    WorkloadView,
)
from lilfox_tui.config.model import ClusterConfig, Config
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, clauses, listed, tr
from lilfox_tui.core.text import human_bytes, human_duration
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import level_name
from lilfox_tui.monitor.export_sections import iso
from lilfox_tui.monitor.watchers.cluster import WatchedClusters

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_GROUPS = ("workloads", "pods", "nodes", "events")
_EVENTS_SHOWN = 20


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``cluster list``."""
    parser.add_argument("clusters", nargs="*", metavar="CLUSTER", help=_("only these clusters; all when not given"))
    parser.add_argument(
        "-n", "--namespace", action="append", metavar="NAME", help=_("only this namespace; may be repeated")
    )
    parser.add_argument("--only", choices=_GROUPS, action="append", help=_("only this list; may be repeated"))
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))
    parser.add_argument(
        "--timeout", type=duration, default=15.0, metavar="DURATION", help=_("time limit for all checks together")
    )


def run_list(args: argparse.Namespace) -> int:
    """Lists what the clusters have; 1 if one of them fails or cannot be asked."""
    if args.json_schema:
        print_schema("cluster-list")
        return 0
    config = load_settings(args).config
    views = asyncio.run(look_at_clusters(config, _chosen(config, args), args.timeout))
    now = datetime.now(UTC)
    wanted = tuple(args.only or _GROUPS)
    if args.json:
        print_json(cluster_list_document(views, now, wanted))
    else:
        for place, view in enumerate(views):
            if place:
                print_table([[]])
            _print(view, now, wanted)
    return 1 if any(each.error is not None or each.level is Level.FAILING for each in views) else 0


def _chosen(config: Config, args: argparse.Namespace) -> dict[str, ClusterConfig]:
    """The clusters that are asked for, with the namespaces that are. Raises UsageError."""
    if not config.clusters:
        raise UsageError(tr("the configuration names no clusters"), tr("Add clusters: to it (docs/kubernetes.md)."))
    if unknown := [name for name in args.clusters if name not in config.clusters]:
        raise UsageError(tr("{name}: no such cluster in the config", name=unknown[0]),
                         tr("one of: {names}", names=listed(config.clusters)))  # fmt: skip
    for each in args.namespace or ():
        if _NAMESPACE.fullmatch(each) is None:
            raise UsageError(tr("{name}: not the name of a namespace", name=each))
    chosen = {name: each for name, each in config.clusters.items() if not args.clusters or name in args.clusters}
    if not args.namespace:
        return chosen
    namespaces = tuple(dict.fromkeys(args.namespace))
    return {name: msgspec.structs.replace(each, namespaces=namespaces) for name, each in chosen.items()}


async def look_at_clusters(
    config: Config, clusters: Mapping[str, ClusterConfig], timeout_s: float
) -> list[ClusterView]:
    """Looks once at these clusters; what has not answered in time has failed."""
    opened: dict[str, Host] = {}

    def host_of(name: str | None) -> Host | None:
        if name is None:
            return None
        if name not in opened:
            opened[name] = open_host(name, config.hosts[name], config.ssh, read_only=config.read_only)
        return opened[name]

    watched = WatchedClusters(clusters, host_of, lambda: None)
    looks = [asyncio.create_task(each) for each in watched.checks()]
    try:
        await asyncio.wait(looks, timeout=timeout_s)
        watched.give_up(timeout_s)
        views = watched.views(datetime.now(UTC))
        for each in looks:
            each.cancel()
        for outcome in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        return sorted(views.values(), key=lambda each: -each.level)
    finally:
        await asyncio.gather(watched.close(), *(host.close() for host in opened.values()))


# As tables.


def _print(view: ClusterView, now: datetime, wanted: Sequence[str]) -> None:
    print_table(_head(view))
    tables = {
        "workloads": (_("Workloads"), [_workload(each, now) for each in view.workloads]),
        "pods": (_("Pods"), [_pod(each, now) for each in view.pods]),
        "nodes": (_("Nodes"), [_node(each, now) for each in view.nodes]),
        "events": (_("Warnings"), [_event(each, now) for each in _warnings(view)[:_EVENTS_SHOWN]]),
    }
    for name in wanted:
        title, rows = tables[name]
        if rows:
            print_table([[], [Cell(title)]])
            print_table(rows)


def _head(view: ClusterView) -> Iterator[list[Cell]]:
    words = [view.context or "-", _("asked from {host}", host=view.host), view.version]
    words += [_("production")] if view.production else []
    yield [shape(view.level), Cell(view.name), Cell("  ".join(filter(None, words)))]
    told = list(view.reasons) if view.error is not None else []
    if view.error is not None and str(view.error.hint):
        told.append(tr("hint: {hint}", hint=view.error.hint))
    for each in (*told, *view.missing):
        yield [Cell(""), Cell(""), Cell(str(each))]


def _workload(view: WorkloadView, now: datetime) -> list[Cell]:
    each = view.workload
    state = [f"{each.available}/{each.wanted}"]
    state += [_("paused")] if each.paused else []
    state += [_("{count} updated", count=each.updated)] if each.updated < each.wanted else []
    return [
        shape(view.level), Cell(each.namespace), Cell(each.resource), Cell(", ".join(state)),
        Cell(f"#{each.revision}" if each.revision else ""), Cell(" ".join(each.images)),
        Cell(_age(each.created, now), right=True), Cell(clauses(map(str, view.reasons)), folds=True),
    ]  # fmt: skip


def _pod(view: PodView, now: datetime) -> list[Cell]:
    pod = view.pod
    return [
        shape(view.level), Cell(pod.namespace), Cell(pod.name), Cell(pod.ready_text), Cell(pod.status),
        Cell(str(pod.restarts), right=True), Cell(cores_text(pod.usage, pod.limits), right=True),
        Cell(bytes_text(pod.usage, pod.limits), right=True), Cell(pod.node), Cell(_age(pod.created, now), right=True),
        Cell(clauses(map(str, view.reasons)), folds=True),
    ]  # fmt: skip


def _node(view: NodeView, now: datetime) -> list[Cell]:
    node = view.node
    state = _("ready") if node.ready else _("not ready")
    return [
        shape(view.level), Cell(node.name), Cell(_("{state}, cordoned", state=state) if node.cordoned else state),
        Cell(" ".join(node.roles)), Cell(node.version), Cell(str(view.pods), right=True),
        Cell(cores_text(node.usage, node.allocatable), right=True),
        Cell(bytes_text(node.usage, node.allocatable), right=True), Cell(_age(node.created, now), right=True),
        Cell(clauses(map(str, view.reasons)), folds=True),
    ]  # fmt: skip


def _warnings(view: ClusterView) -> list[ClusterEvent]:
    return [each for each in view.events if each.type != "Normal"]


def _event(each: ClusterEvent, now: datetime) -> list[Cell]:
    return [
        Cell(_age(each.last_seen, now), right=True), Cell(each.namespace), Cell(f"{each.kind.lower()}/{each.name}"),
        Cell(each.reason), Cell(f"×{each.count}" if each.count > 1 else ""), Cell(each.message, folds=True),
    ]  # fmt: skip


def _age(since: datetime | None, now: datetime) -> str:
    return "-" if since is None else human_duration(round(max(0.0, (now - since).total_seconds())))


def cores_text(usage: ComputeAmounts, limit: ComputeAmounts) -> str:
    """CPU in cores against its limit: ``0.25/1``."""
    if usage.cpu is None:
        return "-"
    return f"{usage.cpu:.2f}" if limit.cpu is None else f"{usage.cpu:.2f}/{limit.cpu:g}"


def bytes_text(usage: ComputeAmounts, limit: ComputeAmounts) -> str:
    """Memory against its limit: ``52M/64M``."""
    if usage.memory is None:
        return "-"
    used = human_bytes(usage.memory)
    return used if limit.memory is None else f"{used}/{human_bytes(limit.memory)}"


# As JSON.


def cluster_list_document(
    views: Sequence[ClusterView], now: datetime, wanted: Sequence[str] = _GROUPS
) -> dict[str, Any]:
    """The document of ``--json``. Memory is in bytes, CPU in cores, times are ISO 8601; null is not known."""
    return {"timestamp": iso(now), "clusters": [_cluster_document(each, wanted) for each in views]}


def _cluster_document(view: ClusterView, wanted: Sequence[str]) -> dict[str, Any]:
    made = {
        "name": view.name,
        "host": view.host,
        "context": view.context or None,
        "server": view.server or None,
        "namespaces": list(view.namespaces),
        "production": view.production,
        "version": view.version or None,
        "level": level_name(view.level),
        "reasons": [str(each) for each in view.reasons],
        "error": None if view.error is None else str(view.error),
        "missing": [str(each) for each in view.missing],
    }
    lists = {
        "workloads": lambda: [_workload_document(each) for each in view.workloads],
        "pods": lambda: [_pod_document(each) for each in view.pods],
        "nodes": lambda: [_node_document(each) for each in view.nodes],
        "events": lambda: [_event_document(each) for each in view.events],
    }
    return made | {name: lists[name]() for name in wanted}


def _judged(view: WorkloadView | PodView | NodeView) -> dict[str, Any]:
    return {"level": level_name(view.level), "reasons": [str(each) for each in view.reasons]}


def _time(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def _workload_document(view: WorkloadView) -> dict[str, Any]:
    each = view.workload
    return {
        "kind": each.kind,
        "namespace": each.namespace,
        "name": each.name,
        **_judged(view),
        "wanted": each.wanted,
        "ready": each.ready,
        "updated": each.updated,
        "available": each.available,
        "revision": each.revision or None,
        "change_cause": each.change_cause or None,
        "images": list(each.images),
        "paused": each.paused,
        "rolling": each.rolling,
        "selector": each.selector,
        "created": _time(each.created),
        "conditions": [_condition_document(one) for one in each.conditions],
        "revisions": [
            {"number": one.number, "images": list(one.images), "change_cause": one.change_cause or None,
             "created": _time(one.created), "replicas": one.replicas}
            for one in each.revisions
        ],
        "pods": [one.pod.name for one in view.pods],
    }  # fmt: skip


def _condition_document(each: ObjectCondition) -> dict[str, Any]:
    return {"type": each.type, "status": each.status, "reason": each.reason, "message": each.message,
            "since": _time(each.since)}  # fmt: skip


def _pod_document(view: PodView) -> dict[str, Any]:
    pod: Pod = view.pod
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        **_judged(view),
        "status": pod.status,
        "phase": pod.phase,
        "ready": pod.ready,
        "node": pod.node or None,
        "restarts": pod.restarts,
        "recent_restarts": view.recent_restarts,
        "owner": f"{pod.owner_kind}/{pod.owner}" if pod.owner else None,
        "created": _time(pod.created),
        "cpu_cores": pod.usage.cpu,
        "memory_bytes": pod.usage.memory,
        "containers": [_container_document(each) for each in pod.containers],
    }


def _container_document(each: PodContainer) -> dict[str, Any]:
    end = each.latest_end
    return {
        "name": each.name,
        "image": each.image,
        "init": each.init,
        "state": each.state or None,
        "reason": each.reason or None,
        "message": each.message or None,
        "ready": each.ready,
        "restarts": each.restarts,
        "last_end": None if end is None else {
            "reason": end.reason or None, "exit_code": end.exit_code, "finished": _time(end.finished),
        },
        "requests": _amounts_document(each.requests),
        "limits": _amounts_document(each.limits),
        "usage": _amounts_document(each.usage),
    }  # fmt: skip


def _amounts_document(each: ComputeAmounts) -> dict[str, float | None]:
    return {"cpu_cores": each.cpu, "memory_bytes": each.memory}


def _node_document(view: NodeView) -> dict[str, Any]:
    node = view.node
    return {
        "name": node.name,
        **_judged(view),
        "ready": node.ready,
        "cordoned": node.cordoned,
        "roles": list(node.roles),
        "version": node.version,
        "pods": view.pods,
        "allocatable": _amounts_document(node.allocatable),
        "usage": _amounts_document(node.usage),
        "created": _time(node.created),
        "conditions": [_condition_document(each) for each in node.conditions],
    }


def _event_document(each: ClusterEvent) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "kind": each.kind,
        "name": each.name,
        "type": each.type,
        "reason": each.reason,
        "message": each.message,
        "count": each.count,
        "last_seen": _time(each.last_seen),
    }
