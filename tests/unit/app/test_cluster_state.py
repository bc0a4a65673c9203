"""What the Clusters pane shows and acts on: rows, namespaces, pages, and what cannot be done."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.app.panes.cluster.state import ClusterState, key_of
from lilfox_tui.app.rows.clusters import Kind
from lilfox_tui.clusters.model import NodeView, PodView, WorkloadView
from lilfox_tui.core.aio import Ready
from lilfox_tui.metrics.model import Level
from tests.app.alerts_made import RULES, alert, some
from tests.app.clusters_made import broken, well, with_clusters
from tests.app.overviews import NOW


def state_of(*views: object) -> ClusterState:
    state = ClusterState()
    state.overview = with_clusters(*views)  # type: ignore[arg-type]
    return state


def names(state: ClusterState) -> list[str]:
    return [key_of(each).rpartition("/")[2] for each in state.rows]


def test_the_worst_cluster_is_shown_until_one_is_chosen() -> None:
    state = state_of(well(), broken())
    assert state.cluster is not None
    assert state.cluster.name == "shop"
    state.choose("staging")
    assert state.cluster.name == "staging"
    assert state.overview is not None
    state.overview = with_clusters(replace(well(), level=Level.GOOD), broken())
    assert state.cluster.name == "staging", "it stays, also if another one is worse"


def test_whoever_looks_at_a_cluster_goes_on_looking_at_it() -> None:
    state = state_of(well(), replace(broken(), level=Level.GOOD))
    state.move(1)
    assert state.cluster is not None
    assert state.cluster.name == "staging"
    state.overview = with_clusters(well(), broken())
    assert state.cluster.name == "staging"


def test_a_namespace_narrows_all_lists_but_the_nodes() -> None:
    state = state_of(broken())
    assert names(state) == ["api", "cart", "worker", "report", "log-agent"]
    state.show_namespace("shop-jobs")
    assert names(state) == ["report"]
    state.kind = "pods"
    assert names(state) == ["report-6f-pp1"]
    state.kind = "nodes"
    assert names(state) == ["node-3", "node-2", "node-1"]
    assert state.why_not_back() is None
    state.back()
    assert state.namespace == ""
    assert "first screen" in str(state.why_not_back())


def test_the_filter_looks_in_names_images_and_reasons() -> None:
    state = state_of(broken())
    state.set_filter("typo")
    assert names(state) == ["cart"]
    state.set_filter("API rollout")
    assert names(state) == ["api"]
    state.toggle_only_matching()
    assert len(state.rows) == 5
    state.set_filter("report")
    state.select_match(1)
    assert isinstance(state.selected, WorkloadView)
    assert state.selected.workload.name == "report"


def test_a_row_stays_selected_while_others_come_before_it() -> None:
    state = state_of(broken())
    state.move(2)
    view = broken()
    state.overview = with_clusters(replace(view, workloads=view.workloads[::-1]))
    assert isinstance(state.selected, WorkloadView)
    assert state.selected.workload.name == "worker"


def test_enter_goes_from_a_workload_to_its_worst_pod_and_back_leads_the_same_way() -> None:
    state = state_of(broken())
    assert state.why_not_open() is None
    state.open(("workloads", key_of(broken().workloads[0])))
    assert state.inner == ("pods", "shop/api-7c9d8b6f55-x2x9q")
    state.open(state.inner)
    assert isinstance(state.selected, PodView)
    assert "already open" in str(state.why_not_open())
    state.back()
    assert isinstance(state.selected, WorkloadView)
    state.back()
    assert state.page is None


def test_enter_on_an_event_goes_to_what_it_is_about() -> None:
    state = state_of(broken())
    state.kind = "events"
    opened = []
    for event in broken().events:
        state.pages = (("events", key_of(event)),)
        opened.append(state.inner)
    assert opened == [
        ("pods", "shop/api-7c9d8b6f55-x2x9q"), ("pods", "shop/cart-58d7f9-8k2lm"), ("nodes", "node-3"),
        ("workloads", "shop/Deployment/api"),
    ]  # fmt: skip


def test_a_pod_leads_to_its_workload_and_its_logs() -> None:
    state = state_of(broken())
    assert state.logs_of == "shop/deployment/api"
    state.kind = "pods"
    assert state.workload is not None
    assert state.workload.workload.name == "api"
    assert state.logs_of == "shop/pod/api-7c9d8b6f55-x2x9q"
    state.kind = "events"
    assert state.logs_of == "shop/pod/api-7c9d8b6f55-x2x9q"
    state.kind = "nodes"
    assert isinstance(state.selected, NodeView)
    assert state.logs_of is None


@pytest.mark.parametrize(
    ("kind", "labels", "found"),
    [
        ("workloads", {"namespace": "shop", "deployment": "api"}, True),
        ("workloads", {"namespace": "shop", "pod": "api-7c9d8b6f55-x2x9q", "container": "api"}, True),
        ("pods", {"namespace": "shop", "pod": "api-7c9d8b6f55-x2x9q"}, True),
        ("pods", {"namespace": "shop", "pod": "another"}, False),
        ("workloads", {"namespace": "other", "deployment": "api"}, False),
        ("nodes", {"node": "node-3"}, True),
        ("workloads", {"cluster": "staging", "namespace": "shop", "deployment": "api"}, False),
    ],
)
def test_the_alert_about_a_row_is_found_by_its_labels(kind: Kind, labels: dict[str, str], found: bool) -> None:
    state = ClusterState()
    firing = alert(RULES[0], AlertState.FIRING, 1, 5, {"cluster": "shop", "severity": "critical", **labels})
    state.overview = replace(with_clusters(broken()), alerts=Ready(replace(some(), alerts=(firing,)), NOW))
    state.kind = kind
    assert (state.alert == firing) is found
    gone = replace(firing, state=AlertState.RESOLVED, resolved_at=NOW)
    state.overview = replace(with_clusters(broken()), alerts=Ready(replace(some(), alerts=(gone,)), NOW))
    assert state.alert is None


def test_what_is_gone_is_told() -> None:
    state = state_of(broken())
    state.open(("pods", "shop/api-7c9d8b6f55-x2x9q"))
    view = broken()
    state.overview = with_clusters(replace(view, pods=view.pods[1:]))
    assert state.selected is None
    assert str(state.why_nothing()) == "nothing is selected"


def test_the_past_has_no_clusters() -> None:
    state = ClusterState()
    assert "no cluster was read" in str(state.why_nothing())
    state.overview = replace(with_clusters(), rewound=True, at=NOW)
    assert "not recorded for the past" in str(state.why_nothing())
    assert state.rows == ()
