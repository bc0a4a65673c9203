"""Clusters, watched with the real kubectl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli import cluster_list
from lilfox_tui.cli.commands import check, query
from lilfox_tui.cli.main import parse
from lilfox_tui.cli.schemas import schema
from lilfox_tui.clusters.model import ClusterView
from lilfox_tui.config.model import ClusterConfig, Config, HostConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import UsageError
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import failures, worst
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers import cluster as watchers
from lilfox_tui.monitor.watchers.cluster import WatchedClusters
from tests.services.kube_cluster import KubeCluster, deployment, kube_cluster
from tests.services.sshd import sshd_lab
from tests.waiting import until


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeCluster]:
    monkeypatch.setattr(watchers, "SHARE", 1.0)  # of machines that have a lot else to do
    with kube_cluster() as running:
        monkeypatch.setenv("KUBECACHEDIR", str(running.folder / "cache"))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        yield running


def config_of(cluster: KubeCluster, **changes: object) -> ClusterConfig:
    settings: dict[str, object] = {"kubeconfig": str(cluster.kubeconfig), "every": Seconds(1)}
    return ClusterConfig(**(settings | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def watching(config: ClusterConfig, **more: object) -> AsyncIterator[Monitor]:
    settings: dict[str, object] = {"hosts": {"here": HostConfig(local=True)}, "refresh": Seconds(0.5)}
    monitor = Monitor(Config(clusters={"shop": config}, **(settings | more)))  # type: ignore[arg-type]
    running = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def alone(config: ClusterConfig) -> AsyncIterator[WatchedClusters]:
    """The watch of a cluster without that of anything else."""
    watched = WatchedClusters({"shop": config}, lambda _name: None, lambda: None)
    running = asyncio.create_task(watched.run())
    try:
        yield watched
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await watched.close()


def view_of(watched: Monitor | WatchedClusters) -> ClusterView | None:
    if isinstance(watched, WatchedClusters):
        return watched.views(datetime.now(UTC))["shop"]
    overview = watched.overview.value
    return None if overview is None else overview.clusters.get("shop")


async def seen(watched: Monitor | WatchedClusters, wanted: Callable[[ClusterView], bool]) -> ClusterView:
    """The view once it is as it should be."""
    await until(lambda: (view := view_of(watched)) is not None and wanted(view), what="seen")
    view = view_of(watched)
    assert view is not None
    return view


async def test_what_the_account_may_not_read_is_told_and_the_rest_is_shown(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle("web")
    cluster.state.forbidden |= {"list nodes", "list events"}
    async with alone(config_of(cluster, namespaces=("shop", "kube-system"))) as watched:
        view = await seen(watched, lambda view: view.level is Level.GOOD and len(view.missing) == 2)
        assert [str(each) for each in view.missing] == [
            "the account of kubectl may not list nodes", "the account of kubectl may not list events",
        ]  # fmt: skip
        assert ([each.workload.name for each in view.workloads], view.nodes, view.events) == (["web"], (), ())


def images(view: ClusterView) -> list[str]:
    return [each.image for pod in view.pods for each in pod.pod.containers]


async def test_a_rollout_that_fails_and_an_api_that_is_away_turn_the_overview_red(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web"))
    cluster.settle("web")
    async with watching(config_of(cluster)) as monitor:
        view = await seen(monitor, lambda view: view.level is Level.GOOD and bool(view.pods[0].pod.usage.cpu))
        assert (view.context, view.production, view.version, view.host) == (
            "shop-prod", True, "v1.32.4", "this machine",
        )  # fmt: skip
        [web] = view.workloads
        assert (web.workload.wanted, web.workload.available, web.workload.revision) == (3, 3, 1)
        assert [each.pod.owner for each in web.pods] == ["web"] * 3
        assert {each.node.name: each.pods for each in view.nodes}.keys() == {"node-1", "node-2", "node-3"}
        cluster.set_image("web", "shop/web:crash", cause="a bad release")
        view = await seen(monitor, lambda view: view.level is Level.FAILING)
        assert "deployment/web in shop: " in str(view.reasons[0])
        assert view.workloads[0].workload.revisions[0].change_cause == "a bad release"
        overview = monitor.overview.value
        assert overview is not None
        assert worst(overview) is Level.FAILING
        assert overview.count(Level.FAILING) == 1 + sum(each.level is Level.FAILING for each in overview.views)
        assert ("cluster", "shop") in [(each.kind, each.name) for each in failures(overview).failing]
        await seen(monitor, lambda view: any(each.reason == "BackOff" for each in view.events))
        cluster.set_image("web", "shop/web:2.0")
        cluster.settle("web")
        await seen(monitor, lambda view: view.level < Level.FAILING and images(view) == ["shop/web:2.0"] * 3)
        cluster.stop_api()
        view = await seen(monitor, lambda view: view.error is not None)
        assert (view.level, len(view.pods)) == (Level.FAILING, 3), "and what was seen last stays"
        assert "was refused" in str(view.reasons[0])
        cluster.start_api()
        await seen(monitor, lambda view: view.error is None)


async def test_a_node_that_is_away_and_one_that_is_cordoned(cluster: KubeCluster) -> None:
    async with alone(config_of(cluster)) as watched:
        await seen(watched, lambda view: view.level is Level.GOOD)
        cluster.kubectl("cordon", "node-2")
        view = await seen(watched, lambda view: any(each.node.cordoned for each in view.nodes))
        assert view.level is Level.GOOD
        cluster.set_node("node-1", status=False, message="Kubelet stopped posting node status.")
        view = await seen(watched, lambda view: view.level is Level.FAILING)
        assert str(view.reasons[0]) == "node node-1: not ready: Kubelet stopped posting node status."


async def test_a_cluster_is_watched_over_ssh_and_looked_at_anew_when_asked(cluster: KubeCluster) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.settle("web")
    with sshd_lab() as lab:
        hosts = {"web": lab.host(lab.sshd())}
        config = config_of(cluster, from_="web", every=Seconds(300))
        async with watching(config, hosts=hosts, ssh=lab.ssh()) as monitor:
            view = await seen(monitor, lambda view: view.level is Level.GOOD)
            assert view.host == "web"
            cluster.set_image("web", "shop/web:2.0")
            cluster.settle("web")
            assert monitor.clusters is not None
            monitor.clusters.look_soon("shop")
            view = await seen(monitor, lambda view: view.workloads[0].workload.revision == 2)
            assert monitor.clusters.kubectl("shop").context == "shop-prod"


# The commands.


@pytest.fixture
def config_file(cluster: KubeCluster, tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    shop = {"kubeconfig": str(cluster.kubeconfig), "context": "shop-prod"}
    file.write_text(json.dumps({"hosts": {"here": {"local": True}}, "clusters": {"shop": shop}}))
    return file


def test_the_command_lists_what_is_there_worst_first(
    cluster: KubeCluster, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.apply(deployment("web"), deployment("jobs", namespace="shop-jobs", replicas=1),
                  deployment("bad", image="shop/web:missing", replicas=1))  # fmt: skip
    cluster.settle("web")
    cluster.settle("jobs", "shop-jobs")
    cluster.until(lambda: "ImagePull" in json.dumps(cluster.pods("bad")), what="the image cannot be pulled")
    argv = ["--config", str(config_file), "cluster", "list"]
    assert cluster_list.run_list(parse([*argv, "shop", "--json"])) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("cluster-list"))
    [found] = document["clusters"]
    assert (found["context"], found["production"], found["level"]) == ("shop-prod", True, "failing")
    assert [each["name"] for each in found["workloads"]] == ["bad", "web", "jobs"]
    assert found["pods"][0]["owner"] == "Deployment/bad"
    assert len(found["nodes"]) == 3
    assert any(each["reason"] == "Failed" for each in found["events"])
    assert cluster_list.run_list(parse([*argv, "-n", "shop-jobs", "--only", "workloads", "--json"])) == 0
    [found] = json.loads(capsys.readouterr().out)["clusters"]
    assert ([each["name"] for each in found["workloads"]], "pods" in found) == (["jobs"], False)
    assert cluster_list.run_list(parse(argv)) == 1
    printed = capsys.readouterr().out
    assert "shop-prod" in printed.splitlines()[0]
    assert "production" in printed.splitlines()[0]
    assert printed.index("deployment/bad") < printed.index("deployment/web")


def test_check_and_query_know_the_clusters(
    cluster: KubeCluster, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.apply(deployment("web", replicas=2))
    cluster.settle("web")
    argv = ["--config", str(config_file)]
    check.run(parse([*argv, "check", "--json"]))
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("check"))
    assert document["clusters"]["shop"]["level"] == "good"
    assert query.run(parse([*argv, "query", "kube_deployment_status_replicas_available", "--json"])) == 0
    [series] = json.loads(capsys.readouterr().out)["series"]
    assert series["value"] == 2
    labels = {"cluster": "shop", "namespace": "shop", "deployment": "web"}
    assert labels.items() <= series["labels"].items()
    cluster.stop_api()
    assert check.run(parse([*argv, "check"])) == 1
    assert "was refused" in capsys.readouterr().out
    assert cluster_list.run_list(parse([*argv, "cluster", "list"])) == 1


@pytest.mark.parametrize("words", [["gone"], ["-n", "--all"], ["-n", "Shop"]])
def test_names_that_there_are_not_are_refused(config_file: Path, words: list[str]) -> None:
    with pytest.raises((UsageError, SystemExit)):
        cluster_list.run_list(parse(["--config", str(config_file), "cluster", "list", *words]))
