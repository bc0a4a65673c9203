"""Kubernetes clusters as metric families, with the names and labels that kube-state-metrics gives them and the label
``cluster``, for rules, queries and ``/metrics``; and as ``check`` tells of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lilfox_tui.clusters.model import ClusterView, NodeView, ObjectCondition, Pod, PodContainer, Workload
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.export_sections import Family, Line

_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
_STATUSES = ("true", "false", "unknown")
_WorkloadFamily = tuple[str, str, Callable[[Workload], float]]
_DEPLOYMENT: tuple[_WorkloadFamily, ...] = (
    ("kube_deployment_spec_replicas", "Pods that are wanted.", lambda each: each.wanted),
    ("kube_deployment_status_replicas", "Pods that there are, old and new.", lambda each: each.replicas),
    ("kube_deployment_status_replicas_ready", "Pods that are ready.", lambda each: each.ready),
    ("kube_deployment_status_replicas_available", "Pods that are available.", lambda each: each.available),
    ("kube_deployment_status_replicas_updated", "Pods of the newest revision.", lambda each: each.updated),
    ("kube_deployment_status_observed_generation", "Generation that the controller has seen.",
     lambda each: each.observed),
    ("kube_deployment_metadata_generation", "Generation of what is wanted.", lambda each: each.generation),
    ("kube_deployment_spec_paused", "Whether the Deployment is paused.", lambda each: each.paused),
)  # fmt: skip
_STATEFUL_SET: tuple[_WorkloadFamily, ...] = (
    ("kube_statefulset_replicas", "Pods that are wanted.", lambda each: each.wanted),
    ("kube_statefulset_status_replicas", "Pods that there are.", lambda each: each.replicas),
    ("kube_statefulset_status_replicas_ready", "Pods that are ready.", lambda each: each.ready),
    ("kube_statefulset_status_replicas_available", "Pods that are available.", lambda each: each.available),
    ("kube_statefulset_status_replicas_updated", "Pods of the newest revision.", lambda each: each.updated),
)
_DAEMON_SET: tuple[_WorkloadFamily, ...] = (
    ("kube_daemonset_status_desired_number_scheduled", "Nodes that should run the pod.", lambda each: each.wanted),
    ("kube_daemonset_status_current_number_scheduled", "Nodes that run the pod.", lambda each: each.replicas),
    ("kube_daemonset_status_number_ready", "Nodes whose pod is ready.", lambda each: each.ready),
    ("kube_daemonset_status_number_available", "Nodes whose pod is available.", lambda each: each.available),
    ("kube_daemonset_status_updated_number_scheduled", "Nodes that run the newest revision.",
     lambda each: each.updated),
)  # fmt: skip
_WORKLOADS = (
    ("Deployment", "deployment", _DEPLOYMENT),
    ("StatefulSet", "statefulset", _STATEFUL_SET),
    ("DaemonSet", "daemonset", _DAEMON_SET),
)


def cluster_families(clusters: Mapping[str, ClusterView]) -> Iterator[Family]:
    """Yield the metrics of all clusters, and whether each answers. Those of a cluster that does not are absent. A
    series is there once, also where a cluster tells of something twice."""
    for name, kind, text, lines in _families(clusters):
        yield name, kind, text, list(dict(lines).items())


def _families(clusters: Mapping[str, ClusterView]) -> Iterator[Family]:
    answering = [each for each in clusters.values() if each.error is None and each.seen is not None]
    yield from _workload_families(answering)
    yield from _pod_families([(each.name, view.pod) for each in answering for view in each.pods])
    yield from _node_families([(each.name, view) for each in answering for view in each.nodes])
    up = [(_labels(each.name), float(each.error is None and each.seen is not None)) for each in clusters.values()]
    yield "lilfox_cluster_up", "gauge", "Whether the API server of the cluster answers.", up
    levels = [(_labels(each.name), float(each.level)) for each in clusters.values()]
    yield "lilfox_cluster_level", "gauge", "State of the cluster: 0 good, 1 unknown, 2 degraded, 3 failing.", levels


def _labels(cluster: str, **labels: str) -> Labels:
    return tuple(sorted({"cluster": cluster, **labels}.items()))


def _workload_families(clusters: Iterable[ClusterView]) -> Iterator[Family]:
    found = [(each.name, view.workload) for each in clusters for view in each.workloads]
    for kind, label, families in _WORKLOADS:
        of_kind = [
            (_labels(cluster, namespace=each.namespace, **{label: each.name}), each)
            for cluster, each in found
            if each.kind == kind
        ]
        for name, text, value_of in families:
            yield name, "gauge", text, [(labels, float(value_of(each))) for labels, each in of_kind]
    conditions = [
        line
        for cluster, each in found
        if each.kind == "Deployment"
        for line in _conditions(cluster, each.conditions, namespace=each.namespace, deployment=each.name)
    ]
    yield "kube_deployment_status_condition", "gauge", "Conditions of the Deployment.", conditions


def _conditions(cluster: str, conditions: Iterable[ObjectCondition], **labels: str) -> Iterator[Line]:
    """Three lines for each condition, of which one is 1."""
    for each in conditions:
        for status in _STATUSES:
            value = float(each.status.lower() == status)
            yield _labels(cluster, **labels, condition=each.type, status=status), value


def _pod_families(pods: list[tuple[str, Pod]]) -> Iterator[Family]:
    named = [
        (cluster, {"namespace": each.namespace, "pod": each.name, "uid": each.uid}, each) for cluster, each in pods
    ]
    info = [(_labels(cluster, **labels, node=pod.node, pod_ip=pod.ip, created_by_kind=pod.controller_kind,
                     created_by_name=pod.controller), 1.0) for cluster, labels, pod in named]  # fmt: skip
    yield "kube_pod_info", "gauge", "Where a pod runs, and what made it.", info
    owners = [(_labels(cluster, **labels, owner_kind=pod.controller_kind, owner_name=pod.controller,
                       owner_is_controller=str(bool(pod.controller)).lower()), 1.0)
              for cluster, labels, pod in named]  # fmt: skip
    yield "kube_pod_owner", "gauge", "What made a pod.", owners
    phases = [(_labels(cluster, **labels, phase=phase), float(pod.phase == phase))
              for cluster, labels, pod in named for phase in _PHASES]  # fmt: skip
    yield "kube_pod_status_phase", "gauge", "Phase of a pod.", phases
    ready = [(_labels(cluster, **labels, condition=status), float(_ready_status(pod) == status))
             for cluster, labels, pod in named for status in _STATUSES]  # fmt: skip
    yield "kube_pod_status_ready", "gauge", "Whether a pod is ready.", ready
    containers = [
        (_labels(cluster, **labels, container=each.name), each)
        for cluster, labels, pod in named
        for each in pod.containers
        if not each.init
    ]
    yield from _container_families(containers)
    for kind, name, unit in (("cpu", "cpu_cores", "CPU cores"), ("memory", "memory_bytes", "bytes of memory")):
        lines = [(_labels(cluster, **labels), value) for cluster, labels, pod in named
                 if (value := getattr(pod.usage, kind)) is not None]  # fmt: skip
        yield f"lilfox_kube_pod_{name}", "gauge", f"What the pod uses, in {unit}, as the metrics server tells.", lines


def _ready_status(pod: Pod) -> str:
    ready = pod.condition("Ready")
    return "false" if ready is None else ready.status.lower()


def _container_families(containers: list[tuple[Labels, PodContainer]]) -> Iterator[Family]:
    restarts = [(labels, float(each.restarts)) for labels, each in containers]
    yield "kube_pod_container_status_restarts_total", "counter", "Restarts of a container.", restarts
    waiting = [((*labels, ("reason", each.reason)), 1.0) for labels, each in containers if each.reason]
    yield "kube_pod_container_status_waiting_reason", "gauge", "Why a container waits.", waiting
    ready = [(labels, float(each.ready)) for labels, each in containers]
    yield "kube_pod_container_status_ready", "gauge", "Whether a container is ready.", ready
    ended = [((*labels, ("reason", each.last_end.reason)), 1.0) for labels, each in containers
             if each.last_end is not None and each.last_end.reason]  # fmt: skip
    yield "kube_pod_container_status_last_terminated_reason", "gauge", "How a container ended last.", ended
    for name, what in (("limits", "Limit"), ("requests", "Request")):
        lines: list[Line] = []
        for labels, each in containers:
            given = getattr(each, name)
            if given.cpu is not None:
                lines.append(((*labels, ("resource", "cpu"), ("unit", "core")), given.cpu))
            if given.memory is not None:
                lines.append(((*labels, ("resource", "memory"), ("unit", "byte")), given.memory))
        yield f"kube_pod_container_resource_{name}", "gauge", f"{what} of a container.", lines


def _node_families(nodes: list[tuple[str, NodeView]]) -> Iterator[Family]:
    conditions = [line for cluster, view in nodes
                  for line in _conditions(cluster, view.node.conditions, node=view.node.name)]  # fmt: skip
    yield "kube_node_status_condition", "gauge", "Conditions of a node.", conditions
    cordoned = [(_labels(cluster, node=view.node.name), float(view.node.cordoned)) for cluster, view in nodes]
    yield "kube_node_spec_unschedulable", "gauge", "Whether a node takes no new pods.", cordoned
    info = [(_labels(cluster, node=view.node.name, kubelet_version=view.node.version), 1.0) for cluster, view in nodes]
    yield "kube_node_info", "gauge", "Version of a node.", info


def clusters_document(clusters: Mapping[str, ClusterView]) -> dict[str, Any]:
    """The clusters for JSON, without what is in them."""
    return {
        name: {
            "level": each.level.name.lower(),
            "reasons": [str(reason) for reason in each.reasons],
            "context": each.context or None,
            "version": each.version or None,
            "workloads": len(each.workloads),
            "pods": len(each.pods),
            "nodes": len(each.nodes),
        }
        for name, each in clusters.items()
    }
