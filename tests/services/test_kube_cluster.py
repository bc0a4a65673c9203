"""The stand-in for a cluster, as the real kubectl sees it: what other tests rely on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.kube_cluster import NODES, KubeCluster, deployment, kube_cluster
from tests.services.kube_cluster_kubelet import Speed
from tests.services.kube_cluster_store import patched
from tests.services.kube_cluster_tables import pod_reason

BUDGET = {
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web"},
    "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}},
}


@pytest.fixture(scope="module")
def shared() -> Iterator[KubeCluster]:
    with kube_cluster() as running:
        yield running


@pytest.fixture
def cluster(shared: KubeCluster) -> Iterator[KubeCluster]:
    """The shared cluster without a workload."""
    yield shared
    with shared.store.changed:
        shared.state.forbidden.clear()
        for key in [each for each in shared.store.objects if each[0] not in ("nodes", "namespaces", "pods")]:
            if key in shared.store.objects:
                shared.store.remove(key)
        for node in NODES:
            shared.change("nodes", node, lambda made: {**made, "spec": {}})
    shared.until(lambda: not shared.pods(), what="all pods are gone")


def status_of(cluster: KubeCluster, name: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "deployment", name, "-o", "json"))["status"]
    return found


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in status["conditions"] if each["type"] == kind)
    return found


def test_a_rollout_is_followed_told_undone_and_begun_anew(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", image="shop/web:1.0", cause="first"))
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    cluster.kubectl("set", "image", "deployment/web", "web=shop/web:2.0")
    cluster.kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=second", "--overwrite")
    told = cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert told.endswith('deployment "web" successfully rolled out\n')
    history = cluster.kubectl("rollout", "history", "deployment/web")
    assert [line.split() for line in history.splitlines()[2:4]] == [["1", "first"], ["2", "second"]]
    assert "shop/web:2.0" in cluster.kubectl("rollout", "history", "deployment/web", "--revision=2")
    cluster.kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    history = cluster.kubectl("rollout", "history", "deployment/web")
    assert [line.split() for line in history.splitlines()[2:4]] == [["2", "second"], ["3", "first"]]
    cluster.settle("web")
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods("web")} == {"shop/web:1.0"}
    assert "unable to find specified revision 9" in cluster.kubectl(
        "rollout", "undo", "deployment/web", "--to-revision=9", ok=False
    )
    before = {each["metadata"]["name"] for each in cluster.pods("web")}
    cluster.kubectl("rollout", "restart", "deployment/web")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    cluster.settle("web")
    assert not before & {each["metadata"]["name"] for each in cluster.pods("web")}


def test_a_rolling_update_keeps_within_its_bounds(cluster: KubeCluster) -> None:
    update = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.apply(deployment("web", replicas=4, strategy=update))
    cluster.settle()
    seen: list[tuple[int, int]] = []

    def look() -> bool:
        with cluster.store.changed:
            status = cluster.get("deployments", "web")["status"]
            seen.append((status.get("replicas", 0), status.get("availableReplicas", 0)))
            return bool(status.get("updatedReplicas") == status.get("availableReplicas") == status["replicas"] == 4)

    cluster.set_image("web", "shop/web:2.0")
    cluster.until(lambda: cluster.get("deployments", "web")["status"].get("updatedReplicas") != 4)
    cluster.until(look)
    assert {replicas for replicas, _available in seen} <= {4, 5}
    assert min(available for _replicas, available in seen) == 4


def test_a_rollout_that_fails_is_told_after_its_deadline(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=2, progressDeadlineSeconds=1))
    cluster.settle()
    cluster.set_image("web", "shop/web:missing")
    told = cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s", ok=False)
    assert 'deployment "web" exceeded its progress deadline' in told
    status = status_of(cluster)
    assert condition(status, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    assert condition(status, "Available")["status"] == "True"
    assert status["readyReplicas"] == 2
    assert "ImagePull" in cluster.kubectl("get", "pods")
    cluster.kubectl("rollout", "undo", "deployment/web")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_a_paused_rollout_waits(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.settle()
    cluster.kubectl("rollout", "pause", "deployment/web")
    cluster.kubectl("set", "image", "deployment/web", "web=shop/web:2.0")
    cluster.until(lambda: condition(status_of(cluster), "Progressing")["reason"] == "DeploymentPaused")
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods("web")} == {"shop/web:1.0"}
    cluster.kubectl("rollout", "resume", "deployment/web")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "shop/web:2.0" in cluster.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")


def test_scale_wait_and_delete(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    cluster.kubectl("scale", "deployment/web", "--replicas=3", "--current-replicas=1")
    assert "Expected replicas" in cluster.kubectl(
        "scale", "deployment/web", "--replicas=5", "--current-replicas=1", ok=False
    )
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    name = cluster.pods("web")[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", name, "--timeout=30s")
    assert name not in cluster.kubectl("get", "pods", "-o", "name")
    cluster.kubectl("delete", "deployment", "web", "--timeout=30s")
    cluster.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=30s")


def test_what_images_do(cluster: KubeCluster) -> None:
    for tag in ("crash", "oom", "missing", "unready", "once"):
        cluster.apply(deployment(tag, image=f"shop/web:{tag}", replicas=1))
    big = {"resources": {"requests": {"cpu": "64"}}}
    init = {"initContainers": [{"name": "wait", "image": "shop/web:crash"}]}
    cluster.apply(deployment("big", replicas=1, container=big), deployment("init", replicas=1, pod=init))

    def reason(name: str) -> str:
        return pod_reason(cluster.pods(name)[0]) if cluster.pods(name) else ""

    for name, expected in {
        "crash": "CrashLoopBackOff", "oom": "CrashLoopBackOff", "once": "CrashLoopBackOff",
        "missing": "ImagePullBackOff", "unready": "Running", "big": "Pending", "init": "Init:CrashLoopBackOff",
    }.items():  # fmt: skip
        cluster.until(lambda name=name, expected=expected: reason(name) == expected, what=name)  # type: ignore[misc]
    cluster.until(lambda: "OOMKilled" in cluster.kubectl("describe", "pods", "-l", "app=oom"))
    events = cluster.kubectl("get", "events", "-o", "jsonpath={range .items[*]}{.reason}: {.message}{'\\n'}{end}")
    assert "FailedScheduling: 0/3 nodes are available: 3 Insufficient cpu." in events
    assert "Unhealthy: Readiness probe failed" in events
    assert "BackOff: Back-off restarting failed container crash" in events
    assert 'BackOff: Back-off pulling image "shop/web:missing"' in events


def test_lines_are_followed_to_their_end_and_are_there_again(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    name = cluster.pods("web")[0]["metadata"]["name"]
    following = subprocess.Popen(
        ["kubectl", "logs", "-f", name, "--timestamps"], env=cluster.env, stdout=subprocess.PIPE, text=True
    )
    with following:
        assert following.stdout is not None
        assert "number 0 of" in following.stdout.readline()
        cluster.kubectl("delete", "pod", name, "--wait=false")
        rest = following.stdout.read().splitlines()
    written = cluster.written["shop", name, "web"]
    assert [line.partition(" ")[2] for line in rest] == written[1:]
    cluster.settle()
    name = cluster.pods("web")[0]["metadata"]["name"]
    assert cluster.kubectl("logs", name, "--tail=1").startswith("number ")
    assert len(cluster.kubectl("logs", name, "--limit-bytes=10")) == 10
    stamp = cluster.kubectl("logs", name, "--timestamps").split()[0]
    assert cluster.kubectl("logs", name, f"--since-time={stamp}").startswith("number 0 ")
    assert "previous terminated container" in cluster.kubectl("logs", name, "--previous", ok=False)
    assert cluster.kubectl("logs", "-l", "app=web", "--prefix", "--tail=1").startswith(f"[pod/{name}/web] number")


def test_lines_of_the_run_before() -> None:
    with kube_cluster(speed=Speed(crash=1.5)) as cluster:
        cluster.apply(deployment("web", image="shop/web:crash", replicas=1))

        def restarts() -> int:
            statuses = [each.get("status", {}).get("containerStatuses", ()) for each in cluster.pods("web")]
            return sum(each["restartCount"] for listed in statuses for each in listed)

        cluster.until(lambda: restarts() == 1)
        name = cluster.pods("web")[0]["metadata"]["name"]
        previous = cluster.kubectl("logs", name, "--previous").splitlines()
        written = cluster.written["shop", name, "web"]
    at = written.index(previous[0])
    assert written[at : at + len(previous)] == previous
    assert len(previous) > 3


def test_a_program_is_run_in_a_container(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    assert cluster.kubectl("exec", "deploy/web", "--", "echo", "it's", "a b") == "it's a b\n"
    assert cluster.kubectl("exec", "-i", "deploy/web", "--", "cat", stdin="in\n" * 30_000) == "in\n" * 30_000
    told = cluster.kubectl("exec", "deploy/web", "--", "sh", "-c", "echo no >&2; exit 3", ok=False)
    assert told == "no\ncommand terminated with exit code 3\n"
    assert "nosuch" in cluster.kubectl("exec", "deploy/web", "--", "nosuch", ok=False)


def test_a_node_is_drained_within_budgets(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web"), deployment("agent", kind="DaemonSet"))
    cluster.settle()
    cluster.apply(BUDGET)
    node = cluster.pods("web")[0]["spec"]["nodeName"]
    assert "cannot delete DaemonSet-managed Pods" in cluster.kubectl("drain", node, "--timeout=1s", ok=False)
    told = cluster.kubectl("drain", node, "--ignore-daemonsets", "--timeout=2s", ok=False)
    assert "Cannot evict pod as it would violate the pod's disruption budget." in told
    assert "SchedulingDisabled" in cluster.kubectl("get", "node", node)
    cluster.kubectl("patch", "pdb", "web", "--type=merge", "-p", '{"spec": {"minAvailable": 2}}')
    told = cluster.kubectl("drain", node, "--ignore-daemonsets", "--timeout=30s")
    assert told.endswith(f"node/{node} drained\n")
    cluster.settle("web")
    assert node not in {each["spec"]["nodeName"] for each in cluster.pods("web")}
    cluster.kubectl("uncordon", node)
    assert "SchedulingDisabled" not in cluster.kubectl("get", "node", node)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_workloads_roll_too(cluster: KubeCluster, kind: str) -> None:
    cluster.apply(deployment("db", kind=kind, image="shop/db:1"))
    cluster.kubectl("rollout", "status", f"{kind}/db", "--timeout=30s")
    if kind == "StatefulSet":
        assert [each["metadata"]["name"] for each in cluster.pods("db")] == ["db-0", "db-1", "db-2"]
    cluster.kubectl("set", "image", f"{kind}/db", "db=shop/db:2")
    cluster.kubectl("rollout", "status", f"{kind}/db", "--timeout=30s")
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods("db")} == {"shop/db:2"}
    cluster.kubectl("rollout", "undo", f"{kind}/db")
    cluster.kubectl("rollout", "status", f"{kind}/db", "--timeout=30s")
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods("db")} == {"shop/db:1"}


def test_what_is_used_and_what_may_be_seen(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    cluster.state.usage["web"] = ("250m", "96Mi")
    assert cluster.kubectl("top", "pods").splitlines()[1].split()[1:] == ["250m", "96Mi"]
    assert cluster.kubectl("top", "nodes").splitlines()[1].split()[0] == "node-1"
    cluster.state.forbidden = {"list pods"}
    assert 'cannot list resource "pods" in API group ""' in cluster.kubectl("get", "pods", ok=False)
    assert cluster.kubectl("get", "deployments", "-o", "name") == "deployment.apps/web\n"


def test_a_manifest_is_applied(cluster: KubeCluster) -> None:
    manifest = deployment("web", replicas=2)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    changed = deployment("web", replicas=2, image="shop/web:2.0")
    assert "configured" in cluster.kubectl("apply", "-f", "-", stdin=json.dumps(changed))
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "unchanged" in cluster.kubectl("apply", "-f", "-", stdin=json.dumps(changed))


def test_contexts_and_an_api_that_is_away(cluster: KubeCluster) -> None:
    assert cluster.kubectl("config", "current-context") == "shop-prod\n"
    assert cluster.kubectl("config", "get-contexts", "-o", "name").split() == ["shop-prod", "shop-staging"]
    cluster.stop_api()
    try:
        assert "was refused" in cluster.kubectl("get", "pods", ok=False)
    finally:
        cluster.start_api()
    assert len(cluster.kubectl("get", "nodes", "-o", "name").split()) == 3


def test_patches_of_three_kinds() -> None:
    made = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "web", "image": "1"}, {"name": "b"}]}}
    containers = b'{"spec": {"containers": [{"name": "web", "image": "2"}]}, "metadata": {"labels": {"a": null}}}'
    strategic = patched(made, containers, "application/strategic-merge-patch+json")
    assert strategic["spec"]["containers"] == [{"name": "web", "image": "2"}, {"name": "b"}]
    assert strategic["metadata"]["labels"] == {}
    assert patched(made, containers, "application/merge-patch+json")["spec"]["containers"] == [
        {"name": "web", "image": "2"}
    ]
    operations = [
        {"op": "replace", "path": "/spec/containers/0/image", "value": "3"},
        {"op": "add", "path": "/metadata/labels/x~1y", "value": "z"},
        {"op": "remove", "path": "/spec/containers/1"},
    ]
    assert patched(made, json.dumps(operations).encode(), "application/json-patch+json") == {
        "metadata": {"labels": {"a": "1", "x/y": "z"}},
        "spec": {"containers": [{"name": "web", "image": "3"}]},
    }


def test_nothing_stays_of_a_cluster() -> None:
    folder = Path()

    def fail() -> None:
        nonlocal folder
        with kube_cluster() as cluster:
            folder = cluster.folder
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert folder.name.startswith("lilfox-kube-")
    assert not folder.exists()
