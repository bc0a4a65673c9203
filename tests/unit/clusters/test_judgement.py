"""How well the objects of a cluster are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.clusters.model import (
    ClusterNode,
    ComputeAmounts,
    ContainerEnd,
    ObjectCondition,
    Pod,
    PodContainer,
    PodView,
    Workload,
    is_production,
    judge_node,
    judge_pod,
    judge_workload,
)
from lilfox_tui.metrics.model import Level

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
GOOD, DEGRADED, FAILING = Level.GOOD, Level.DEGRADED, Level.FAILING


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def container(**changes: Any) -> PodContainer:
    made: dict[str, Any] = {"name": "web", "image": "shop/web:1", "state": "running", "ready": True}
    return PodContainer(**(made | changes))


def pod(*containers: PodContainer, **changes: Any) -> Pod:
    made: dict[str, Any] = {"namespace": "shop", "name": "web-1", "phase": "Running", "status": "Running",
                            "ready": True, "ready_since": ago(hours=1), "created": ago(hours=1)}  # fmt: skip
    return Pod(**(made | {"containers": containers or (container(),)} | changes))


def waits(reason: str, message: str = "", **changes: Any) -> Pod:
    one = container(state="waiting", ready=False, reason=reason, message=message, **changes)
    return pod(one, ready=False, status=reason)


def told(made: Pod, restarts: int = 0) -> tuple[Level, list[str]]:
    level, reasons = judge_pod(made, NOW, restarts)
    return level, [str(each) for each in reasons]


OOM = ContainerEnd("OOMKilled", 137, finished=ago(minutes=2))
PODS: dict[str, tuple[Pod, Level, list[str]]] = {
    "well": (pod(), GOOD, []),
    "crash loop": (
        waits("CrashLoopBackOff", restarts=7, last_end=ContainerEnd("Error", 2, finished=ago(minutes=1))),
        FAILING, ["crash loop: restarts so far: 7, last exit code 2"],
    ),
    "crash loop for lack of memory": (
        waits("CrashLoopBackOff", restarts=4, last_end=OOM, limits=ComputeAmounts(memory=64 * 2.0**20)), FAILING,
        ["killed: out of memory (limit 64M)", "crash loop: restarts so far: 4, the last for lack of memory"],
    ),
    "killed for lack of memory, and running again": (
        pod(container(restarts=1, last_end=OOM)), FAILING, ["killed: out of memory"],
    ),
    "killed for lack of memory an hour ago": (
        pod(container(restarts=1, last_end=ContainerEnd("OOMKilled", 137, finished=ago(hours=1)))), GOOD, [],
    ),
    "ended with an error, and running again": (
        pod(container(restarts=1, last_end=ContainerEnd("Error", 3, finished=ago(minutes=2)))),
        DEGRADED, ["ended 2 min ago, last exit code 3"],
    ),
    "no image": (
        waits("ImagePullBackOff", "not found"), FAILING,
        ["image shop/web:1 cannot be pulled (ImagePullBackOff): not found"],
    ),
    "no configuration": (
        waits("CreateContainerConfigError", 'secret "db" not found'), FAILING,
        ['cannot be started (CreateContainerConfigError): secret "db" not found'],
    ),
    "being created": (pod(container(state="waiting", ready=False, reason="ContainerCreating"), ready=False,
                          phase="Pending", status="ContainerCreating", ready_since=ago(seconds=20)), GOOD, []),
    "being created for long": (
        pod(container(state="waiting", ready=False, reason="ContainerCreating"), ready=False, phase="Pending",
            status="ContainerCreating", ready_since=ago(minutes=3)),
        DEGRADED, ["not ready for 3 min (ContainerCreating)"],
    ),
    "not ready for a minute": (pod(container(ready=False), ready=False, ready_since=ago(seconds=59)), GOOD, []),
    "not ready for two": (
        pod(container(ready=False), container(name="mesh"), ready=False, ready_since=ago(minutes=2)),
        DEGRADED, ["not ready for 2 min: web"],
    ),
    "not ready for long": (
        pod(container(ready=False), ready=False, ready_since=ago(minutes=20)), FAILING, ["not ready for 20 min: web"],
    ),
    "evicted": (
        pod(phase="Failed", status="Evicted", message="low on memory", ready=False), DEGRADED,
        ["failed: low on memory"],
    ),
    "evicted after days": (
        pod(phase="Failed", status="Evicted", ready=False, owner_kind="Deployment", owner="web", created=ago(days=9),
            conditions=(ObjectCondition("DisruptionTarget", "True", since=ago(minutes=1)),)),
        DEGRADED, ["failed: Evicted"],
    ),
    "evicted, and replaced since": (
        pod(container(state="terminated", end=ContainerEnd("Error", 137, finished=ago(minutes=11))), phase="Failed",
            status="Evicted", ready=False, owner_kind="Deployment", owner="web"), GOOD, [],
    ),
    "failed days ago": (
        pod(container(state="terminated", end=ContainerEnd("Error", 1, finished=ago(days=2))), phase="Failed",
            status="Error", ready=False, created=ago(days=3)), GOOD, [],
    ),
    "done": (pod(phase="Succeeded", status="Completed", ready=False), GOOD, []),
    "ending": (pod(status="Terminating", ready=False, deleted=ago(seconds=5)), GOOD, []),
    "does not end": (
        pod(status="Terminating", ready=False, deleted=ago(minutes=5)), DEGRADED, ["should have ended 5 min ago"],
    ),
    "its node is away": (
        pod(phase="Unknown", status="Unknown", ready=False, node="node-2"), FAILING,
        ["unknown: its node node-2 does not answer"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_as_well_as_its_state_tells(name: str) -> None:
    made, level, reasons = PODS[name]
    assert told(made) == (level, reasons)


@pytest.mark.parametrize(("seconds", "level"), [(10, DEGRADED), (61, FAILING)])
def test_a_pod_that_fits_nowhere_says_why_and_since_when(seconds: int, level: Level) -> None:
    why = "0/3 nodes are available: 3 Insufficient cpu."
    condition = ObjectCondition("PodScheduled", "False", "Unschedulable", why, ago(seconds=seconds))
    made = pod(container(state="", ready=False), phase="Pending", status="Pending", ready=False, ready_since=None,
               conditions=(condition,))  # fmt: skip
    assert told(made)[0] is level
    assert told(made)[1][0].endswith(why)


def test_restarts_that_were_seen_are_a_crash_loop_also_while_it_runs() -> None:
    made = pod(container(restarts=9, last_end=ContainerEnd("Error", 1, finished=ago(minutes=1))))
    assert told(made, 2)[0] is DEGRADED
    assert told(made, 3) == (FAILING, ["crash loop: restarts so far: 9, last exit code 1"])


def test_a_container_is_named_where_there_are_several() -> None:
    made = pod(container(), container(name="mesh", state="waiting", ready=False, reason="ErrImagePull"), ready=False)
    assert told(made)[1][0].startswith("mesh: image ")


def test_what_a_cluster_says_has_no_control_characters() -> None:
    assert "\x1b" not in told(waits("ErrImagePull", "a\x1b[31mb"))[1][0]


def workload(**changes: Any) -> Workload:
    made: dict[str, Any] = {"kind": "Deployment", "namespace": "shop", "name": "web", "wanted": 3, "ready": 3,
                            "updated": 3, "available": 3, "replicas": 3}  # fmt: skip
    return Workload(**(made | changes))


def judged(made: Workload, *pods: PodView, short_s: float | None = None) -> tuple[Level, list[str]]:
    level, reasons = judge_workload(made, pods, short_s)
    return level, [str(each) for each in reasons]


def test_fewer_pods_than_wanted_are_a_problem_after_a_minute() -> None:
    assert judged(workload()) == (GOOD, [])
    assert judged(workload(available=2), short_s=59) == (GOOD, [])
    assert judged(workload(available=2), short_s=90) == (DEGRADED, ["2 of 3 pods available for 1 min"])
    assert judged(workload(available=0), short_s=90)[0] is FAILING
    assert judged(workload(wanted=0, available=0, ready=0)) == (GOOD, [])


def test_a_failed_rollout_says_why() -> None:
    stuck = ObjectCondition("Progressing", "False", "ProgressDeadlineExceeded", "has timed out progressing.")
    assert judged(workload(conditions=(stuck,))) == (FAILING, ["rollout failed: has timed out progressing."])
    quota = ObjectCondition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")
    assert judged(workload(conditions=(quota,))) == (FAILING, ["pods cannot be created: exceeded quota"])
    fine = ObjectCondition("Progressing", "True", "NewReplicaSetAvailable")
    assert judged(workload(conditions=(fine,))) == (GOOD, [])


def test_its_worst_pod_is_the_workloads_own_problem() -> None:
    bad = pod(name="web-2")
    level, reasons = judge_pod(waits("CrashLoopBackOff"), NOW)
    views = (PodView(pod=pod(), level=GOOD), PodView(pod=bad, level=level, reasons=reasons))
    assert judged(workload(), *views) == (FAILING, ["web-2: crash loop: restarts so far: 0"])


def node(*conditions: ObjectCondition, **changes: Any) -> ClusterNode:
    return ClusterNode(name="node-1", **{"ready": True, "conditions": conditions, **changes})


def test_a_node_that_is_not_ready_fails_and_one_under_pressure_is_degraded() -> None:
    assert judge_node(node()) == (GOOD, ())
    assert judge_node(node(cordoned=True)) == (GOOD, ())
    gone = node(ObjectCondition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting."), ready=False)
    level, reasons = judge_node(gone)
    assert (level, str(reasons[0])) == (FAILING, "not ready: Kubelet stopped posting.")
    level, reasons = judge_node(node(ObjectCondition("DiskPressure", "True", "x", "disk full")))
    assert (level, str(reasons[0])) == (DEGRADED, "DiskPressure: disk full")
    assert judge_node(node(ObjectCondition("NetworkUnavailable", "True")))[0] is FAILING
    assert judge_node(node(ObjectCondition("MemoryPressure", "False")))[0] is GOOD


def test_a_context_with_prod_in_its_name_is_production_unless_the_configuration_says_otherwise() -> None:
    assert is_production("shop-PROD", None)
    assert not is_production("shop-staging", None)
    assert not is_production("shop-prod", False)
    assert is_production("shop", True)
