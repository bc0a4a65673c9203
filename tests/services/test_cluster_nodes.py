"""Nodes of a cluster are cordoned and drained by the real kubectl, and what a drain loses or does not get past is named
before."""

from __future__ import annotations

from typing import Any

import pytest

from lilfox_tui.core.errors import CommandFailed, NotAllowed, UsageError
from lilfox_tui.operations.cluster_objects import read_drain
from lilfox_tui.operations.clusters import (
    drain_change,
    node_change,
    undo_line,
)
from tests.services.cluster_desk import Desk, cluster, desk, runs, serving
from tests.services.kube_cluster import KubeCluster, deployment, kube_cluster

__all__ = ["cluster", "desk"]


async def test_a_node_is_cordoned_and_uncordoned(desk: Desk, cluster: KubeCluster) -> None:
    place = await desk.place()
    cordon = await node_change(place, "cordon", "node-3")
    assert await desk.make(cordon) == "node node-3 is cordoned"
    assert cluster.get("nodes", "node-3")["spec"]["unschedulable"] is True
    with pytest.raises(UsageError, match="node-3 is cordoned already"):
        await node_change(place, "cordon", "node-3")
    uncordon = await node_change(place, "uncordon", "node-3")
    assert (uncordon.operation.argv, uncordon.operation.undo) == (cordon.operation.undo, cordon.operation.argv)
    assert await desk.make(uncordon) == "node node-3 accepts pods again"
    with pytest.raises(UsageError, match="shop-staging has no node node-9"):
        await node_change(place, "cordon", "node-9")


def on_node(name: str, node: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "a", "image": "shop/web:1"}], **spec},
    }  # fmt: skip


async def test_a_drain_names_what_is_lost_and_moves_the_rest() -> None:
    with kube_cluster(nodes=("old", "new")) as cluster:
        desk = Desk(cluster)
        cluster.apply(deployment("agent", kind="DaemonSet"), deployment("web", replicas=2))
        cluster.settle("web")
        cluster.apply(on_node("bare", "old"), on_node("cache", "old", volumes=[{"name": "c", "emptyDir": {}}]))
        cluster.until(lambda: len(cluster.pods()) == 6)
        place = await desk.place()
        with pytest.raises(NotAllowed, match="draining old would lose pods or data") as refused:
            await drain_change(place, "old")
        assert "shop/bare has no controller: once evicted, it does not come back" in str(refused.value)
        assert "shop/cache has an emptyDir volume: its data is lost with the pod" in str(refused.value)
        change = await drain_change(place, "old", lose=True)
        assert change.operation.argv[-6:] == (
            "drain", "old", "--ignore-daemonsets", "--timeout=300s", "--force", "--delete-emptydir-data",
        )  # fmt: skip
        assert change.operation.confirm == "shop-staging"
        plan = await read_drain(place.kubectl, "old")
        assert f"{len(plan.evicted)} pods are evicted: " in change.operation.changes[1]
        assert {"shop/bare", "shop/cache"} < set(plan.evicted)
        assert change.operation.changes[2] == "1 pod of a DaemonSet or of the node itself stays"
        cluster.apply(on_node("late", "old"))
        with pytest.raises(NotAllowed, match="shop/late has no controller"):
            await desk.make(change)
        assert not cluster.get("nodes", "old")["spec"].get("unschedulable"), "nothing was changed"
        told = await desk.make(await drain_change(place, "old", lose=True))
        assert told == "node old is cordoned and has no pods left that can be evicted"
        cluster.settle("web")
        assert {each["spec"]["nodeName"] for each in cluster.pods("web") if runs(each)} == {"new"}
        last = await drain_change(place, "new")
        assert last.operation.changes[-1].startswith("no other node is ready and accepts pods")
        assert (await drain_change(place, "old")).operation.undo == (), "it was cordoned before"
        await desk.host.close()


async def test_a_drain_that_a_budget_stops_says_what_is_there(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "held", replicas=1)
    budget = {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "held"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "held"}}},
    }  # fmt: skip
    cluster.apply(budget)
    node = cluster.pods("held")[0]["spec"]["nodeName"]
    cluster.until(lambda: cluster.get("poddisruptionbudgets", "held").get("status", {}).get("currentHealthy") == 1)
    change = await drain_change(await desk.place(), node, timeout_s=1)
    held = "PodDisruptionBudget held allows no eviction of shop/held-"
    assert any(each.startswith(held) for each in change.operation.changes)
    with pytest.raises(CommandFailed) as failed:
        await desk.make(change)
    assert f"node {node} is cordoned; still there: " in str(failed.value)
    assert held in str(failed.value)
    assert str(failed.value.hint) == f"To undo it: {undo_line(change.operation)}"
    cluster.kubectl("delete", "pdb", "held", "-n", "shop")
    cluster.kubectl("uncordon", node)
