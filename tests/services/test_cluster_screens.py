"""The pane of clusters over a stand-in for one that the real kubectl talks to: what is seen, what a change shows before
it begins, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.cluster.pane import ClusterPane
from lilfox_tui.app.panes.cluster.state import key_of
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.loader import load
from lilfox_tui.config.themes import load_theme
from lilfox_tui.core.i18n import set_language
from lilfox_tui.monitor.monitor import Monitor
from tests.app.still import screen_text, unframed
from tests.services.kube_cluster import KubeCluster, deployment, kube_cluster
from tests.unit.jobs.running import jobs
from tests.waiting import until

__all__ = ["jobs"]
SIZE = (120, 40)
GOOD, BAD = "shop/web:1.0", "shop/web:crash"


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubeCluster]:
    """Workloads of two revisions, the newer of which crashes, and some that are well."""
    with kube_cluster() as made:
        for name in ("web", "cart"):
            made.apply(deployment(name, image=GOOD, cause="release 1"))
        for name in ("api", "mail"):
            made.apply(deployment(name, replicas=2))
        made.settle()
        for name in ("web", "cart"):
            made.set_image(name, BAD, cause="release 2")
        yield made


@pytest.fixture(autouse=True)
def _of_this_cluster(cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECACHEDIR", str(cluster.folder / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def app(request: pytest.FixtureRequest, cluster: KubeCluster, tmp_path: Path) -> LilFoxApp:
    """The app over that cluster, watched for real; the parameter is the context."""
    set_language("en")
    context = getattr(request, "param", "shop-staging")
    shop = {"kubeconfig": str(cluster.kubeconfig), "context": context, "every": "1s"}
    path = tmp_path / "lilfox.yaml"
    path.write_text(json.dumps({"hosts": {"here": {"local": True}}, "clusters": {"shop": shop}}))
    path.chmod(0o600)
    config = load(path).config
    return LilFoxApp(Monitor(config, config_file=path), config, theme=load_theme("fox-dark"), glyphs=UNICODE)


def production(function: Callable[..., object]) -> object:
    return pytest.mark.parametrize("app", ["shop-prod"], indirect=True)(function)


def pane_of(app: LilFoxApp) -> ClusterPane:
    pane = app.pane
    assert isinstance(pane, ClusterPane)
    return pane


async def shows(pilot: Pilot[None], *words: str) -> None:
    """Waits until all of that is on the screen."""
    await until(lambda: all(each in unframed(screen_text(pilot)) for each in words), what=" ".join(words))


async def at_row(app: LilFoxApp, pilot: Pilot[None], name: str, *keys: str) -> ClusterPane:
    """Selects a row of the pane, once it is known."""
    await pilot.press("5", *keys)
    pane = pane_of(app)

    def is_there() -> bool:
        found = next((each for each in pane.state.rows if key_of(each).rpartition("/")[2] == name), None)
        if found is not None:
            pane.state.select(found)
            pane.repaint()
        return found is not None

    await until(is_there, what=f"{name} is listed")
    return pane


async def choose(pilot: Pilot[None], words: str) -> None:
    """Types into the list that is open, and takes the first that is left."""
    await pilot.press(*("space" if each == " " else each for each in words), "enter")
    await pilot.pause()


async def act(pilot: Pilot[None], words: str) -> None:
    """Chooses an action for the selected row."""
    await pilot.press("a")
    await shows(pilot, "Actions for the selected row")
    await choose(pilot, words)


def image_of(cluster: KubeCluster, name: str = "web") -> str:
    image: str = cluster.get("deployments", name)["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


async def test_a_failed_rollout_is_seen_and_its_pods_tell_why(app: LilFoxApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "Clusters", "shop-staging", "deployment/cart in shop")
        await at_row(app, pilot, "cart")
        await shows(pilot, "cart Deployment", "crash loop")
        await pilot.press("enter")
        await shows(pilot, "Deployment shop/cart", "release 2 current", "BackOff", "CrashLoopBackOff")
        await pilot.press("enter")
        await shows(pilot, "Pod shop/cart-", "last end Error, exit code 1", "Deployment cart")


async def test_a_rollout_is_undone_to_a_revision_that_is_chosen(
    app: LilFoxApp, cluster: KubeCluster, jobs: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, "web")
        await pilot.press("u")
        await shows(pilot, "Return web on shop-staging to which revision?", "web:1.0", "release 1", "the present one")
        await pilot.press("enter")
        await shows(pilot, "--context=shop-staging", "--to-revision=1", f"image of web: {BAD} → {GOOD}")
        assert image_of(cluster) == BAD, "nothing is done before it is confirmed"
        await pilot.press("enter")
        await until(lambda: image_of(cluster) == GOOD, what="it is undone")
        await shows(pilot, "rolled back")
        await pilot.press("escape")
        cluster.settle("web")
        await shows(pilot, "web Deployment 3/3")


@production
async def test_production_is_changed_by_its_contexts_name_alone(
    app: LilFoxApp, cluster: KubeCluster, jobs: Path
) -> None:
    def wanted() -> int:
        count: int = cluster.get("deployments", "mail")["spec"]["replicas"]
        return count

    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, "mail")
        await shows(pilot, "PRODUCTION shop-prod")
        await act(pilot, "scale")
        await shows(pilot, "Scale mail: how many pods?", "mail on shop-prod has 2 pods")
        await pilot.press("backspace", *"many", "enter")
        await shows(pilot, "enter a number between 0 and")
        await pilot.press(*["backspace"] * 4, "4", "enter")
        await shows(pilot, "pods: 2 → 4", "type shop-prod")
        await pilot.press(*"shop-staging", "enter")
        await pilot.pause()
        assert wanted() == 2
        await pilot.press(*["backspace"] * 12, *"shop-prod", "enter")
        await until(lambda: wanted() == 4, what="it is scaled")


async def test_draining_a_node_shows_which_pods_go_before_anything_is_done(
    app: LilFoxApp, cluster: KubeCluster
) -> None:
    node = cluster.pods("api")[0]["spec"]["nodeName"]
    there = [each["metadata"]["name"] for each in cluster.pods("api") if each["spec"]["nodeName"] == node]
    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, node, "tab", "tab")
        await act(pilot, "drain")
        await shows(pilot, f"Drain node {node} of shop-staging", "--ignore-daemonsets", *there)
        await pilot.press("escape")
        await pilot.pause()
        assert "unschedulable" not in cluster.get("nodes", node)["spec"]


async def test_pods_without_a_controller_are_drained_only_on_a_second_word(
    app: LilFoxApp, cluster: KubeCluster
) -> None:
    alone = cluster.pods("api")[0]
    name = alone["metadata"]["name"]
    node = alone["spec"]["nodeName"]
    cluster.change("pods", name, lambda pod: {**pod, "metadata": {**pod["metadata"], "ownerReferences": []}})
    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, node, "tab", "tab")
        await act(pilot, "drain")
        await shows(pilot, "would lose pods or data", name, "drain it all the same")
        await choose(pilot, "all the same")
        await shows(pilot, "--force", "type shop-staging")
        await pilot.press("escape")


async def test_the_logs_of_all_pods_of_a_workload_are_one_list(app: LilFoxApp, cluster: KubeCluster) -> None:
    names = [each["metadata"]["name"] for each in cluster.pods("api")]
    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, "api")
        await pilot.press("l")
        await shows(pilot, "shop/api", *names)


async def test_a_shell_names_the_context_and_the_container(
    app: LilFoxApp, cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(app, "step_aside_for", lambda argv, _heard=None: ran.append(argv))
    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, "api")
        await pilot.press("x")
        await shows(pilot, "A shell on shop-staging: in which container?")
        await pilot.press("enter")
        await until(lambda: ran, what="it is opened")
        names = {each["metadata"]["name"] for each in cluster.pods("api")}
        [argv] = ran
        assert "--context=shop-staging" in argv
        assert names & set(argv)
        assert "--container=api" in argv


async def test_an_api_that_is_gone_is_told_and_nothing_can_be_changed(app: LilFoxApp, cluster: KubeCluster) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await at_row(app, pilot, "api")
        cluster.stop_api()
        try:
            await shows(pilot, "last answer", "Check that the API server runs", "api Deployment 2/2")
            await pilot.press("u")
            await shows(pilot, "shop cannot be reached now")
        finally:
            cluster.start_api()
