"""The Clusters pane by its keys: the way there, what is listed, what is found, and what cannot be done and why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.navigation import CLUSTERS
from lilfox_tui.app.panes.cluster.pane import ClusterPane
from lilfox_tui.app.panes.cluster.state import key_of
from lilfox_tui.core.aio import Ready
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview
from tests.app.alerts_made import RULES, alert, some
from tests.app.clusters_made import CONFIG, broken, well, with_clusters
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app

SIZE = (100, 30)


def app_of(overview: Overview | None = None, **changes: object) -> LilFoxApp:
    return still_app(overview or with_clusters(broken(), well()), clusters=CONFIG, **changes)  # type: ignore[arg-type]


def pane_of(app: LilFoxApp) -> ClusterPane:
    pane = app.pane
    assert isinstance(pane, ClusterPane)
    return pane


def page_of(app: LilFoxApp) -> tuple[str, str] | None:
    return pane_of(app).state.page


def listed(app: LilFoxApp) -> dict[str, tuple[bool, str]]:
    """The choices of the open list: whether each can be chosen, and its text."""
    assert isinstance(app.screen, Chooser)
    return {
        each.id: (each.possible, "".join(piece.text for piece in each.row))
        for each in app.screen._choices
    }  # fmt: skip


async def at_pane(app: LilFoxApp, pilot: Pilot[None], *keys: str) -> ClusterPane:
    await pilot.press("5", *keys)
    await pilot.pause()
    return pane_of(app)


async def test_home_lists_clusters_and_enter_shows_the_selected_one() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        assert "Clusters" in text
        assert "PRODUCTION shop-prod" in text
        assert app.metrics.state.selected == ("cluster", "shop"), "it is the worst problem"
        await pilot.press("l")
        assert "enter shows it in pane 5" in screen_text(pilot)
        await pilot.press("G", "enter")
        await pilot.pause()
        pane = pane_of(app)
        assert pane.state.cluster is not None
        assert pane.state.cluster.name == "staging"


async def test_the_filter_of_home_finds_clusters_by_what_is_wrong_in_them() -> None:
    app = app_of(replace(mixed(), clusters=with_clusters(broken(), well()).clusters))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("slash", *"node-3", "enter")
        await pilot.pause()
        assert app.metrics.state.order() == [("cluster", "shop")]
        assert app.metrics.state.level(app.metrics.state.overview or mixed(), ("cluster", "shop")) is Level.FAILING


async def test_without_clusters_there_is_no_fifth_pane() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert "5 Clusters" not in screen_text(pilot)
        await pilot.press("5")
        assert app.navigation.current != CLUSTERS
        assert "pane-5" not in {each.id for each in app.all_actions}


async def test_tab_goes_through_the_lists_and_enter_down_to_the_pod() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        pane = await at_pane(app, pilot)
        kinds = []
        for _step in range(4):
            await pilot.press("tab")
            kinds.append(pane.state.kind)
        assert kinds == ["pods", "nodes", "events", "workloads"]
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert page_of(app) == ("pods", "shop/api-7c9d8b6f55-x2x9q")
        assert "panic: no such table: orders" in screen_text(pilot)
        assert "PRODUCTION shop-prod" in screen_text(pilot)
        await pilot.press("escape", "escape")
        assert page_of(app) is None
        await pilot.press("enter", "5")
        assert page_of(app) is None, "the key of the pane leads back to its lists"


async def test_a_namespace_or_another_cluster_is_chosen_by_a_key() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        pane = await at_pane(app, pilot, "o")
        assert list(listed(app)) == ["namespace/", "namespace/shop", "namespace/shop-jobs", "cluster/staging"]
        assert "7 pods" not in listed(app)["namespace/shop"][1]
        assert "✖2" in listed(app)["namespace/shop"][1]
        await pilot.press(*"jobs", "enter")
        await pilot.pause()
        assert [key_of(each) for each in pane.state.rows] == ["shop-jobs/Deployment/report"]
        await pilot.press("o", *"staging", "enter")
        await pilot.pause()
        assert "shop-staging" in screen_text(pilot).splitlines()[2]
        assert "PRODUCTION" not in screen_text(pilot)


@pytest.mark.parametrize("key", ["at", "colon"])
async def test_a_workload_is_found_by_its_name_from_every_pane(key: str) -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("2", key, *"worker", "enter")
        await pilot.pause()
        assert pane_of(app).state.page == ("workloads", "shop/StatefulSet/worker")


async def test_a_cluster_is_found_by_its_context() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("at", *"shop-staging", "enter")
        await pilot.pause()
        cluster = pane_of(app).state.cluster
        assert cluster is not None
        assert cluster.name == "staging"


async def test_what_cannot_be_done_says_why() -> None:
    app = app_of(read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await at_pane(app, pilot, "a")
        found = listed(app)
        assert {"restart-workload", "undo", "scale", "pause-rollout", "shell", "logs"} <= set(found)
        assert not {"drain", "cordon", "delete-pod"} & set(found), "they are for rows of other kinds"
        assert found["logs"][0]
        assert not any(found[id_][0] for id_ in ("restart-workload", "undo", "scale", "pause-rollout", "shell"))
        assert "read_only mode" in found["scale"][1]
        await pilot.press("escape", "tab", "a")
        await pilot.pause()
        assert "delete-pod" in listed(app)
        await pilot.press("escape", "tab", "a")
        await pilot.pause()
        assert {"drain", "cordon"} <= set(listed(app))


async def test_the_row_whose_actions_are_listed_stays_selected() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        pane = await at_pane(app, pilot, "a")
        view = broken()
        turned = with_clusters(replace(view, workloads=view.workloads[::-1]))
        pane.show(turned)
        assert pane.state.selected == view.workloads[0]


async def test_nothing_is_changed_before_the_cluster_was_asked() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        await at_pane(app, pilot, "u")
        assert "no cluster was read yet" in screen_text(pilot)


async def test_keys_typed_before_a_cluster_was_read_choose_the_list() -> None:
    app = app_of(mixed())
    async with app.run_test(size=SIZE) as pilot:
        pane = await at_pane(app, pilot, "tab", "tab")
        assert pane.state.cluster is None
        chosen = [pane.state.kind]
        await pilot.press("left")
        assert [*chosen, pane.state.kind] == ["nodes", "pods"]


async def test_the_help_tells_what_can_be_done_in_the_pane() -> None:
    app = app_of()
    async with app.run_test(size=(120, 60)) as pilot:
        await at_pane(app, pilot, "question_mark")
        text = screen_text(pilot)
        for told in ("choose the namespace that is listed", "logs of all pods of the workload", "earlier revision",
                     ":drain"):  # fmt: skip
            assert told in text, told


async def test_a_page_is_kept_as_evidence_with_its_context() -> None:
    app = app_of()
    async with app.run_test(size=SIZE) as pilot:
        pane = await at_pane(app, pilot, "enter")
        selection = pane.evidence()
        assert selection is not None
        assert selection.title == "shop: Deployment shop/api"
        kept = await selection.read()
        assert kept.name.startswith("cluster-deployment-shop-api-")
        text = kept.data.decode()
        assert "PRODUCTION shop-prod" in text
        assert "has timed out progressing" in text


async def test_what_is_wrong_leads_to_an_incident_and_its_alert_to_runbooks() -> None:
    firing = alert(RULES[0], AlertState.FIRING, 1, 5, {"cluster": "shop", "namespace": "shop", "deployment": "api"})
    overview = replace(with_clusters(broken()), alerts=Ready(replace(some(), alerts=(firing,)), NOW))
    app = app_of(overview)
    gone_to: list[str] = []
    app.go_to_runbook = lambda cause: gone_to.append(cause.alert)
    async with app.run_test(size=SIZE) as pilot:
        pane = await at_pane(app, pilot, "r")
        assert gone_to == [firing.name]
        await pilot.press("j", "r")
        assert "no alert fires about it" in screen_text(pilot)
        cause = pane.cause()
        assert cause is not None
        assert (cause.title, cause.severity) == ("shop: Deployment shop/cart: image cannot be pulled", "SEV-2")


async def test_the_past_shows_no_cluster() -> None:
    app = app_of(replace(mixed(), clusters=with_clusters(broken()).clusters))
    async with app.run_test(size=SIZE) as pilot:
        await at_pane(app, pilot, "left_square_bracket")
        assert "clusters are not recorded for the past" in screen_text(pilot)
        await pilot.press("grave_accent")
        await pilot.pause()
        assert "PRODUCTION shop-prod" in screen_text(pilot)
