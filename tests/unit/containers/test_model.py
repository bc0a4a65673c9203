"""What engines say of containers: read, judged, and never trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.containers.engine import EngineEvent, event_of
from lilfox_tui.containers.model import (
    Container,
    ContainerMount,
    ContainerUsage,
    ContainerView,
    FailedCheck,
    PublishedPort,
    UsageRates,
    container_of,
    cpu_text,
    image_text,
    judge,
    memory_text,
    moment,
    rates_of,
    state_text,
    usages_of,
)
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.metrics.collector import load_collectors
from lilfox_tui.metrics.model import Level

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
INSPECTED: dict[str, Any] = {
    "Id": "ab" * 32,
    "Name": "/api",
    "Created": "2026-12-01T10:00:00.5Z",
    "Image": "sha256:12",
    "RestartCount": 4,
    "State": {
        "Status": "running", "Pid": 77, "ExitCode": 0, "OOMKilled": False, "Error": "",
        "StartedAt": "2026-12-01T11:59:00.123456789Z", "FinishedAt": "2026-12-01T13:58:00+02:00",
        "Health": {"Status": "unhealthy", "FailingStreak": 3},
    },
    "HostConfig": {
        "Memory": 1024, "CpuQuota": 150_000, "CpuPeriod": 100_000, "NetworkMode": "host", "Privileged": True,
        "RestartPolicy": {"Name": "always"},
    },
    "Config": {"Image": "shop/api:2", "Labels": {"com.docker.compose.project": "shop"}},
    "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "::", "HostPort": "8080"}], "9/udp": None}},
}  # fmt: skip


def test_an_inspected_container() -> None:
    found = container_of(INSPECTED)
    assert (found.name, found.image, found.state, found.health) == ("api", "shop/api:2", "running", "unhealthy")
    assert (found.restarts, found.cpu_limit, found.memory_limit, found.pid) == (4, 1.5, 1024, 77)
    assert found.started == datetime(2026, 12, 1, 11, 59, 0, 123456, UTC)
    assert found.finished == datetime(2026, 12, 1, 11, 58, tzinfo=UTC)
    assert found.ports == (PublishedPort("80/tcp", "::", "8080"), PublishedPort("9/udp"))
    assert [port.text for port in found.ports] == ["[::]:8080->80/tcp", "9/udp"]
    assert (found.project, found.host_network, found.privileged) == ("shop", True, True)


def test_mounts_and_the_last_failed_health_checks() -> None:
    mounts = [
        {"Type": "bind", "Source": "/srv/shop", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "certs", "Source": "/var/lib/docker/volumes/certs/_data", "Destination": "/tls",
         "RW": False},
        "nonsense",
    ]  # fmt: skip
    log = [{"End": f"2026-12-01T11:0{turn}:00Z", "ExitCode": turn % 2, "Output": f" run {turn}\n" * 99}
           for turn in range(8)]  # fmt: skip
    state = {
        "Status": "running",
        "Health": {"Status": "unhealthy", "FailingStreak": 1, "Log": [*log, None, {"End": 3}]},
    }
    found = container_of({"State": state, "Mounts": mounts})
    assert found.mounts == (ContainerMount("/srv/shop", "/data"), ContainerMount("certs", "/tls", read_only=True))
    assert [mount.text for mount in found.mounts] == ["/srv/shop:/data", "certs:/tls:ro"]
    assert [each.at and each.at.minute for each in found.failed_checks] == [7, 5, 3], "newest first"
    assert found.failed_checks[0].code == 1
    assert len(found.failed_checks[0].output) == 300
    assert container_of({"State": {"Health": {"Log": "x"}}, "Mounts": {"a": 1}}).failed_checks == ()
    assert isinstance(found.failed_checks[0], FailedCheck)


def test_what_is_told_in_a_line() -> None:
    hours = timedelta(hours=3)
    runs = Container(id="x", name="x", image="shop/api:2", state="running", started=NOW - hours, health="healthy",
                     image_created=NOW - 2 * hours, memory_limit=64.0 * 2**20, cpu_limit=0.5)  # fmt: skip
    ended = Container(id="x", name="x", image="i", state="exited", started=NOW - hours, finished=NOW - hours / 3,
                      exit_code=3)  # fmt: skip
    assert state_text(runs, NOW) == "running 3 h, healthy"
    assert state_text(ended, NOW) == "exited 1 h (3)"
    assert state_text(Container(id="x", name="x", image="i", state="created"), NOW) == "created"
    assert (image_text(runs, NOW), image_text(ended, NOW)) == ("shop/api:2 (6 h)", "i")
    view = ContainerView(host="h", engine="docker", container=runs, level=Level.GOOD,
                         usage=ContainerUsage(memory=32.0 * 2**20), rates=UsageRates(cpu=0.25))  # fmt: skip
    assert (cpu_text(view), memory_text(view)) == ("50% of 0.5 CPU", "32M/64M")
    unlimited = ContainerView(host="h", engine="docker", container=ended, level=Level.GOOD, usage=view.usage,
                              rates=view.rates)  # fmt: skip
    assert (cpu_text(unlimited), memory_text(unlimited)) == ("25%", "32M")
    nothing = ContainerView(host="h", engine="docker", container=ended, level=Level.GOOD)
    assert (cpu_text(nothing), memory_text(nothing)) == ("-", "-")


@pytest.mark.parametrize("found", [{}, {"State": [], "HostConfig": 3, "Config": None}, {"State": {"Status": 1}}])
def test_what_is_missing_is_unknown(found: dict[str, Any]) -> None:
    container = container_of(found)
    assert (container.state, container.exit_code, container.memory_limit) == ("unknown", None, None)


@pytest.mark.parametrize("text", [None, 3, "", "0001-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "yesterday"])
def test_a_time_that_is_none(text: object) -> None:
    assert moment(text) is None


def container(**changes: Any) -> Container:
    return Container(**({"id": "a", "name": "a", "image": "b", "state": "running"} | changes))


def ended(code: int, **changes: Any) -> Container:
    return container(**({"state": "exited", "exit_code": code, "finished": NOW - timedelta(minutes=1)} | changes))


@pytest.mark.parametrize(
    ("each", "level", "words"),
    [
        (container(), Level.GOOD, ""),
        (container(health="unhealthy", health_failures=2), Level.FAILING, "unhealthy: 2"),
        (container(state="paused"), Level.DEGRADED, "paused"),
        (container(state="restarting", restarts=9, exit_code=3), Level.FAILING, "crash loop: restarts so far: 9, last"),
        (container(oom_killed=True), Level.FAILING, "out of memory"),
        (ended(0), Level.GOOD, ""),
        (ended(143), Level.GOOD, ""),
        (ended(2), Level.DEGRADED, "exited with code 2"),
        (ended(137, oom_killed=True), Level.FAILING, "killed: out of memory"),
        (ended(2, finished=NOW - timedelta(days=2)), Level.GOOD, ""),
        (ended(127, error="no such file"), Level.FAILING, "not started: no such file"),
    ],
)
def test_how_well_it_is(each: Container, level: Level, words: str) -> None:
    found, reasons = judge(each, NOW, recent_restarts=0, oomed_s=None)
    assert found is level
    assert str(reasons[0]).startswith(words) if words else not reasons


def test_restarts_and_kills_of_late() -> None:
    assert judge(container(), NOW, recent_restarts=1, oomed_s=None)[0] is Level.DEGRADED
    assert judge(container(), NOW, recent_restarts=3, oomed_s=None)[0] is Level.FAILING
    assert judge(container(), NOW, recent_restarts=0, oomed_s=30.0)[0] is Level.FAILING
    assert judge(container(), NOW, recent_restarts=0, oomed_s=3600.0)[0] is Level.GOOD


def test_rates_are_between_two_readings() -> None:
    before, now = ContainerUsage(cpu_s=1.0, read_bytes=100.0), ContainerUsage(cpu_s=2.0, read_bytes=40.0)
    rates = rates_of(before, now, 2.0)
    assert (rates.cpu, rates.read, rates.receive) == (0.5, None, None), "less than before was begun anew"
    assert rates_of(before, now, 0.0).cpu is None


def test_control_groups_as_the_collector_prints_them() -> None:
    [collector] = [each for each in load_collectors({}) if each.kind == "containers"]
    printed = "uptime 72174.59\n0123456789ab 27960 684032 1 5 6 7 8\nabcdef012345 - - 0 - - - -\n"
    read_at, usages = usages_of((each.series, each.value) for each in collector.parse({"script": printed}))
    assert read_at == 72174.59
    assert usages["0123456789ab"] == ContainerUsage(0.02796, 684032.0, 1.0, 5.0, 6.0, 7.0, 8.0)
    assert usages["abcdef012345"] == ContainerUsage(oom_kills=0.0)
    with pytest.raises(LilFoxError, match="containers"):
        collector.parse({"script": "uptime 1.0\n../../etc 1 2 3 4 5 6 7\n"})


def test_events_of_both_engines() -> None:
    docker = b'{"Type":"container","Action":"health_status: unhealthy","Actor":{"ID":"ab"},"timeNano":7}'
    podman = b'{"ID":"ab","Status":"died","Type":"container","time":1}'
    assert event_of(docker) == EngineEvent("ab", "health_status", 7)
    assert event_of(podman) == EngineEvent("ab", "died", 0)
    assert event_of(b"[1]") is event_of(b"{}") is event_of(b"\xff") is None
