"""Objects as the API server prints them for ``kubectl get``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.services.kube_cluster_store import Kind, Object


def _age(made: Object) -> str:
    began = datetime.fromisoformat(made["metadata"]["creationTimestamp"])
    return f"{int((datetime.now(UTC) - began).total_seconds())}s"


def pod_reason(pod: Object) -> str:
    """STATUS, as printers/internalversion/printers.go of Kubernetes makes it."""
    status = pod.get("status", {})
    reason: str = status.get("reason") or status.get("phase", "Pending")
    inits = status.get("initContainerStatuses", [])
    for at, each in enumerate(inits):
        ended = each["state"].get("terminated")
        if ended and ended["exitCode"] == 0:
            continue
        waiting = each["state"].get("waiting", {}).get("reason")
        if ended:
            reason = f"Init:{ended['reason']}"
        elif waiting and waiting != "PodInitializing":
            reason = f"Init:{waiting}"
        else:
            reason = f"Init:{at}/{len(inits)}"
        break
    else:
        for each in reversed(status.get("containerStatuses", [])):
            for kind in ("waiting", "terminated"):
                reason = each["state"].get(kind, {}).get("reason") or reason
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else reason


def _pod(made: Object) -> list[object]:
    statuses = made.get("status", {}).get("containerStatuses", [])
    ready = f"{sum(each['ready'] for each in statuses)}/{len(made['spec']['containers'])}"
    restarts = sum(each["restartCount"] for each in statuses)
    return [ready, pod_reason(made), str(restarts), _age(made)]


def _deployment(made: Object) -> list[object]:
    status, wanted = made.get("status", {}), made["spec"]["replicas"]
    ready = f"{status.get('readyReplicas', 0)}/{wanted}"
    return [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), _age(made)]


def _replicas(made: Object) -> list[object]:
    status = made.get("status", {})
    return [made["spec"]["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0), _age(made)]


def _node(made: Object) -> list[object]:
    is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in made["status"]["conditions"])
    said = "Ready" if is_ready else "NotReady"
    said += ",SchedulingDisabled" if made["spec"].get("unschedulable") else ""
    return [said, "<none>", _age(made), made["status"]["nodeInfo"]["kubeletVersion"]]


_TABLES: Mapping[str, tuple[tuple[str, ...], Callable[[Object], list[object]]]] = {
    "pods": (("Ready", "Status", "Restarts", "Age"), _pod),
    "deployments": (("Ready", "Up-to-date", "Available", "Age"), _deployment),
    "replicasets": (("Desired", "Current", "Ready", "Age"), _replicas),
    "nodes": (("Status", "Roles", "Age", "Version"), _node),
}


def table(kind: Kind, found: list[Object]) -> dict[str, Any] | None:
    """The objects as a table; None where kubectl prints the kind by itself."""
    if kind.resource not in _TABLES:
        return None
    columns, row = _TABLES[kind.resource]
    defined = [
        {"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": "", "priority": 0}
        for name in ("Name", *columns)
    ]
    rows = [{"cells": [each["metadata"]["name"], *row(each)], "object": each} for each in found]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": defined, "rows": rows}
