"""Containers made by hand, and an app over them that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.model import (
    Container,
    ContainerMount,
    ContainerUsage,
    ContainerView,
    EngineView,
    FailedCheck,
    PublishedPort,
    UsageRates,
    judge,
)
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.levels import with_containers
from lilfox_tui.monitor.model import Overview
from tests.app.overviews import NOW, host, summary
from tests.app.still import still_app

MIB = 1024.0**2
SOCKET = "/run/none/docker.sock"
"""There is no engine: nothing can be read of one."""


def container(name: str, project: str = "", **changes: Any) -> Container:
    """A container that has run for three hours; its id follows from its name."""
    made: dict[str, Any] = {
        "id": sha256(name.encode()).hexdigest(), "name": name, "image": "shop/api:2",
        "image_created": NOW - timedelta(days=12), "state": "running", "pid": 4711,
        "created": NOW - timedelta(hours=4), "started": NOW - timedelta(hours=3), "restart_policy": "always",
        "project": project, "service": name.removeprefix(f"{project}-").removesuffix("-1") if project else "",
    }  # fmt: skip
    return Container(**(made | changes))


def seen(found: Container, where: str = "web-1", *, recent_restarts: int = 0, cpu: float = 0.25) -> ContainerView:
    """The container as its host's watch would tell of it."""
    level, reasons = judge(found, NOW, recent_restarts=recent_restarts, oomed_s=None)
    runs = found.state == "running"
    return ContainerView(
        host=where, engine=SOCKET, container=found, level=level, reasons=reasons, recent_restarts=recent_restarts,
        usage=ContainerUsage(cpu_s=90.0, memory=32 * MIB) if runs else ContainerUsage(),
        rates=UsageRates(cpu, 0.0, 4096.0, 900.0, 1200.0) if runs else UsageRates(),
    )  # fmt: skip


def engine_of(*views: ContainerView, where: str = "web-1", **changes: Any) -> EngineView:
    """An engine with those containers, worst first."""
    made: dict[str, Any] = {"host": where, "place": SOCKET, "version": "Docker 26.1.5", "level": Level.GOOD}
    ordered = sorted(views, key=lambda each: (-each.level, each.container.name))
    return EngineView(**(made | changes), containers=tuple(ordered))


def looping() -> ContainerView:
    """One that is restarted all the time."""
    ended = NOW - timedelta(seconds=2)
    found = container("shop-worker-1", "shop", state="exited", pid=None, exit_code=3, finished=ended, restarts=9)
    return seen(found, recent_restarts=9)


def unhealthy() -> ContainerView:
    """One whose health check fails, with all that can be told of a container."""
    failures = tuple(
        FailedCheck(NOW - timedelta(seconds=30 * age), 1, f"curl: (7) refused {age}\n") for age in range(1, 4)
    )
    return seen(container(
        "shop-web-1", "shop", health="unhealthy", health_failures=7, failed_checks=failures, memory_limit=64 * MIB,
        cpu_limit=0.5, ports=(PublishedPort("80/tcp", "0.0.0.0", "8080"), PublishedPort("443/tcp")),
        mounts=(ContainerMount("/srv/shop", "/data"), ContainerMount("certs", "/etc/ssl", read_only=True)),
    ))  # fmt: skip


def shop(*, failing: bool = True) -> list[ContainerView]:
    """A Compose project of three; with ``failing``: one loops, one is unhealthy."""
    db = seen(container("shop-db-1", "shop", memory_limit=64 * MIB))
    if failing:
        return [looping(), unhealthy(), db]
    return [seen(container("shop-worker-1", "shop")), seen(container("shop-web-1", "shop")), db]


def overview_of(*engines: EngineView) -> Overview:
    """Hosts with those engines, and what stands for them."""
    names = dict.fromkeys(engine.host for engine in engines)
    found = {name: tuple(engine for engine in engines if engine.host == name) for name in names}
    well = {name: replace(host(name, Level.GOOD, summary(name, 23, 61, 71)), config=HostConfig(local=True))
            for name in names}  # fmt: skip
    hosts = {name: with_containers(well[name], those) for name, those in found.items()}
    return Overview(NOW, hosts, {}, containers=found)


def containers_app(views: Sequence[ContainerView], **more: Any) -> LilFoxApp:
    """The app over one host with those containers, which were recorded for two minutes."""
    app = still_app(overview_of(engine_of(*views)), **more)
    for age in range(120, 0, -10):
        used = {Series(name, (("id", view.container.short_id),)): value for view in views
                for name, value in (("cpu", view.rates.cpu), ("memory", view.usage.memory),
                                    ("receive", view.rates.receive), ("transmit", view.rates.transmit),
                                    ("read", view.rates.read), ("write", view.rates.write))
                if value is not None}  # fmt: skip
        app.monitor.container_history.add("host/web-1", NOW - timedelta(seconds=age), used, holds_s=25)
    return app


def without(overview: Overview, name: str) -> Overview:
    """The same after a container was removed."""
    found = {
        host: tuple(replace(each, containers=tuple(one for one in each.containers if one.container.name != name))
                    for each in engines)
        for host, engines in overview.containers.items()
    }  # fmt: skip
    return replace(overview, containers=found)


STOPPED = tr("{reason}", reason=f"{SOCKET} on web-1 has stopped")
