"""What is remembered of a cluster beside its present state, and its series."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.clusters.kubectl import ClusterError, LookedPart, LookPart
from lilfox_tui.clusters.model import (
    ClusterEvent,
    ClusterNode,
    ClusterObjects,
    ClusterView,
    ContainerEnd,
    ObjectCondition,
    Pod,
    PodContainer,
    Workload,
)
from lilfox_tui.config.model import ClusterConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.monitor.cluster_export import cluster_families
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.series import MonitorSeries
from lilfox_tui.monitor.watchers import cluster
from lilfox_tui.monitor.watchers.cluster import EVENTS_AT_MOST, NO_USAGE_S, ClusterWatch, _newest
from lilfox_tui.scrape.labels import ms_of
from lilfox_tui.scrape.store import SeriesStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _AtNow:
    min = datetime.min.replace(tzinfo=UTC)

    @staticmethod
    def now(tz: tzinfo | None = None) -> datetime:
        return NOW.astimezone(tz)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watcher's clock is at ``NOW``, however long ago this module was imported."""
    monkeypatch.setattr(cluster, "datetime", _AtNow)


def pod(restarts: int = 0, **changes: Any) -> Pod:
    end = ContainerEnd("Error", 1, finished=NOW) if restarts else None
    one = PodContainer(name="web", state="running", ready=True, restarts=restarts, last_end=end)
    made: dict[str, Any] = {"namespace": "shop", "name": "web-1", "uid": "u1", "phase": "Running", "ready": True}
    return Pod(**(made | {"containers": (one,)} | changes))


def workload(**changes: Any) -> Workload:
    made: dict[str, Any] = {"kind": "Deployment", "namespace": "shop", "name": "web", "wanted": 2, "available": 2}
    return Workload(**(made | changes))


def watched(**objects: Any) -> ClusterWatch:
    watch = ClusterWatch("shop", ClusterConfig(), lambda: None, lambda: None)  # type: ignore[arg-type,return-value]
    take(watch, **objects)
    return watch


def take(watch: ClusterWatch, **objects: Any) -> None:
    watch._take_part("objects", ClusterObjects(**objects))
    watch._error, watch._seen, watch._view = None, NOW, None


def test_restarts_that_were_seen_make_a_crash_loop() -> None:
    watch = watched(pods=(pod(9),))
    assert watch.view(NOW).pods[0].recent_restarts == 0, "how long ago they were nobody knows"
    take(watch, pods=(pod(11),))
    take(watch, pods=(pod(12),))
    view = watch.view(NOW).pods[0]
    assert (view.recent_restarts, view.level) == (3, Level.FAILING)
    watch._view = None
    assert watch.view(NOW + timedelta(minutes=11)).pods[0].recent_restarts == 0
    take(watch)
    assert watch._restarts == {}


def test_fewer_pods_than_wanted_count_from_when_that_was_seen() -> None:
    watch = watched(workloads=(workload(available=1),))
    assert watch.view(NOW).level is Level.GOOD
    take(watch, workloads=(workload(available=1),))
    assert watch.view(NOW + timedelta(seconds=90)).level is Level.DEGRADED
    take(watch, workloads=(workload(),))
    take(watch, workloads=(workload(available=1),))
    assert watch.view(NOW + timedelta(seconds=30)).level is Level.GOOD
    since = ObjectCondition("Available", "False", since=NOW - timedelta(hours=1))
    later = watched(workloads=(workload(available=1, conditions=(since,)),))
    assert later.view(NOW).level is Level.DEGRADED, "its own condition tells"


def test_the_view_stays_the_same_object_until_there_is_something_new() -> None:
    watch = watched(pods=(pod(),))
    first = watch.view(NOW)
    assert watch.view(NOW + timedelta(seconds=60)) is first
    take(watch, pods=(pod(1),))
    assert watch.view(NOW) is not first


def test_a_cluster_that_does_not_answer_fails_and_one_that_cannot_be_asked_is_unknown() -> None:
    watch = watched(pods=(pod(),))
    said = tr("{reason}", reason="no")
    for error, level in (
        (ClusterError(said, fault="unreachable"), Level.FAILING),
        (ClusterError(said, fault="login"), Level.FAILING),
        (ClusterError(said, fault="context"), Level.UNKNOWN),
        (ClusterError(said, fault="kubectl"), Level.UNKNOWN),
        (HostUnreachable("web", said), Level.UNKNOWN),
    ):
        watch._fail(error)
        view = watch.view(NOW)
        assert (view.level, len(view.pods), view.error) == (level, 1, error)


def test_a_pod_of_a_workload_is_told_by_it_and_another_by_itself() -> None:
    ill: dict[str, Any] = {"phase": "Unknown", "status": "Unknown", "ready": False, "node": "node-1"}
    owned = pod(owner_kind="Deployment", owner="web", **ill)
    alone = pod(name="cron-1", uid="u2", owner_kind="Job", owner="cron", **ill)
    view = watched(workloads=(workload(),), pods=(owned, alone)).view(NOW)
    assert [str(each).partition(":")[0] for each in view.reasons] == ["deployment/web in shop", "pod cron-1 in shop"]
    assert view.count(Level.FAILING) == 2


def test_what_becomes_of_a_cluster_is_a_change() -> None:
    changes, watch = ChangeLog(), watched(pods=(pod(),))

    def seen(after_s: int) -> list[str]:
        at = NOW + timedelta(seconds=after_s)
        watch._view = None
        overview = Overview(at, {}, {}, clusters={"shop": watch.view(at)})
        return [f"{each.subject} {each.what}" for each in changes.observe(overview)]

    assert seen(0) == []
    watch._fail(ClusterError(tr("{reason}", reason="refused"), fault="unreachable"))
    assert seen(10) == ["cluster/shop failing: refused"]
    assert seen(20) == []
    take(watch, pods=(pod(),))
    assert seen(40) == ["cluster/shop good again after 30 s"]


class Answers:
    """What looks find, one after another; ``wanted`` is what they were asked for."""

    def __init__(self, *found: dict[LookPart, LookedPart]) -> None:
        self.found, self.wanted = list(found), list[tuple[str, ...]]()

    async def take(self, *wanted: LookPart) -> dict[LookPart, LookedPart]:
        self.wanted.append(wanted)
        return self.found.pop(0)


async def test_a_cluster_without_a_metrics_server_is_seldom_asked_for_it() -> None:
    same = LookedPart(changed=False)
    none = LookedPart(error=ClusterError(tr("{reason}", reason="not found")))
    looks = Answers({"objects": LookedPart(), "events": same, "usage": none}, {"objects": same, "usage": same})
    watch = watched()
    watch._version = "v1"
    await watch._look(looks, ("events", "usage"), 100.0)  # type: ignore[arg-type]
    assert (watch._next_s["usage"], watch._next_s["events"]) == (100.0 + NO_USAGE_S, 0.0)
    await watch._look(looks, ("usage",), 800.0)  # type: ignore[arg-type]
    assert watch._next_s["usage"] == 800.0 + NO_USAGE_S, "the same error is sent only once"
    assert (watch._error, looks.wanted) == (None, [("objects", "events", "usage"), ("objects", "usage")])


def test_a_cluster_whose_workloads_may_not_be_listed_is_not_called_good() -> None:
    watch = watched()
    watch._missing = {"objects": ("nodes",), "events": ("events",)}
    assert watch.view(NOW).level is Level.GOOD
    watch._missing, watch._view = {"objects": ("nodes", "pods")}, None
    view = watch.view(NOW)
    assert (view.level, [str(each) for each in view.reasons]) == (
        Level.UNKNOWN, ["the account of kubectl may not list pods"],
    )  # fmt: skip
    assert len(view.missing) == 2


def test_of_too_many_events_the_warnings_stay() -> None:
    def event(number: int, kind: str) -> ClusterEvent:
        at = NOW - timedelta(seconds=number)
        return ClusterEvent(namespace="shop", kind="Pod", name=f"{number}", type=kind, last_seen=at)

    many = [event(number, "Normal") for number in range(EVENTS_AT_MOST)]
    found = _newest([*many, event(9999, "Warning")])
    assert (len(found), found[-1].name, found[0].name) == (EVENTS_AT_MOST, "9999", "0")


# Series.


def view_with(**changes: Any) -> ClusterView:
    twice = (ObjectCondition("Ready", "True"), ObjectCondition("Ready", "True"))
    node = ClusterNode(name="node-1", ready=True, conditions=twice, cordoned=True, version="v1.32.3")
    conditions = (ObjectCondition("Progressing", "False"),)
    made = watched(workloads=(workload(conditions=conditions),), pods=(pod(3),), nodes=(node,)).view(NOW)
    return replace(made, **changes)


def lines(view: ClusterView) -> dict[str, list[tuple[dict[str, str], float]]]:
    found = cluster_families({"shop": view})
    return {name: [(dict(labels), value) for labels, value in each] for name, _kind, _text, each in found}


def test_series_have_the_names_and_labels_of_kube_state_metrics() -> None:
    found = lines(view_with())
    web = {"cluster": "shop", "namespace": "shop", "deployment": "web"}
    assert found["kube_deployment_spec_replicas"] == [(web, 2.0)]
    assert found["kube_deployment_status_replicas_available"] == [(web, 2.0)]
    assert (web | {"condition": "Progressing", "status": "false"}, 1.0) in found["kube_deployment_status_condition"]
    assert (web | {"condition": "Progressing", "status": "true"}, 0.0) in found["kube_deployment_status_condition"]
    one = {"cluster": "shop", "namespace": "shop", "pod": "web-1", "uid": "u1"}
    assert found["kube_pod_container_status_restarts_total"] == [(one | {"container": "web"}, 3.0)]
    assert {each["phase"]: value for each, value in found["kube_pod_status_phase"]} == {
        "Pending": 0.0, "Running": 1.0, "Succeeded": 0.0, "Failed": 0.0, "Unknown": 0.0,
    }  # fmt: skip
    assert found["kube_node_spec_unschedulable"] == [({"cluster": "shop", "node": "node-1"}, 1.0)]
    assert found["lilfox_cluster_up"] == [({"cluster": "shop"}, 1.0)]


def test_no_series_is_there_twice_and_none_of_a_cluster_that_does_not_answer() -> None:
    for view in (view_with(), view_with(error=HostUnreachable("web", "no"))):
        for each in lines(view).values():
            assert max(Counter(str(labels) for labels, _value in each).values(), default=1) == 1
    gone = lines(view_with(error=HostUnreachable("web", "no")))
    assert {name for name, each in gone.items() if each} == {"lilfox_cluster_up", "lilfox_cluster_level"}
    assert gone["lilfox_cluster_up"] == [({"cluster": "shop"}, 0.0)]


def test_series_go_on_while_nothing_changes() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 24)
    series, view = MonitorSeries(store), view_with()
    for seconds in (0, 20, 40):
        series.take_clusters({"shop": view}, NOW + timedelta(seconds=seconds))
    assert store.target("clusters").newest_ms == ms_of(NOW + timedelta(seconds=40))


def test_a_look_is_every_five_seconds_by_default() -> None:
    assert ClusterConfig().every == Seconds(5)
