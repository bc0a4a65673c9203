"""What a drain evicts, and what it does not get past, by objects as the API server prints them."""

from __future__ import annotations

from typing import Any

import pytest

from lilfox_tui.operations.cluster_objects import drain_plan, selects


def pod(name: str, *, node: str = "n1", owner: str = "ReplicaSet", **more: Any) -> dict[str, Any]:
    owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
    metadata = {"namespace": "shop", "name": name, "labels": {"app": name}, "ownerReferences": owners}
    return {
        "metadata": metadata | more.get("metadata", {}),
        "spec": {"nodeName": node, "volumes": more.get("volumes", [])},
        "status": {"phase": more.get("phase", "Running")},
    }


def node(name: str, *, ready: bool = True, cordoned: bool = False) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"metadata": {"name": name}, "spec": {"unschedulable": cordoned}, "status": {"conditions": conditions}}


def budget(name: str, allowed: int, selector: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"selector": selector},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1},
    }


def test_each_pod_of_the_node_is_evicted_or_stays() -> None:
    mirror = {"annotations": {"kubernetes.io/config.mirror": "1"}}
    pods = [
        pod("web"), pod("agent", owner="DaemonSet"), pod("etcd", owner="Node", metadata=mirror), pod("far", node="n2"),
        pod("old-agent", owner="DaemonSet", phase="Failed"),
    ]  # fmt: skip
    plan = drain_plan("n1", [node("n1", cordoned=True), node("n2"), node("n3", ready=False)], pods, [])
    assert plan.evicted == ("shop/web", "shop/old-agent")
    assert plan.stay == ("shop/agent", "shop/etcd")
    assert (plan.cordoned, plan.others, plan.obstacles) == (True, 1, ())


def test_what_a_drain_does_not_get_past_is_told() -> None:
    pods = [
        pod("bare", owner=""), pod("cache", volumes=[{"name": "c", "emptyDir": {}}]),
        pod("done", owner="", phase="Succeeded", volumes=[{"emptyDir": {}}]), pod("db"),
    ]  # fmt: skip
    plan = drain_plan("n1", [node("n1")], pods, [budget("db", 0, {"matchLabels": {"app": "db"}})])
    assert [(each.kind, each.pod) for each in plan.obstacles] == [
        ("no controller", "bare"), ("emptyDir", "cache"), ("budget", "db"),
    ]  # fmt: skip
    [held] = plan.of("budget")
    assert str(held.text) == "PodDisruptionBudget db allows no eviction of shop/db now (1 healthy, 1 wanted)"
    assert not drain_plan("n1", [], pods[3:], [budget("db", 1, {"matchLabels": {"app": "db"}})]).obstacles


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"matchLabels": {"app": "db"}}, True),
        ({"matchLabels": {"app": "web"}}, False),
        ({}, True),
        (None, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_a_budget_is_about_the_pods_that_it_selects(selector: Any, selected: bool) -> None:
    assert selects(budget("b", 0, selector), pod("db")) is selected


def test_a_budget_of_another_namespace_is_about_others() -> None:
    other = budget("b", 0, {}) | {"metadata": {"namespace": "jobs", "name": "b"}}
    assert not selects(other, pod("db"))
