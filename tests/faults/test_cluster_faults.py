"""What of a change to a cluster is lost on the way, to its API server or to the host of kubectl, is looked at, never
claimed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.clusters.kubectl import Kubectl
from lilfox_tui.config.loader import load
from lilfox_tui.core.errors import CommandFailed
from lilfox_tui.hosts.open import open_host
from lilfox_tui.incident.incidents import current, open_incident
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.start import start
from lilfox_tui.operations.cluster_job import ClusterProof, request_of
from lilfox_tui.operations.clusters import (
    ClusterChange,
    cluster_place,
    drain_change,
    image_change,
    node_change,
    scale_change,
)
from lilfox_tui.operations.job import make_change
from tests.services.cluster_desk import LOOKS_S, SETTLES_S, Desk, cluster, desk, serving
from tests.services.kube_cluster import KubeCluster
from tests.services.runbook_lab import RunbookLab
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import ended, jobs, said
from tests.waiting import until, wait_for

__all__ = ["cluster", "desk", "jobs"]


async def test_what_the_api_server_has_taken_without_an_answer_is_looked_at(
    desk: Desk, cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving(cluster, "deaf", replicas=1)
    change = await scale_change(await desk.place(), "deployment", "shop", "deaf", 2)
    put = cluster.store.put

    def put_and_cut(resource: str, made: dict[str, Any]) -> Any:
        kept = put(resource, made)
        if resource == "deployments" and made["spec"]["replicas"] == 2 and not cuts:
            cuts.append(made)
            cluster.cut()
        return kept

    cuts: list[dict[str, Any]] = []
    monkeypatch.setattr(cluster.store, "put", put_and_cut)
    assert await desk.make(change) == "deployment/deaf is rolled out: 2 of 2 updated, 2 available"
    assert cuts
    assert "the API server accepted the change nevertheless" in desk.run.told("note")


async def test_a_node_that_kubectl_could_not_cordon_is_not_called_cordoned(
    desk: Desk, cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit status says nothing: it is 0 all the same."""
    change = await node_change(await desk.place(), "cordon", "node-1")

    def refuse(resource: str, made: dict[str, Any]) -> Any:
        if resource == "nodes" and made["spec"].get("unschedulable"):
            cluster.cut()
            raise ConnectionError
        return put(resource, made)

    put = cluster.store.put
    monkeypatch.setattr(cluster.store, "put", refuse)
    with pytest.raises(CommandFailed, match="node node-1 is not cordoned"):
        await desk.make(change)


async def test_an_api_server_that_is_gone_has_taken_nothing(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "gone", replicas=1)
    change = await scale_change(await desk.place(), "deployment", "shop", "gone", 2)
    proof = ClusterProof(desk.run, desk.kubectl, change, settles_s=SETTLES_S, looks_s=LOOKS_S, tries_s=0.1)
    await proof.check()
    cluster.stop_api()
    made = asyncio.create_task(make_change(desk.run, desk.host, change.operation, proof=proof))
    await until(lambda: len(desk.run.told("warning")) > 1)
    cluster.start_api()
    with pytest.raises(CommandFailed, match="connection refused"):
        await made
    assert cluster.get("deployments", "gone")["spec"]["replicas"] == 1


async def test_an_api_server_that_goes_during_a_rollout_is_waited_for(desk: Desk, cluster: KubeCluster) -> None:
    serving(cluster, "away", replicas=2, image="shop/web:1")
    change = await image_change(await desk.place(), "deployment", "shop", "away", "shop/web:slow")
    proof = ClusterProof(desk.run, desk.kubectl, change, settles_s=SETTLES_S, looks_s=LOOKS_S, tries_s=0.1)
    made = asyncio.create_task(make_change(desk.run, desk.host, change.operation, proof=proof))
    await until(lambda: any("of 2 updated" in each for each in desk.run.told("note")))
    cluster.stop_api()
    await until(lambda: len(desk.run.told("warning")) > 1)
    cluster.start_api()
    assert await made == "deployment/away is rolled out: 2 of 2 updated, 2 available"


# The host of kubectl is reached by SSH, as a job does it.


class ThereJobs:
    """Jobs on the cluster ``shop``, whose kubectl is on ``web1``."""

    def __init__(self, folder: Path, servers: SshdLab, cluster: KubeCluster, **more: Any) -> None:
        self.servers, self.cluster = servers, cluster
        self.lab = RunbookLab(folder, servers)
        self.server = self.lab.servers["web1"]
        self.shop = {"from": "web1", "kubeconfig": str(cluster.kubeconfig), "context": "shop-staging"}
        self.write(**more)

    def write(self, read_only: bool = False, shop: dict[str, Any] | None = None, **of_host: Any) -> None:
        """The configuration, with other keys of the cluster or of its host."""
        clusters = {"shop": self.shop | (shop or {})}
        more = "read_only: true\n" if read_only else ""
        self.lab.configure(f"{more}clusters: {json.dumps(clusters)}\n", web1=of_host)

    async def drain(self, node: str) -> ClusterChange:
        """A drain, as it is shown."""
        config = load(self.lab.config).config
        host = open_host("web1", config.hosts["web1"], config.ssh)
        try:
            place = await cluster_place(config, Kubectl(host, "shop", config.clusters["shop"]))
            return await drain_change(place, node)
        finally:
            await host.close()

    def begin(self, change: ClusterChange) -> str:
        """The id of the job that makes a change."""
        return start(request_of(change, str(self.lab.config)))


@pytest.fixture
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


def held(cluster: KubeCluster, name: str) -> str:
    """The node of a Deployment with one pod, which a budget keeps there."""
    serving(cluster, name, replicas=1)
    cluster.apply({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}},
    })  # fmt: skip
    cluster.until(lambda: cluster.get("poddisruptionbudgets", name).get("status", {}).get("currentHealthy") == 1)
    node = cluster.pods(name)[0]["spec"]["nodeName"]
    assert isinstance(node, str)
    return node


async def test_a_link_that_is_lost_during_a_drain_loses_nothing(
    tmp_path: Path, servers: SshdLab, jobs: Path, cluster: KubeCluster
) -> None:
    node = held(cluster, "kept")
    there = ThereJobs(tmp_path, servers, cluster)
    incident = open_incident("node is broken")
    job = there.begin(await there.drain(node))
    cluster.until(lambda: cluster.get("nodes", node)["spec"].get("unschedulable"), what="kubectl runs")
    there.server.kill()
    wait_for(lambda: any("web1" in each for each in said(job)), what="the job sees that it is cut off")
    assert find_job(job).state == "running"
    cluster.kubectl("delete", "pdb", "kept", "-n", "shop")
    cluster.until(lambda: all(each["spec"]["nodeName"] != node for each in cluster.pods("kept")))
    there.server.start()
    done = ended(job)
    assert (done.state, done.message) == ("ok", f"node {node} is cordoned and has no pods left that can be evicted")
    now = current()
    assert now is not None
    [cordoned] = now.in_force.values()
    assert cordoned.undo.endswith(f"uncordon {node}")
    assert incident.id == now.id
    cluster.kubectl("uncordon", node)


async def test_what_is_not_to_be_changed_is_not(
    tmp_path: Path, servers: SshdLab, jobs: Path, cluster: KubeCluster
) -> None:
    there = ThereJobs(tmp_path, servers, cluster)
    serving(cluster, "safe", replicas=1)
    change = await there.drain("node-1")
    for settings, why in (
        ({"read_only": True}, "read-only mode: changes on web1 are not allowed"),
        ({"protected": True}, "web1 is protected: changes on it are not allowed"),
        ({"shop": {"context": "shop-prod"}}, "cluster shop is the context shop-prod, not shop-staging"),
    ):
        there.write(**settings)
        refused = ended(there.begin(change))
        assert (refused.state, why in refused.message) == ("failed", True), refused.message
    assert not cluster.get("nodes", "node-1")["spec"].get("unschedulable")
