"""The objects of a cluster in kubectl's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lilfox_tui.clusters.model import ComputeAmounts, Revision
from lilfox_tui.clusters.objects import (
    event_of,
    node_of,
    objects_of,
    pod_of,
    quantity,
    selector_text,
    usages_of,
    with_usages,
    workload_of,
)

AT = "2026-12-01T10:00:00Z"
TIME = datetime(2026, 12, 1, 10, tzinfo=UTC)
RUNNING = {"running": {"startedAt": AT}}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def ended(reason: str = "", code: int = 0, signal: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {"exitCode": code, "finishedAt": AT}
    found |= {"reason": reason} if reason else {}
    return {"terminated": found | ({"signal": signal} if signal else {})}


def status(name: str, state: dict[str, Any], *, ready: bool = False, restarts: int = 0) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": ready, "restartCount": restarts}


def pod(
    *states: dict[str, Any], phase: str = "Running", init: tuple[dict[str, Any], ...] = (), **changes: Any
) -> dict[str, Any]:
    """A pod whose containers ``c0``… have these statuses, as the API has it."""
    containers = [{"name": each["name"], "image": "shop/web:1"} for each in states]
    inits = [{"name": each["name"], "image": "shop/migrate:1"} for each in init]
    made: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "creationTimestamp": AT},
        "spec": {"containers": containers, "initContainers": inits, "nodeName": "node-1"},
        "status": {"phase": phase, "containerStatuses": list(states), "initContainerStatuses": list(init)},
    }
    for key, value in changes.items():
        made[key] = {**made[key], **value}
    return made


def condition(name: str, value: str, **more: str) -> dict[str, Any]:
    return {"type": name, "status": value, "lastTransitionTime": AT, **more}


STATUSES: dict[str, tuple[dict[str, Any], str, str]] = {
    "running": (pod(status("c0", RUNNING, ready=True)), "Running", "1/1"),
    "half ready": (pod(status("c0", RUNNING, ready=True), status("c1", RUNNING)), "Running", "1/2"),
    "no statuses yet": (pod(phase="Pending"), "Pending", "0/0"),
    "the first container that waits": (
        pod(status("c0", waiting("ImagePullBackOff")), status("c1", waiting("CrashLoopBackOff"))),
        "ImagePullBackOff",
        "0/2",
    ),
    "created": (pod(status("c0", waiting("ContainerCreating")), phase="Pending"), "ContainerCreating", "0/1"),
    "completed": (pod(status("c0", ended("Completed")), phase="Succeeded"), "Completed", "0/1"),
    "one completed, one running and ready": (
        pod(status("c0", ended("Completed")), status("c1", RUNNING, ready=True),
            status={"conditions": [condition("Ready", "True")]}),
        "Running", "1/2",
    ),
    "one completed, one running, not ready": (
        pod(status("c0", ended("Completed")), status("c1", RUNNING, ready=True)), "NotReady", "1/2",
    ),
    "an exit code alone": (pod(status("c0", ended(code=3))), "ExitCode:3", "0/1"),
    "a signal": (pod(status("c0", ended(code=137, signal=9))), "Signal:9", "0/1"),
    "killed for lack of memory": (pod(status("c0", ended("OOMKilled", 137))), "OOMKilled", "0/1"),
    "initialising": (
        pod(status("c0", waiting("PodInitializing")), phase="Pending",
            init=(status("i0", ended("Completed")), status("i1", RUNNING), status("i2", waiting("PodInitializing")))),
        "Init:1/3", "0/1",
    ),
    "an init container that crashes": (
        pod(status("c0", waiting("PodInitializing")), phase="Pending",
            init=(status("i0", waiting("CrashLoopBackOff")),)),
        "Init:CrashLoopBackOff", "0/1",
    ),
    "an init container that failed": (
        pod(status("c0", waiting("PodInitializing")), phase="Pending", init=(status("i0", ended("Error", 1)),)),
        "Init:Error", "0/1",
    ),
    "an init container with an exit code": (
        pod(status("c0", waiting("PodInitializing")), phase="Pending", init=(status("i0", ended(code=4)),)),
        "Init:ExitCode:4", "0/1",
    ),
    "initialised": (
        pod(status("c0", waiting("CreateContainerConfigError")), phase="Pending",
            init=(status("i0", ended("Completed")),)),
        "CreateContainerConfigError", "0/1",
    ),
    "evicted": (pod(phase="Failed", status={"reason": "Evicted"}), "Evicted", "0/0"),
    "gated": (
        pod(phase="Pending", status={"conditions": [condition("PodScheduled", "False", reason="SchedulingGated")]}),
        "SchedulingGated", "0/0",
    ),
    "terminating": (
        pod(status("c0", RUNNING, ready=True), metadata={"deletionTimestamp": AT}), "Terminating", "1/1",
    ),
    "ended, and being removed": (
        pod(status("c0", ended("Completed")), phase="Succeeded", metadata={"deletionTimestamp": AT}),
        "Completed", "0/1",
    ),
    "on a lost node": (
        pod(status("c0", RUNNING), status={"reason": "NodeLost"}, metadata={"deletionTimestamp": AT}), "Unknown", "0/1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STATUSES)
def test_a_pod_has_the_status_that_kubectl_shows(name: str) -> None:
    document, shown, ready = STATUSES[name]
    found = pod_of(document, {})
    assert (found.status, found.ready_text) == (shown, ready)


def test_a_sidecar_counts_as_a_container() -> None:
    document = pod(
        status("c0", RUNNING, ready=True, restarts=1), init=(status("mesh", RUNNING, ready=True, restarts=2),)
    )
    document["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    found = pod_of(document, {})
    assert (found.status, found.ready_text, found.restarts) == ("Running", "2/2", 3)


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", 0.25), ("2", 2.0), (1, 1.0), ("1.5", 1.5), ("64Mi", 64 * 2.0**20), ("1G", 1e9), ("12k", 12e3),
     ("2e3", 2000.0), ("1E2", 100.0), ("1E", 1e18), ("120482n", 0.000120482), ("3u", 3e-6), ("", None), ("x", None),
     ("1 Mi", None), (None, None), (True, None), ("9" * 40, None)],
)  # fmt: skip
def test_amounts_are_read_as_kubernetes_writes_them(text: object, number: float | None) -> None:
    found = quantity(text)
    assert found == (None if number is None else pytest.approx(number))


def deployment(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "d1", "generation": 3, "creationTimestamp": AT,
            "annotations": {"deployment.kubernetes.io/revision": "2", "kubernetes.io/change-cause": "release 2"},
        },
        "spec": {
            "replicas": 3, "paused": True,
            "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]},
            "template": {"spec": {"containers": [{"name": "web", "image": "shop/web:2",
                                                  "env": [{"name": "PASSWORD", "value": "secret-value"}]}]}},
        },
        "status": {"observedGeneration": 2, "replicas": 4, "readyReplicas": 3, "updatedReplicas": 1,
                   "availableReplicas": 2, "conditions": [condition("Progressing", "True", reason="NewReplica")]},
    }  # fmt: skip
    for key, value in changes.items():
        made[key] = {**made[key], **value}
    return made


def replica_set(number: int, uid: str, owner: str = "d1", **status_: int) -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{number}", "namespace": "shop", "uid": uid, "creationTimestamp": AT,
            "annotations": {"deployment.kubernetes.io/revision": str(number),
                            "kubernetes.io/change-cause": f"release {number}"},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": owner, "controller": True}],
        },
        "spec": {"template": {"spec": {"containers": [{"image": f"shop/web:{number}"}]}}},
        "status": status_,
    }  # fmt: skip


def test_a_deployment_has_its_revisions_and_its_pods_know_it() -> None:
    owned = pod(status("c0", RUNNING, ready=True))
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-2", "uid": "r2", "controller": True}]
    found = objects_of([deployment(), replica_set(1, "r1"), replica_set(2, "r2", replicas=3), owned])
    web = found.workloads[0]
    assert (web.wanted, web.ready, web.updated, web.available, web.replicas) == (3, 3, 1, 2, 4)
    assert (web.revision, web.generation, web.observed, web.paused, web.rolling) == (2, 3, 2, True, True)
    assert (web.images, web.change_cause, web.resource) == (("shop/web:2",), "release 2", "deployment/web")
    assert web.selector == "app=web,tier in (a,b),!old"
    assert web.conditions[0].since == TIME
    assert [each.number for each in web.revisions] == [2, 1]
    assert web.revisions[0] == Revision(
        number=2, name="web-2", images=("shop/web:2",), change_cause="release 2", created=TIME, replicas=3
    )
    made = found.pods[0]
    assert (made.owner_kind, made.owner, made.controller_kind, made.controller) == (
        "Deployment", "web", "ReplicaSet", "web-2",
    )  # fmt: skip
    assert "secret-value" not in repr(found)


def test_what_a_program_said_before_it_ended_has_no_secrets() -> None:
    said = pod(status("c0", {"terminated": {"message": "cannot use postgres://app:hunter2@db/shop", "exitCode": 1}}))
    assert "hunter2" not in repr(pod_of(said, {}))


def test_another_deployments_sets_are_not_its_revisions() -> None:
    assert objects_of([deployment(), replica_set(7, "r7", owner="other")]).workloads[0].revisions == ()


def test_a_daemon_set_counts_nodes() -> None:
    counted = {"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberReady": 2, "numberAvailable": 1,
               "updatedNumberScheduled": 2, "observedGeneration": 3}  # fmt: skip
    found = workload_of(deployment(status=counted), "DaemonSet")
    assert (found.wanted, found.replicas, found.ready, found.available, found.updated) == (3, 3, 2, 1, 2)


def test_a_stateful_set_of_an_old_cluster_has_what_is_ready_available() -> None:
    counted = {"replicas": 3, "readyReplicas": 3, "currentReplicas": 3}
    old = {**deployment(), "status": counted}
    assert workload_of(old, "StatefulSet").available == 3
    assert workload_of({**old, "status": {**counted, "availableReplicas": 1}}, "StatefulSet").available == 1


def test_a_workload_without_replicas_wants_one() -> None:
    made = deployment()
    del made["spec"]["replicas"]
    assert workload_of(made, "Deployment").wanted == 1


def test_a_selector_is_written_as_kubectl_takes_it() -> None:
    not_known = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "a", "operator": "Near"}]}
    assert selector_text(not_known) == "", "and not a wider one"
    assert selector_text({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}) == "a notin (b)"


def test_a_node_is_read() -> None:
    made = node_of({
        "metadata": {"name": "node-1", "creationTimestamp": AT,
                     "labels": {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/etcd": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "capacity": {"cpu": "4", "memory": "8Gi"}, "allocatable": {"cpu": "3900m", "memory": "7Gi", "pods": "110"},
            "conditions": [condition("Ready", "True")], "nodeInfo": {"kubeletVersion": "v1.32.3"},
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
        },
    })  # fmt: skip
    assert (made.ready, made.cordoned, made.roles, made.version) == (True, True, ("control-plane", "etcd"), "v1.32.3")
    assert made.allocatable == ComputeAmounts(3.9, 7 * 2.0**30)
    assert (made.pods_limit, made.address) == (110, "192.0.2.1")


def test_events_of_both_apis_are_read() -> None:
    old = {
        "metadata": {"namespace": "shop"}, "involvedObject": {"kind": "Pod", "name": "web-1", "namespace": "shop"},
        "type": "Warning", "reason": "BackOff", "message": "Back-off", "count": 7, "lastTimestamp": AT,
    }  # fmt: skip
    found = event_of(old)
    assert (found.kind, found.name, found.count, found.last_seen, found.type) == ("Pod", "web-1", 7, TIME, "Warning")
    new = {
        "metadata": {"namespace": "shop"}, "regarding": {"kind": "Pod", "name": "web-1"}, "note": "Back-off",
        "series": {"count": 9, "lastObservedTime": "2026-12-01T10:00:00.000000Z"}, "deprecatedCount": 1,
    }  # fmt: skip
    found = event_of(new)
    assert (found.namespace, found.name, found.message, found.count, found.last_seen) == (
        "shop", "web-1", "Back-off", 9, TIME,
    )  # fmt: skip
    alone = {"metadata": {"creationTimestamp": AT}, "lastTimestamp": None, "eventTime": None}
    assert event_of(alone).last_seen == TIME


def test_what_is_used_comes_to_its_containers_and_nodes() -> None:
    two = pod(status("c0", RUNNING), status("c1", RUNNING))
    two["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "64Mi"}}
    objects = objects_of([two, {"kind": "Node", "metadata": {"name": "node-1"}}])
    usages = usages_of([
        {"metadata": {"namespace": "shop", "name": "web-1"},
         "containers": [{"name": "c0", "usage": {"cpu": "250m", "memory": "32Mi"}},
                        {"name": "c1", "usage": {"cpu": "50m", "memory": "8Mi"}}]},
        {"metadata": {"name": "node-1"}, "usage": {"cpu": "2", "memory": "4Gi"}},
    ])  # fmt: skip
    found = with_usages(objects, usages)
    assert found.pods[0].usage.cpu == pytest.approx(0.3)
    assert found.pods[0].usage.memory == 40 * 2.0**20
    assert found.pods[0].limits == ComputeAmounts(None, None), "one of its containers has none"
    assert found.nodes[0].usage.cpu == 2.0


BROKEN: list[Any] = [None, [], "x", 7, True, {}, {"x": None}, [None, 1, "a", []]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_nothing_that_is_malformed_raises(value: Any) -> None:
    """Each part of each document is replaced by something else."""

    def spoilt(node: Any) -> list[Any]:
        found = [value]
        if isinstance(node, dict):
            found += [{**node, key: part} for key, each in node.items() for part in spoilt(each)]
        elif isinstance(node, list):
            found += [[*node[:at], part, *node[at + 1 :]] for at, each in enumerate(node) for part in spoilt(each)]
        return found

    whole = pod(status("c0", ended("Error", 1)), init=(status("i0", RUNNING),), metadata={"labels": {"a": "b"}})
    for document in (whole, deployment(), replica_set(1, "r1")):
        for each in spoilt(document):
            if isinstance(each, dict):
                each["kind"] = document["kind"]
                objects_of([each])
                usages_of([each])
                node_of(each)
                event_of(each)
