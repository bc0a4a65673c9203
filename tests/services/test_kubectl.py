"""The real kubectl, asked for one cluster."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lilfox_tui.clusters import kubectl as kubectl_module
from lilfox_tui.clusters.kubectl import ClusterError, ClusterLook, Kubectl, list_items
from lilfox_tui.config.model import ClusterConfig, HostConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import NotAllowed
from lilfox_tui.hosts.local import LocalHost
from tests.services.kube_cluster import KubeCluster, deployment, kube_cluster


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeCluster]:
    with kube_cluster() as running:
        monkeypatch.setenv("KUBECACHEDIR", str(running.folder / "cache"))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        yield running


def config_of(cluster: KubeCluster, **changes: object) -> ClusterConfig:
    settings: dict[str, object] = {"kubeconfig": str(cluster.kubeconfig), "every": Seconds(1)}
    return ClusterConfig(**(settings | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def kubectl_for(config: ClusterConfig) -> AsyncIterator[Kubectl]:
    host = LocalHost("web", HostConfig(local=True))
    try:
        yield Kubectl(host, "shop", config)
    finally:
        await host.close()


# What is asked.


async def test_the_context_is_found_out_once_and_then_always_named(cluster: KubeCluster) -> None:
    async with kubectl_for(config_of(cluster)) as kubectl:
        with pytest.raises(ClusterError, match="context of the cluster shop is not known"):
            kubectl.argv("get", "pods")
        assert [each.name for each in await kubectl.contexts()] == ["shop-prod", "shop-staging"]
        assert (await kubectl.resolve()).name == "shop-prod"
        cluster.use_context("shop-staging")
        assert (await kubectl.resolve()).name == kubectl.context == "shop-prod"
        assert kubectl.argv("get", "pods", namespace="shop") == (
            "kubectl", f"--kubeconfig={cluster.kubeconfig}", "--context=shop-prod", "--namespace=shop", "get", "pods",
        )  # fmt: skip
        assert (await kubectl.confirm("shop-prod")).name == "shop-prod"
        with pytest.raises(NotAllowed, match="is the context shop-prod, not shop-staging"):
            await kubectl.confirm("shop-staging")
        assert await kubectl.version() == "v1.32.4"


async def test_a_context_that_leads_elsewhere_now_is_refused(cluster: KubeCluster) -> None:
    async with kubectl_for(config_of(cluster, context="shop-prod")) as kubectl:
        await kubectl.resolve()
        made = json.loads(cluster.kubeconfig.read_text())
        made["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
        cluster.kubeconfig.write_text(json.dumps(made))
        with pytest.raises(NotAllowed, match=r"shop-prod on web now leads to http://127\.0\.0\.1:1, not to"):
            await kubectl.confirm()


async def test_objects_of_several_kinds_come_in_one_call(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.settle("web")
    async with kubectl_for(config_of(cluster)) as kubectl:
        found = await kubectl.get(["deployments", "pods", "nodes"])
        assert sorted(each["kind"] for each in found) == ["Deployment", "Node", "Node", "Node", "Pod", "Pod"]
        [web] = await kubectl.get(["deployments"], "shop", "web")
        assert web["metadata"]["name"] == "web"
        assert len(await kubectl.top("pods", "shop")) == 2
        assert len(await kubectl.top("nodes")) == 3
        with pytest.raises(
            ClusterError, match=r'cluster shop \(context shop-prod, asked from web\): .*"gone" not found'
        ):
            await kubectl.get(["deployments"], "shop", "gone")


async def test_an_error_says_which_cluster_what_kubectl_said_and_what_to_do(cluster: KubeCluster) -> None:
    cases = [
        (config_of(cluster, context="nope"), "context", "the kubeconfig on web has no context nope", "shop-prod"),
        (config_of(cluster, kubeconfig="/nowhere"), "kubeconfig", "has no current context", "Set kubeconfig"),
    ]
    for config, fault, said, hint in cases:
        async with kubectl_for(config) as kubectl:
            with pytest.raises(ClusterError, match=said) as found:
                await kubectl.get(["pods"])
            assert found.value.fault == fault
            assert hint in str(found.value.hint)
    async with kubectl_for(config_of(cluster)) as kubectl:
        cluster.state.forbidden.add("list pods")
        with pytest.raises(ClusterError, match=r"context shop-prod, asked from web.*pods is forbidden") as found:
            await kubectl.get(["pods", "nodes"])
        assert found.value.fault == "forbidden"
        listed = await kubectl.list_objects(["pods", "nodes"])
        assert ([each["kind"] for each in listed.items], listed.missing) == (["Node"] * 3, ("pods",))
        cluster.stop_api()
        with pytest.raises(ClusterError, match="was refused") as found:
            await kubectl.get(["pods"])
        assert (found.value.fault, "API server" in str(found.value.hint)) == ("unreachable", True)


async def test_a_host_without_kubectl_says_so(cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cluster.folder))
    async with kubectl_for(config_of(cluster)) as kubectl:
        with pytest.raises(ClusterError, match="kubectl is not installed on web") as found:
            await kubectl.resolve()
        assert found.value.fault == "kubectl"


async def test_a_name_with_the_letters_of_a_shell_is_one_word(cluster: KubeCluster) -> None:
    """The name of a context may be anything: it stands in the script of the looks."""
    made = json.loads(cluster.kubeconfig.read_text())
    name = f"$(touch {cluster.folder}/ran) 'x' \"y\"; z"
    made["contexts"][0]["name"] = made["current-context"] = name
    cluster.kubeconfig.write_text(json.dumps(made))
    async with kubectl_for(config_of(cluster)) as kubectl, kubectl.looking() as look:
        found = await look.take("objects")
        assert (found["objects"].error, len(found["objects"].documents)) == (None, 1)
        assert kubectl.context == name
    assert not (cluster.folder / "ran").exists()


# Looking.


def with_sign_of_life(node: dict[str, Any], minute: int) -> dict[str, Any]:
    """The node after another report of its kubelet. Its annotations are named like what is not compared."""
    at = {"lastHeartbeatTime": f"2026-12-01T10:{minute:02}:00Z"}
    conditions = [{**each, **at} for each in node["status"]["conditions"]]
    annotations = {"lastHeartbeatTime": 'of "somebody", \\', "resourceVersion": "x"}
    metadata = {**node["metadata"], "annotations": annotations}
    return {**node, "status": {**node["status"], "conditions": conditions}, "metadata": metadata}


async def test_an_answer_that_is_what_it_was_is_a_few_bytes(
    cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.apply(deployment("web"))
    cluster.settle("web")
    cluster.change("nodes", "node-1", lambda node: with_sign_of_life(node, 5))
    sizes: list[int] = []
    read = ClusterLook._read

    def counted(self: ClusterLook, answer: bytes, wanted: object) -> object:
        sizes.append(len(answer))
        return read(self, answer, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(ClusterLook, "_read", counted)
    async with kubectl_for(config_of(cluster)) as kubectl, kubectl.looking() as look:
        whole = await look.take("objects", "events", "usage")
        listed = list_items(kubectl.decoded(whole["objects"].documents[0]))
        node = next(each for each in listed if each["metadata"]["name"] == "node-1")
        assert node["metadata"]["annotations"] == {"lastHeartbeatTime": 'of "somebody", \\', "resourceVersion": ""}
        assert all(each.changed for each in whole.values())
        plain = sum(len(document) for each in whole.values() for document in each.documents)
        assert sizes[0] < plain / 4, "it is compressed on the host"
        assert not (await look.take("objects"))["objects"].changed
        assert sizes[1] < 20
        cluster.change("nodes", "node-1", lambda node: with_sign_of_life(node, 10))
        assert not (await look.take("objects"))["objects"].changed, "its kubelet gives one every five minutes"
        cluster.set_image("web", "shop/web:2.0")
        assert (await look.take("objects"))["objects"].changed


async def test_an_api_server_that_takes_requests_and_answers_none_is_away(
    cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubectl_module, "ANSWER_S", 2.0)
    async with kubectl_for(config_of(cluster)) as kubectl, kubectl.looking() as look:
        await look.take("objects")
        cluster.silence()
        for asked in (lambda: look.take("objects"), lambda: kubectl.run("get", "pods", timeout_s=1)):
            with pytest.raises(ClusterError, match=r"context shop-prod, asked from web\): no answer within") as found:
                await asked()
            assert found.value.fault == "unreachable"


async def test_an_answer_that_is_too_large_is_refused(cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl_module, "LIMIT_BYTES", 4000)
    async with kubectl_for(config_of(cluster)) as kubectl, kubectl.looking() as look:
        for asked in (lambda: look.take("objects"), lambda: kubectl.get(["nodes"])):
            with pytest.raises(ClusterError, match="cluster shop has too many objects") as found:
                await asked()
            assert "namespaces" in str(found.value.hint)


def tools(cluster: KubeCluster, **programs: str) -> str:
    """A folder with these programs alone, and kubectl."""
    folder = cluster.folder / "tools"
    folder.mkdir()
    for name, program in {"kubectl": "kubectl", **programs}.items():
        found = shutil.which(program)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


async def test_the_tools_of_busybox_are_enough(cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("sh", "head", "tail", "sed", "gzip", "base64")
    monkeypatch.setenv("PATH", tools(cluster, **dict.fromkeys(names, "busybox")))
    async with kubectl_for(config_of(cluster)) as kubectl, kubectl.looking() as look:
        found = await look.take("objects", "usage")
        assert [each.error for each in found.values()] == [None, None]
        assert not (await look.take("objects"))["objects"].changed


async def test_a_host_without_a_tool_says_which_are_needed(
    cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tools(cluster, sh="dash", head="head", tail="tail", sed="sed", gzip="gzip"))
    async with kubectl_for(config_of(cluster)) as kubectl, kubectl.looking() as look:
        with pytest.raises(ClusterError, match="output of kubectl on web cannot be read") as error:
            await look.take("objects")
        assert "base64" in str(error.value.hint)
