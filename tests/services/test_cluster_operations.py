"""Numbers of pods, pods and contexts of a cluster: what is changed by the real kubectl is proved by the cluster's
objects, and what cannot or must not be done is refused before anything is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lilfox_tui.clusters.kubectl import ClusterError
from lilfox_tui.core.errors import CommandFailed, NotAllowed, UsageError
from lilfox_tui.operations.clusters import (
    exec_argv,
    node_change,
    pod_change,
    rollout_change,
    scale_change,
)
from tests.services.cluster_desk import Desk, cluster, desk, serving
from tests.services.kube_cluster import KubeCluster, deployment

__all__ = ["cluster", "desk"]


async def test_a_number_of_pods_is_changed_and_taken_back(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "shop", replicas=1)
    place, shop = await desk.place(), ("deployment", "shop", "shop")
    cluster.apply({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop-load"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                 "minReplicas": 1, "maxReplicas": 9},
    })  # fmt: skip
    change = await scale_change(place, *shop, 3)
    assert change.operation.title == "scale deployment/shop in shop on shop-staging from 1 to 3"
    assert change.operation.changes == (
        "pods: 1 → 3", "HorizontalPodAutoscaler shop-load keeps it between 1 and 9 and may change it back",
    )  # fmt: skip
    assert await desk.make(change) == "deployment/shop is rolled out: 3 of 3 updated, 3 available"
    assert change.operation.undo[-2:] == ("--current-replicas=3", "--replicas=1")
    back = await scale_change(place, *shop, 1)
    assert back.operation.argv == change.operation.undo
    cluster.kubectl("scale", "deployment/shop", "--replicas=2", "-n", "shop")
    with pytest.raises(CommandFailed, match="xpected replicas to be 3, was 2"):
        await desk.make(back)
    assert cluster.get("deployments", "shop")["spec"]["replicas"] == 2, "another one's change stays"
    assert (await scale_change(place, *shop, 0)).operation.confirm == "shop-staging", "which takes it down"
    with pytest.raises(UsageError, match="is scaled to 2 now"):
        await scale_change(place, *shop, 2)


async def test_a_daemon_set_is_restarted_and_never_scaled(desk: Desk, cluster: KubeCluster) -> None:
    cluster.apply(deployment("agent", kind="DaemonSet"))
    place, agent = await desk.place(), ("daemonset", "shop", "agent")
    cluster.until(lambda: cluster.get("daemonsets", "agent").get("status", {}).get("numberAvailable") == 3)
    with pytest.raises(UsageError, match="a DaemonSet has one pod on each node"):
        await scale_change(place, *agent, 5)
    with pytest.raises(UsageError, match="only a Deployment can"):
        await rollout_change(place, "pause", *agent)
    told = await desk.make(await rollout_change(place, "restart", *agent))
    assert told == "daemonset/agent is rolled out: 3 of 3 updated, 3 available"


async def test_a_pod_is_deleted_and_made_anew(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "one", replicas=1)
    [pod] = cluster.pods("one")
    change = await pod_change(await desk.place(), "shop", pod["metadata"]["name"])
    assert change.operation.changes[-1] == "Deployment/one makes another one"
    told = await desk.make(change)
    assert told == f"pod {pod['metadata']['name']} is gone; deployment/one is rolled out: 1 of 1 updated, 1 available"
    with pytest.raises(NotAllowed, match=r"pod/one-\w+-\w+ is gone"):
        await desk.make(change)


async def test_a_pod_of_the_same_name_is_left_alone(desk: Desk, cluster: KubeCluster) -> None:
    alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"},
             "spec": {"containers": [{"name": "a", "image": "shop/web:1"}]}}  # fmt: skip
    cluster.apply(alone)
    change = await pod_change(await desk.place(), "shop", "alone")
    assert (change.operation.changes[-1], change.operation.confirm) == (
        "it has no controller: it does not come back", "shop-staging",
    )  # fmt: skip
    cluster.kubectl("delete", "pod", "alone", "-n", "shop")
    cluster.apply(alone)
    with pytest.raises(NotAllowed, match="pod/alone is another one now"):
        await desk.make(change)


async def test_a_program_runs_in_a_container(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "inside", replicas=1)
    name = cluster.pods("inside")[0]["metadata"]["name"]
    argv = exec_argv(await desk.place(), "shop", name, "inside", ("echo", "it $HOME; is", "me"))
    assert argv[-4:] == ("--", "echo", "it $HOME; is", "me")
    done = await desk.host.run([word for word in argv if word != "--tty"])
    assert done.stdout.decode() == "it $HOME; is me\n", done.stderr
    with pytest.raises(UsageError, match="is not a name of Kubernetes"):
        exec_argv(await desk.place(), "shop", "--all")


# Contexts.


async def test_in_production_the_name_of_the_context_is_typed(cluster: KubeCluster) -> None:
    desk = Desk(cluster, "shop-prod")
    serving(cluster, "live", replicas=1)
    change = await rollout_change(await desk.place(), "restart", "deployment", "shop", "live")
    assert change.operation.confirm == "shop-prod"
    assert "--context=shop-prod" in change.operation.argv
    assert (await node_change(await desk.place(), "cordon", "node-1")).operation.confirm == "shop-prod"
    await desk.host.close()


async def test_what_was_shown_for_one_context_is_not_made_in_another(cluster: KubeCluster) -> None:
    shown = Desk(cluster, None)  # the one that is current
    serving(cluster, "moved", replicas=1)
    change = await node_change(await shown.place(), "cordon", "node-2")
    assert change.context == "shop-prod"
    cluster.use_context("shop-staging")
    try:
        with pytest.raises(NotAllowed, match="cluster shop is the context shop-staging, not shop-prod"):
            await Desk(cluster, None).make(change)
        with pytest.raises(NotAllowed, match="does not lead to the cluster shop as it is configured now"):
            await Desk(cluster, "shop-prod").make(replace(
                change, operation=replace(change.operation, argv=("kubectl", "--context=shop-staging", "cordon")),
            ))  # fmt: skip
        assert await shown.make(change) == "node node-2 is cordoned", "whoever knows its context keeps to it"
        assert "--context=shop-prod" in change.operation.argv
        elsewhere = replace(change, server="https://10.0.0.1:6443")
        with pytest.raises(NotAllowed, match=r"led to https://10.0.0.1:6443 when this was shown, and leads to"):
            await shown.make(elsewhere)
    finally:
        cluster.use_context("shop-prod")
        cluster.kubectl("uncordon", "node-2")
    nowhere = Desk(cluster, "shop-test")
    with pytest.raises(ClusterError, match="has no context shop-test") as refused:
        await nowhere.place()
    assert "shop-prod, shop-staging" in str(refused.value.hint)
