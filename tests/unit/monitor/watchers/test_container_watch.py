"""What is remembered of a container beside its present state: restarts of late, kills for lack of memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import EnginePlace
from lilfox_tui.containers.model import Container, ContainerUsage, ContainerView, EngineView
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.container_export import container_families
from lilfox_tui.monitor.watchers.container import EngineWatch, _EngineSeen

NOW = datetime.now(UTC)


def container(**changes: Any) -> Container:
    made: dict[str, Any] = {"id": "ab" * 32, "name": "api", "image": "b", "state": "running"}
    made |= {"created": NOW - timedelta(days=3), "started": NOW - timedelta(days=2)}
    return Container(**(made | changes))


def ended(**changes: Any) -> Container:
    return container(**({"state": "exited", "finished": NOW, "exit_code": 137, "oom_killed": True} | changes))


def test_restarts_are_those_since_it_is_watched_and_what_the_first_look_tells() -> None:
    assert _EngineSeen(container(restarts=9), NOW).recent_restarts(NOW) == 0, "the last one was days ago"
    assert _EngineSeen(container(restarts=9, started=NOW), NOW).recent_restarts(NOW) == 1
    assert _EngineSeen(container(restarts=9, started=NOW, created=NOW), NOW).recent_restarts(NOW) == 9
    seen = _EngineSeen(container(), NOW)
    seen.take(container(restarts=2, started=NOW))
    assert seen.recent_restarts(NOW) == 2
    assert seen.recent_restarts(NOW + timedelta(minutes=11)) == 0


def test_each_kill_for_want_of_memory_counts_once() -> None:
    seen = _EngineSeen(container(), NOW)
    seen.take_kills(0.0)
    seen.take_kills(1.0)
    seen.take(ended())
    assert seen.oom_events == 1, "its control group told of the kill that ended it"
    seen.take(container(started=NOW + timedelta(seconds=1)))
    seen.take_kills(0.0)
    seen.take(ended(finished=NOW + timedelta(seconds=2), started=NOW + timedelta(seconds=1)))
    assert seen.oom_events == 2, "between two readings of the control group"
    seen.take(ended(finished=NOW + timedelta(seconds=2), started=NOW + timedelta(seconds=1)))
    assert seen.oom_events == 2


def test_of_readings_at_the_same_time_one_counts() -> None:
    """The sampler and a single look may read together, and answer in any order."""
    place = EnginePlace(socket="/s")
    watch = EngineWatch(LocalHost("web", HostConfig(local=True)), place, lambda: None)
    for read_at, cpu_s in ((100.0, 1.0), (100.02, 1.02), (101.0, 1.5), (100.9, 1.45)):
        watch.take_usages(read_at, {"ab" * 6: ContainerUsage(cpu_s=cpu_s)})
    assert watch._rates["ab" * 6].cpu == 0.5
    watch.take_usages(5.0, {"ab" * 6: ContainerUsage(cpu_s=0.1)})  # the host has booted
    watch.take_usages(10.0, {"ab" * 6: ContainerUsage(cpu_s=1.1)})
    assert watch._rates["ab" * 6].cpu == 0.2


def test_one_that_was_killed_before_it_was_watched_is_no_event() -> None:
    seen = _EngineSeen(ended(finished=NOW - timedelta(hours=5)), NOW)
    assert seen.oom_events == 0
    assert seen.oomed_at == NOW - timedelta(hours=5)


def test_what_runs_is_recorded_once_a_reading() -> None:
    host = LocalHost("web", HostConfig(local=True))
    watch = EngineWatch(host, EnginePlace(socket="/run/none.sock"), lambda: None)
    runs, stopped = container(), ended(id="cd" * 32)
    beside = container(id="ef" * 32, host_network=True)
    watch._take((runs, stopped, beside), set())
    use = {
        each.short_id: ContainerUsage(cpu_s=1.0, memory=64.0, receive_bytes=10.0) for each in (runs, stopped, beside)
    }
    assert watch.take_usages(100.0, use)
    assert not watch.take_usages(100.0, use), "the same reading again"
    more = {name: ContainerUsage(cpu_s=6.0, memory=32.0, receive_bytes=30.0) for name in use}
    assert watch.take_usages(110.0, more)
    told = {(series.name, series.label("id")): value for series, value in watch.series()}
    assert told == {
        ("memory", runs.short_id): 32.0, ("cpu", runs.short_id): 0.5, ("receive", runs.short_id): 2.0,
        ("memory", beside.short_id): 32.0, ("cpu", beside.short_id): 0.5,
    }  # fmt: skip


def test_series_have_the_names_and_labels_of_cadvisor() -> None:
    well = container(health="healthy", project="shop", service="api", memory_limit=1024.0, cpu_limit=0.5)
    view = ContainerView(host="web", engine="/s", container=well, level=Level.GOOD, oom_events=2)
    engine = EngineView("web", "/s", "Docker 26", Level.GOOD, (), (view,))
    families = {name: lines for name, _kind, _help, lines in container_families({"web": (engine,)}, NOW)}
    [(labels, value)] = families["container_oom_events_total"]
    assert value == 2.0
    assert dict(labels) == {
        "container_label_com_docker_compose_project": "shop", "container_label_com_docker_compose_service": "api",
        "host": "web", "id": "ab" * 32, "image": "b", "name": "api",
    }  # fmt: skip
    assert list(labels) == sorted(labels)
    values = {name: lines[0][1] for name, lines in families.items() if lines}
    assert values["container_health_state"] == 1.0
    assert (values["container_spec_cpu_quota"], values["container_spec_cpu_period"]) == (50_000.0, 100_000.0)
    assert "container_cpu_usage_seconds_total" not in values, "what is not known is absent"
    assert values["lilfox_container_engine_up"] == 1.0
