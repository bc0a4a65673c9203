"""Logs of pods by the real kubectl: complete over rollouts, crash loops, lost links and a lost API."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC
from itertools import chain
from pathlib import Path

import pytest

from lilfox_tui.clusters import proxy
from lilfox_tui.clusters.kubectl import ClusterError, Kubectl
from lilfox_tui.config.model import ClusterConfig, HostConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, SourceNotice, SourceSettings
from lilfox_tui.logs.sources import kubernetes
from lilfox_tui.logs.sources.kubernetes import KubernetesLogSource, Options, open_source
from tests.services.kube_cluster import KubeCluster, deployment, kube_cluster
from tests.services.kube_cluster_controllers import delete_pod
from tests.services.kube_cluster_kubelet import Speed
from tests.services.lilfox_command import lilfox
from tests.services.sshd import sshd_lab
from tests.waiting import until


@pytest.fixture
def cluster() -> Iterator[KubeCluster]:
    with kube_cluster() as running:
        yield running


@asynccontextmanager
async def opened(cluster: KubeCluster, host: Host | None = None, **options: str) -> AsyncIterator[KubernetesLogSource]:
    where = host or LocalHost("here", HostConfig(local=True))
    config = ClusterConfig(kubeconfig=str(cluster.kubeconfig))
    setting = SourceSettings(where, UTC, format="plain", cluster=("shop", config))
    source = open_source("it", Options(**options), setting)  # type: ignore[arg-type]
    try:
        yield source
    finally:
        await source.close()
        if host is None:
            await where.close()


class Followed:
    """What a source gives, by container."""

    def __init__(self, source: KubernetesLogSource) -> None:
        self.lines: dict[tuple[str, str, str], list[str]] = {}
        self.notices: list[str] = []
        self._source = source

    async def __aenter__(self) -> Followed:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        async with aclosing(self._source.follow(AtBeginning(), EVERYTHING)) as batches:
            async for batch in batches:
                for each in batch:
                    if isinstance(each, SourceNotice):
                        self.notices.append(str(each.text))
                    elif isinstance(each, LogRecord):
                        fields = each.entry.fields
                        key = (str(fields["namespace"]), str(fields["pod"]), str(fields["container"]))
                        self.lines.setdefault(key, []).append(each.entry.message)

    async def until_complete(self, cluster: KubeCluster, of: Callable[[str], bool] = lambda _pod: True) -> int:
        """Waits until all that was written by now has come; returns how many lines it is. Each came once."""
        want = {key: lines for key, lines in cluster.written.items() if of(key[1])}
        await until(
            lambda: self._task.done() or all(len(self.lines.get(key, ())) >= len(lines) for key, lines in want.items()),
            timeout_s=30, what="all lines have come",
        )  # fmt: skip
        if self._task.done():
            self._task.result()
        for key, lines in want.items():
            assert self.lines[key][: len(lines)] == lines, key
        counts = Counter(chain.from_iterable(self.lines.values()))
        assert [line for line, count in counts.items() if count > 1] == []
        return sum(map(len, want.values()))


async def test_no_line_is_lost_or_doubled_over_a_rolling_update(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web"), deployment("other", replicas=1))
    cluster.settle()
    async with opened(cluster, namespace="shop", workload="deployment/web") as source, Followed(source) as followed:
        for number in (2, 3):
            await until(lambda: followed.lines)
            cluster.set_image("web", f"shop/web:{number}.0")
            await asyncio.to_thread(cluster.settle, "web")
        count = await followed.until_complete(cluster, lambda pod: pod.startswith("web-"))
    pods = {pod for _namespace, pod, _container in followed.lines}
    assert len(pods) == 9
    assert not any(pod.startswith("other") for pod in pods)
    assert followed.notices == []
    assert count > 100


async def test_runs_of_a_crash_loop_follow_each_other(cluster: KubeCluster) -> None:
    init = {"initContainers": [{"name": "migrate", "image": "shop/migrate:1"}]}
    cluster.apply(deployment("web", image="shop/web:crash", replicas=2, pod=init))
    async with opened(cluster, namespace="shop", selector="app in (web)") as source, Followed(source) as followed:
        await until(lambda: len([lines for lines in followed.lines.values() if len(lines) > 25]) == 2)
        await followed.until_complete(cluster)
    assert {container for _namespace, _pod, container in followed.lines} == {"web", "migrate"}
    assert followed.notices == []


async def test_the_run_before_is_read_at_first() -> None:
    with kube_cluster(speed=Speed(crash=2.0)) as cluster:
        cluster.apply(deployment("web", image="shop/web:crash", replicas=1))
        pod = await asyncio.to_thread(pod_after, cluster, 1)
        async with opened(cluster, workload=f"po/{pod}", container="web") as source:
            page = await source.page(AtBeginning(), older=False, limit=1000, where=EVERYTHING)
        messages = [each.entry.message for each in page.records]
        assert messages[0] == f"number 0 of {pod}/web"
        assert messages == cluster.written["shop", pod, "web"][: len(messages)]
        assert dict(page.records[0].entry.fields) == {
            "pod": pod, "container": "web", "namespace": "shop", "node": cluster.get("pods", pod)["spec"]["nodeName"],
        }  # fmt: skip


def pod_after(cluster: KubeCluster, restarts: int, name: str = "web") -> str:
    """The only pod, once its container has restarted so often."""

    def restarted() -> bool:
        return any(
            each["restartCount"] >= restarts
            for pod in cluster.pods(name)
            for each in pod.get("status", {}).get("containerStatuses", ())
        )

    cluster.until(restarted, what="it has restarted")
    found: str = cluster.pods(name)[0]["metadata"]["name"]
    return found


async def test_a_lost_api_loses_nothing(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web"))
    cluster.settle()
    async with opened(cluster, workload="deploy/web") as source, Followed(source) as followed:
        await followed.until_complete(cluster)
        cluster.stop_api()
        await until(lambda: followed.notices, what="the loss is shown")
        written = sum(map(len, cluster.written.values()))
        await until(lambda: sum(map(len, cluster.written.values())) > written + 30)
        cluster.start_api()
        await followed.until_complete(cluster)
        cluster.cut()
        written = sum(map(len, cluster.written.values()))
        await until(lambda: sum(map(len, cluster.written.values())) > written + 10)
        await followed.until_complete(cluster)
    assert "cluster shop (context shop-prod, asked from here)" in followed.notices[0]


async def test_a_lost_link_loses_nothing(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=12, strategy={"rollingUpdate": {"maxSurge": "100%"}}))
    cluster.settle()
    with sshd_lab() as lab:
        server = lab.sshd()
        host = open_host("bastion", lab.host(server), lab.ssh())
        try:
            async with opened(cluster, host, workload="deploy/web") as source, Followed(source) as followed:
                await followed.until_complete(cluster)
                server.kill()
                await until(lambda: followed.notices, what="the loss is shown")
                cluster.set_image("web", "shop/web:2.0")
                server.start()
                await asyncio.to_thread(cluster.settle, "web")
                now = {each["metadata"]["name"] for each in cluster.pods()}
                await followed.until_complete(cluster, lambda pod: pod in now)
                assert len(now) == 12
                assert "refuses the connection" in followed.notices[0] or "bastion" in followed.notices[0]
        finally:
            await host.close()


async def test_what_ended_meanwhile_is_told(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=2), deployment("job", image="shop/job:crash", replicas=1))
    cluster.settle("web")
    async with opened(cluster) as source, Followed(source) as followed:
        await until(lambda: len(followed.lines) == 3)
        cluster.stop_api()
        await until(lambda: followed.notices, what="the loss is shown")
        gone = cluster.pods("web")[0]
        name = gone["metadata"]["name"]
        with cluster.store.changed:
            delete_pod(cluster.store, gone)
        before = cluster.pods("job")[0]["status"]["containerStatuses"][0]["restartCount"]
        await asyncio.to_thread(pod_after, cluster, before + 2, "job")
        cluster.settle("web")
        cluster.start_api()
        await until(lambda: any(name in each for each in followed.notices))
        await until(lambda: any("restarted" in each for each in followed.notices))
        now = {each["metadata"]["name"] for each in cluster.pods("web")}
        await followed.until_complete(cluster, lambda pod: pod in now)
    assert f"pods ended while they could not be read; their last lines may be missing: {name}" in followed.notices
    assert any("; lines of earlier runs may be missing" in each for each in followed.notices)


async def test_a_node_that_does_not_answer_keeps_nothing_else_back(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web"))
    cluster.settle()
    away = cluster.pods("web")[0]
    name, node = away["metadata"]["name"], away["spec"]["nodeName"]
    cluster.set_node(node, status=False)
    async with opened(cluster) as source, Followed(source) as followed:
        assert await followed.until_complete(cluster, lambda pod: pod != name)
        await until(lambda: followed.notices, what="it is told")
        assert {pod for _namespace, pod, _container in followed.lines}.isdisjoint({name})
        cluster.set_node(node, status=True)
        await followed.until_complete(cluster)
    [notice] = followed.notices
    assert notice.startswith(f"{name}: cluster shop (context shop-prod, asked from here): ")
    assert "dial tcp 10.0.0.1:10250: i/o timeout" in notice


async def test_a_context_that_leads_elsewhere_is_followed_no_longer(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    async with opened(cluster) as source, Followed(source) as followed:
        await followed.until_complete(cluster)
        cluster.stop_api()
        await until(lambda: len(followed.notices) == 1, what="the loss is shown")
        cluster.use_context("shop-staging")
        cluster.start_api()
        await followed.until_complete(cluster)  # the context of the beginning, which is the current one no longer
        cluster.stop_api()
        await until(lambda: len(followed.notices) > 1, what="the loss is shown")
        cluster.kubeconfig.write_text(cluster.kubeconfig.read_text().replace(f":{cluster.port}", ":1"))
        cluster.start_api()
        await until(lambda: any("now leads to" in each for each in followed.notices), what="it is told")


async def test_an_api_that_is_silent_is_asked_anew(cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "BEAT_S", 0.2)
    monkeypatch.setattr(proxy, "ANSWER_S", 1.0)
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    async with opened(cluster) as source, Followed(source) as followed:
        await followed.until_complete(cluster)
        cluster.silence()
        await until(lambda: followed.notices, what="the silence is shown")
        cluster.silence(False)
        await followed.until_complete(cluster)
    assert "no answer within 1 s" in followed.notices[0]


@pytest.mark.parametrize(
    ("options", "forbidden", "said"),
    [
        ({"workload": "deployment/nosuch"}, "", 'deployments.apps "nosuch" not found'),
        ({"workload": "service/web"}, "", "it: service/web is not a workload as KIND/NAME"),
        ({"workload": "deployment/"}, "", "it: deployment/ is not a workload as KIND/NAME"),
        ({}, "list pods", 'pods is forbidden: User "lilfox" cannot list resource "pods"'),
        ({}, "get pods/log", 'cannot get resource "pods/log"'),
    ],
)
async def test_why_nothing_can_be_read(
    cluster: KubeCluster, options: dict[str, str], forbidden: str, said: str
) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    cluster.state.forbidden = {forbidden}
    async with opened(cluster, None, **{"namespace": "shop", **options}) as source:
        with pytest.raises(ClusterError) as caught:
            await source.page(AtBeginning(), older=False, limit=10, where=EVERYTHING)
    assert said in str(caught.value)


async def test_nothing_but_reading_goes_through(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle()
    pod = cluster.pods("web")[0]["metadata"]["name"]
    host = LocalHost("here", HostConfig(local=True))
    try:
        async with proxy.open_kube_api(Kubectl(host, "shop", ClusterConfig(kubeconfig=str(cluster.kubeconfig)))) as api:
            with pytest.raises(ClusterError):
                await api.ask("api", "v1", "namespaces", "shop", "secrets")
            with pytest.raises(ClusterError):
                await api.ask("api", "v1", "namespaces", "shop", "pods", pod, "exec", command="id")
            socket = api.socket
            assert Path(socket).parent.stat().st_mode & 0o77 == 0
            cluster.state.asked.clear()
            async with host.connect_unix(socket) as (reader, writer):
                path = f"/api/v1/namespaces/shop/pods/{pod}"
                writer.write(f"DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert b" 403 " in await reader.readline()
            assert cluster.state.asked == []
    finally:
        await host.close()
    assert not Path(socket).parent.exists()


def proxies(cluster: KubeCluster) -> list[int]:
    """The processes of kubectl proxy for the cluster."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if words[0] == b"kubectl" and b"proxy" in words and str(cluster.kubeconfig).encode() in words[1]:
                found.append(int(file.parent.name))
    return found


async def test_the_proxy_ends_with_a_link_that_is_never_there_again(cluster: KubeCluster) -> None:
    with sshd_lab() as lab:
        server = lab.sshd()
        host = open_host("bastion", lab.host(server), lab.ssh())
        kubectl = Kubectl(host, "shop", ClusterConfig(kubeconfig=str(cluster.kubeconfig)))
        try:
            async with proxy.open_kube_api(kubectl) as api:
                assert await api.ask("version")
                assert len(proxies(cluster)) == 1
                server.kill()
                await until(lambda: not proxies(cluster) and not Path(api.socket).parent.exists())
        finally:
            await host.close()


async def test_a_proxy_that_does_not_start_says_why(cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_PATHS", "(")
    async with opened(cluster) as source:
        with pytest.raises(ClusterError) as caught:
            await source.page(AtBeginning(), older=False, limit=10, where=EVERYTHING)
    assert "error parsing regexp" in str(caught.value)


def test_pods_are_named_on_the_command_line(cluster: KubeCluster, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"clusters:\n  shop:\n    kubeconfig: {cluster.kubeconfig}\n"
        "logs:\n  web:\n    kind: kubernetes\n    workload: deployment/web\n"
    )
    cluster.apply(deployment("web", image="shop/web:quiet", replicas=1))
    cluster.settle()
    cluster.say(cluster.pods("web")[0]["metadata"]["name"], "one", "two")
    for word in ("kubernetes://shop/shop/deployment/web", "kubernetes://shop", "web"):
        done = lilfox("--config", config, "logs", word, "--json")
        assert (done.returncode, done.stderr) == (0, ""), word
        assert [json.loads(each)["message"] for each in done.stdout.splitlines()] == ["one", "two"]
    done = lilfox("--config", config, "logs", "kubernetes://prod/shop")
    assert done.returncode == 2
    assert "no cluster named prod" in done.stderr
    done = lilfox("--config", config, "logs", "kubernetes://shop/shop/deployment")
    assert (done.returncode, "CLUSTER/NAMESPACE/deployment/NAME" in done.stderr) == (2, True)
