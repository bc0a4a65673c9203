"""Clusters made by hand, for screens that must look the same every time: one that is well, and one with what goes wrong
at night."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from lilfox_tui.clusters.model import (
    ClusterEvent,
    ClusterNode,
    ClusterView,
    ComputeAmounts,
    ContainerEnd,
    NodeView,
    ObjectCondition,
    Pod,
    PodContainer,
    PodView,
    Revision,
    Workload,
    WorkloadKind,
    WorkloadView,
)
from lilfox_tui.config.model import ClusterConfig
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview
from tests.app.overviews import NOW

MIB = 1024.0**2
CONFIG = {"shop": ClusterConfig(context="shop-prod"), "staging": ClusterConfig(context="shop-staging")}


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def container(name: str, image: str, **changes: Any) -> PodContainer:
    made: dict[str, Any] = {
        "state": "running", "ready": True, "started": ago(hours=5), "requests": ComputeAmounts(0.1, 64 * MIB),
        "limits": ComputeAmounts(0.5, 128 * MIB), "usage": ComputeAmounts(0.042, 71 * MIB),
    }  # fmt: skip
    return PodContainer(name=name, image=image, **(made | changes))


def pod(
    name: str,
    owner: str,
    *containers: PodContainer,
    status: str = "Running",
    level: Level = Level.GOOD,
    why: tuple[Message, ...] = (),
    node: str = "node-1",
    namespace: str = "shop",
    kind: str = "Deployment",
    **changes: Any,
) -> PodView:
    ready = all(each.ready for each in containers)
    conditions = (
        ObjectCondition("PodScheduled", "True" if node else "False", "" if node else "Unschedulable",
                        changes.get("message", ""), ago(hours=5)),
        ObjectCondition("Ready", str(ready), "" if ready else "ContainersNotReady",
                        "" if ready else f"containers with unready status: [{owner}]", ago(minutes=6)),
    )  # fmt: skip
    made = Pod(
        namespace=namespace, name=name, uid=name, node=node, ip="10.1.0.7" if node else "", phase="Running",
        status=status, ready=ready, containers=containers, conditions=conditions, created=ago(hours=5),
        owner_kind=kind, owner=owner, **changes,
    )  # fmt: skip
    return PodView(pod=made, level=level, reasons=why)


def workload(
    name: str,
    pods: tuple[PodView, ...],
    *,
    image: str,
    kind: WorkloadKind = "Deployment",
    level: Level = Level.GOOD,
    why: tuple[Message, ...] = (),
    namespace: str = "shop",
    **changes: Any,
) -> WorkloadView:
    ready = sum(each.pod.ready for each in pods)
    numbers: dict[str, Any] = {
        "wanted": len(pods), "ready": ready, "updated": len(pods), "available": ready, "replicas": len(pods),
        "generation": 4, "observed": 4, "created": ago(days=40), "revision": 4 if kind == "Deployment" else 0,
        "conditions": (
            ObjectCondition("Available", "True", "MinimumReplicasAvailable",
                            "Deployment has minimum availability.", ago(days=3)),
            ObjectCondition("Progressing", "True", "NewReplicaSetAvailable",
                            f'ReplicaSet "{name}-6d5f7" has successfully progressed.', ago(hours=5)),
        ),
    }  # fmt: skip
    made = Workload(kind=kind, namespace=namespace, name=name, images=(image,), **(numbers | changes))
    return WorkloadView(workload=made, pods=pods, level=level, reasons=why)


def node(name: str, level: Level = Level.GOOD, *why: Message, **changes: Any) -> NodeView:
    good = level is Level.GOOD
    conditions = (
        ObjectCondition("Ready", "True" if good else "Unknown", "KubeletReady" if good else "NodeStatusUnknown",
                        "" if good else "Kubelet stopped posting node status.", ago(minutes=4)),
        ObjectCondition("MemoryPressure", "False", "KubeletHasSufficientMemory", "", ago(days=30)),
        ObjectCondition("DiskPressure", "False", "KubeletHasNoDiskPressure", "", ago(days=30)),
    )  # fmt: skip
    made = ClusterNode(
        name=name, ready=good, conditions=conditions, capacity=ComputeAmounts(4.0, 16 * 1024 * MIB),
        allocatable=ComputeAmounts(3.9, 15 * 1024 * MIB), usage=ComputeAmounts(1.3, 9 * 1024 * MIB), pods_limit=110,
        version="v1.32.1", address="10.0.0.11", created=ago(days=200), **changes,
    )  # fmt: skip
    return NodeView(node=made, level=level, reasons=why, pods=4)


def event(kind: str, name: str, reason: str, message: str, *, warning: bool = True, count: int = 1, **span: float
          ) -> ClusterEvent:  # fmt: skip
    return ClusterEvent(
        namespace="shop", kind=kind, name=name, type="Warning" if warning else "Normal", reason=reason,
        message=message, count=count, last_seen=ago(**span),
    )  # fmt: skip


def well() -> ClusterView:
    """All is well; a second, small cluster of the tests."""
    web = tuple(pod(f"web-6d5f7-{end}", "web", container("web", "registry.example/shop/web:2.3.1")) for end in "abc")
    workloads = (workload("web", web, image="registry.example/shop/web:2.3.1"),)
    return ClusterView(
        name="staging", host="web-1", context="shop-staging", version="v1.32.1", level=Level.GOOD, workloads=workloads,
        pods=web, nodes=(node("node-1"),), seen=NOW,
        events=(event("Pod", "web-6d5f7-a", "Started", "Started container web", warning=False, minutes=9),),
    )  # fmt: skip


def broken() -> ClusterView:
    """A crash loop after a bad rollout, a kill for lack of memory, an image that is not there, a pod without a place,
    and a lost node."""
    image = "registry.example/shop/api:2.4.0"
    end = ContainerEnd("Error", 1, None, "panic: no such table: orders", ago(minutes=2))
    crashing = pod(
        "api-7c9d8b6f55-x2x9q", "api",
        container("api", image, state="waiting", reason="CrashLoopBackOff", ready=False, restarts=7, last_end=end,
                  message="back-off 5m0s restarting failed container=api"),
        status="CrashLoopBackOff", level=Level.FAILING, why=(tr("crash loop: {count} restarts", count=7),),
    )  # fmt: skip
    running = tuple(pod(f"api-5b4f6c7d88-{each}", "api", container("api", "registry.example/shop/api:2.3.9"))
                    for each in ("abcde", "fghij"))  # fmt: skip
    killed = pod(
        "worker-0", "worker",
        container("worker", "registry.example/shop/worker:1.9", restarts=2, started=ago(minutes=3),
                  usage=ComputeAmounts(0.48, 121 * MIB), last_end=ContainerEnd("OOMKilled", 137, None, "",
                                                                               ago(minutes=3))),
        status="Running", level=Level.DEGRADED, why=(tr("killed for lack of memory {age} ago", age="3 min"),),
        kind="StatefulSet",
    )  # fmt: skip
    missing = pod(
        "cart-58d7f9-8k2lm", "cart",
        container("cart", "registry.example/shop/cart:typo", state="waiting", reason="ImagePullBackOff", ready=False,
                  message='Back-off pulling image "registry.example/shop/cart:typo"'),
        status="ImagePullBackOff", level=Level.FAILING, why=(tr("image cannot be pulled"),), node="node-2",
    )  # fmt: skip
    pending = pod(
        "report-6f-pp1", "report", container("report", "registry.example/shop/report:3", state="", ready=False),
        status="Pending", level=Level.DEGRADED, why=(tr("no node has room since {age}", age="12 min"),), node="",
        namespace="shop-jobs", message="0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient memory.",
    )  # fmt: skip
    revisions = tuple(
        Revision(number=number, name=f"api-{number}", images=(f"registry.example/shop/api:2.{number}",),
                 change_cause=cause, created=ago(hours=hours), replicas=count)
        for number, cause, hours, count in ((4, "release 2.4.0", 0.2, 1), (3, "release 2.3.9", 50, 2), (1, "", 900, 0))
    )  # fmt: skip
    stuck = ObjectCondition("Progressing", "False", "ProgressDeadlineExceeded",
                            'ReplicaSet "api-7c9d8b6f55" has timed out progressing.', ago(minutes=4))  # fmt: skip
    workloads = (
        workload("api", (crashing, *running), image=image, level=Level.FAILING, updated=1, wanted=3, replicas=3,
                 why=(tr("rollout failed: {reason}", reason="ProgressDeadlineExceeded"),
                      tr("{count} pod in a crash loop", count=1)),
                 change_cause="release 2.4.0", revisions=revisions,
                 conditions=(ObjectCondition("Available", "True", "MinimumReplicasAvailable", "", ago(days=3)), stuck)),
        workload("cart", (missing,), image="registry.example/shop/cart:typo", level=Level.FAILING,
                 why=(tr("image cannot be pulled"),)),
        workload("worker", (killed,), image="registry.example/shop/worker:1.9", kind="StatefulSet",
                 level=Level.DEGRADED, why=(tr("killed for lack of memory {age} ago", age="3 min"),)),
        workload("report", (pending,), image="registry.example/shop/report:3", namespace="shop-jobs",
                 level=Level.DEGRADED, why=(tr("no node has room since {age}", age="12 min"),)),
        workload("log-agent", (pod("log-agent-7xk", "log-agent", container("agent", "fluent-bit:3.1"),
                                   kind="DaemonSet"),), image="fluent-bit:3.1", kind="DaemonSet"),
    )  # fmt: skip
    pods = tuple(sorted((each for of in workloads for each in of.pods), key=lambda each: -each.level))
    events = (
        event("Pod", "api-7c9d8b6f55-x2x9q", "BackOff", "Back-off restarting failed container api", count=31,
              seconds=20),
        event("Pod", "cart-58d7f9-8k2lm", "Failed",
              'Failed to pull image "registry.example/shop/cart:typo": not found', count=9, minutes=2),
        event("Node", "node-3", "NodeNotReady", "Node node-3 status is now: NodeNotReady", minutes=4),
        event("Deployment", "api", "ScalingReplicaSet", "Scaled up replica set api-7c9d8b6f55 to 1", warning=False,
              minutes=14),
    )  # fmt: skip
    nodes = (
        node("node-3", Level.FAILING, tr("not ready since {age}", age="4 min")),
        node("node-2", cordoned=True), node("node-1", roles=("control-plane",)),
    )  # fmt: skip
    return ClusterView(
        name="shop", host="web-1", context="shop-prod", production=True, version="v1.32.1", level=Level.FAILING,
        namespaces=("shop", "shop-jobs"), workloads=workloads, pods=pods, nodes=nodes, events=events, seen=NOW,
        reasons=(tr("{count} of {all} workloads failing", count=2, all=5),
                 tr("node {name} is not ready", name="node-3")),
    )  # fmt: skip


def with_clusters(*views: ClusterView) -> Overview:
    """An overview of these clusters alone."""
    return Overview(NOW, {}, {}, clusters={view.name: view for view in views})
