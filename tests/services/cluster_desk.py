"""Who changes a stand-in for a cluster, as a job does but without one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from lilfox_tui.clusters.kubectl import Kubectl
from lilfox_tui.config.model import ClusterConfig, Config, HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.operations.cluster_job import ClusterProof
from lilfox_tui.operations.clusters import ClusterChange, ClusterPlace, cluster_place
from lilfox_tui.operations.job import make_change
from tests.services.kube_cluster import KubeCluster, deployment, kube_cluster
from tests.unit.backup.noted_run import NotedRun

SETTLES_S, LOOKS_S = 0.3, 0.1


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubeCluster]:
    """The cluster of a module."""
    with kube_cluster() as made:
        yield made


def _new_run() -> NotedRun:
    """With an id of its own, by which its command is known on the host."""
    return NotedRun(f"change-{secrets.token_hex(4)}")


class Desk:
    """Who changes the cluster, by the context ``context``."""

    def __init__(self, cluster: KubeCluster, context: str | None = "shop-staging") -> None:
        self.cluster = cluster
        self.host = LocalHost("here", HostConfig(local=True))
        config = ClusterConfig(kubeconfig=str(cluster.kubeconfig), context=context)
        self.kubectl = Kubectl(self.host, "shop", config)
        self.config = Config(hosts={"here": HostConfig(local=True)}, clusters={"shop": config})
        self.run = _new_run()

    @classmethod
    def of(cls, other: Desk) -> Desk:
        """Another one at the same machine."""
        made = cls(other.cluster)
        made.host = other.host
        return made

    async def place(self) -> ClusterPlace:
        """The cluster as operations take it."""
        return await cluster_place(self.config, self.kubectl)

    async def make(self, change: ClusterChange) -> str:
        """What came of a change."""
        self.run = _new_run()
        proof = ClusterProof(self.run, self.kubectl, change, settles_s=SETTLES_S, looks_s=LOOKS_S)
        await proof.check()
        return await make_change(self.run, self.host, change.operation, proof=proof)

    def images(self, name: str = "web") -> set[str]:
        """The images of its pods that are not ending."""
        pods = filter(runs, self.cluster.pods(name))
        return {each["spec"]["containers"][0]["image"] for each in pods}


@pytest.fixture
async def desk(cluster: KubeCluster) -> AsyncIterator[Desk]:
    """At this machine."""
    made = Desk(cluster)
    yield made
    await made.host.close()


def runs(pod: dict[str, Any]) -> bool:
    """Whether a pod is not ending."""
    return "deletionTimestamp" not in pod["metadata"]


def serving(cluster: KubeCluster, name: str = "web", **more: Any) -> None:
    """A Deployment that is rolled out."""
    cluster.apply(deployment(name, **more))
    cluster.settle(name)
