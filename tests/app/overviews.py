"""Overviews made by hand, for screens that must look the same every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Link
from lilfox_tui.metrics.model import (
    CpuSplit,
    DiskActivity,
    FilesystemUsage,
    Health,
    HealthCheck,
    HostSummary,
    InterfaceActivity,
    Level,
    Pressure,
    ServiceState,
)
from lilfox_tui.monitor.model import HostView, Overview, ServiceView
from lilfox_tui.scrape.scraper import NoPage

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
GIB = 1024.0**3


def summary(
    name: str, busy: float, memory: float, disk: float, *, iowait: float = 1.0, at: datetime = NOW
) -> HostSummary:
    """A host of four cores whose numbers follow from three."""
    split = CpuSplit(user=busy * 0.8, system=busy * 0.2, iowait=iowait, steal=0.0, idle=100 - busy - iowait)
    var = FilesystemUsage("/var", "/dev/vda2", "ext4", 100 * GIB, disk * GIB, (100 - disk) * GIB, disk, 12.0)
    root = FilesystemUsage("/", "/dev/vda1", "ext4", 40 * GIB, 10 * GIB, 30 * GIB, 25.0, 5.0)
    return HostSummary(
        host=name,
        at=at,
        cpu=split,
        cores=tuple((str(core), split) for core in range(4)),
        cpu_count=4,
        memory_total=16 * GIB,
        memory_available=16 * GIB * (1 - memory / 100),
        memory_percent=memory,
        swap_total=2 * GIB,
        swap_used=0.0,
        swap_percent=0.0,
        load=(busy / 20, busy / 25, busy / 30),
        disks=(DiskActivity("vda", 120e3, 2.4e6, 14, 220, 31.0),),
        interfaces=(InterfaceActivity("eth0", 1.2e6, 340e3, 0.0, 0.0, up=True),),
        filesystems=(root, var),
        fullest=var,
        pressure=Pressure(2.0, 0.0, iowait),
        uptime_s=86400 * 12 + 7200,
        booted_at=NOW - timedelta(days=12),
        failed_units=(),
        clock_offset_s=0.004,
        clock_error_s=0.01,
        disk_read_s=120e3,
        disk_write_s=2.4e6,
        network_in_s=1.2e6,
        network_out_s=340e3,
        kernel="6.12.41",
    )


def host(
    name: str, level: Level, numbers: HostSummary | None, *reasons: Message, tags: tuple[str, ...] = ()
) -> HostView:
    """A host that is reached."""
    config = HostConfig(address="10.0.0.7", tags=tags)
    link = Ready(Link(NOW - timedelta(hours=3), "SSH-2.0-OpenSSH_10.0"), NOW)
    return HostView(name, config, level, NOW - timedelta(minutes=10), reasons, numbers, link)


def lost(name: str) -> HostView:
    """A host that went away 14 s ago."""
    error = HostUnreachable(name, tr("connection lost"), tr("is the host up, and its network?"))
    link = Unavailable(error, NOW - timedelta(seconds=14), NOW + timedelta(seconds=4))
    reason = tr("no sample for {age}: {why}, next try in {wait}", age="14 s", why="connection lost", wait="4 s")
    return HostView(name, HostConfig(), Level.FAILING, NOW - timedelta(seconds=14), (reason,), None, link)


def service(name: str, level: Level, code: int | None, seconds: float | None, *reasons: Message) -> ServiceView:
    """A service that was asked a second ago."""
    health = Health.ERROR if code is None else Health.HEALTHY if code == 200 else Health.UNHEALTHY
    check = HealthCheck(NOW, health, code, seconds, reasons[0] if code is None and reasons else None)
    config = ServiceConfig(url=f"http://127.0.0.1:80{len(name):02}")
    since = NOW - timedelta(minutes=6)
    state = ServiceState(name, config.url, level, since, check, 0 if health is Health.HEALTHY else 9)
    return ServiceView(name, config, level, since, reasons, state)


REFUSED = tr(
    "{address} refuses the connection: nothing is listening on that port; is the service running?",
    address="10.0.0.9:8443",
)


def down() -> Overview:
    """Services that are ill in as many words as a real one needs."""
    gone = Unavailable(
        NoPage(
            REFUSED, tr("Is the path right? Many programs serve metrics at /metrics, Spring at /actuator/prometheus.")
        ),
        NOW - timedelta(minutes=2),
        NOW + timedelta(seconds=40),
    )
    said = '{"status":"down","detail":"database pool exhausted: 40 of 40 connections are in use"}'
    full = service("orders", Level.FAILING, 503, 0.004, tr("answers 503, expected {codes}", codes="200"))
    assert full.state is not None
    last = replace(full.state.last, detail=said)
    services = [
        replace(service("payments-api", Level.FAILING, None, None, REFUSED), traffic=gone),
        replace(full, state=replace(full.state, last=last)),
    ]
    return Overview(NOW, {}, {view.name: view for view in services})


def mixed() -> Overview:
    """One of each: good, degraded, lost, never seen; services that are well, ill and gone."""
    hosts = [
        host("web-1", Level.GOOD, summary("web-1", 23, 61, 71), tags=("prod", "web")),
        host(
            "db-1",
            Level.DEGRADED,
            summary("db-1", 88, 91, 93, iowait=8.0),
            tr("memory {value}% > {limit}%", value=91, limit=85),
            tags=("prod", "db"),
        ),
        lost("model-1"),
        HostView("new-1", HostConfig(), Level.UNKNOWN, NOW),
    ]
    services = [
        service("gateway", Level.GOOD, 200, 0.012),
        service("backend", Level.FAILING, 503, 0.004, tr("answers 503, expected {codes}", codes="200")),
        service("model", Level.FAILING, None, None, tr("connection refused")),
    ]
    return Overview(NOW, {view.name: view for view in hosts}, {view.name: view for view in services})


def fleet(hosts: int) -> Overview:
    """So many hosts, most of them well, with services, backends and alerts of each kind."""
    from tests.app.alerts_made import some
    from tests.app.test_backends import backends

    views = [_one_of_many(f"node-{number}", number) for number in range(1, hosts + 1)]
    before = mixed()
    return replace(
        before,
        hosts={view.name: view for view in views},
        backends={view.name: view for view in backends()},
        alerts=Ready(some(), NOW),
    )


def _one_of_many(name: str, number: int) -> HostView:
    if number % 11 == 3:
        return lost(name)
    busy = 5.0 + number * 37 % 90
    level = Level.DEGRADED if busy > 85 else Level.GOOD
    reasons = () if level is Level.GOOD else (tr("CPU {value}% > {limit}%", value=round(busy), limit=85),)
    return host(name, level, summary(name, busy, 61, 71), *reasons)
