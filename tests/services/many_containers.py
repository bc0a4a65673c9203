"""One host with both engines and many containers, and how long it takes until something there is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from lilfox_tui.config.model import Config
from lilfox_tui.containers.model import ContainerView, EngineView
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.monitor import Monitor
from tests.services.container_engines import ContainerEngine
from tests.services.sshd import Sshd, SshdLab
from tests.waiting import until

LONGEST_S = 60.0


def fill(engine: ContainerEngine, count: int) -> None:
    """Starts so many containers that sleep."""
    for number in range(count):
        labels = {"com.docker.compose.project": f"shop-{number % 5}", "com.docker.compose.service": f"app-{number}"}
        engine.run(f"{engine.kind}-{number}", "sleep", "3600", Labels=labels, host={"Memory": 32 << 20})


async def seen_after_s(
    lab: SshdLab, server: Sshd, engines: Sequence[ContainerEngine], count: int
) -> dict[str, dict[str, float]]:
    """Seconds until all containers of each engine were seen, and until each trouble among them was, by engine and by
    what it is. They are stopped last: the containers of Docker end with it."""
    clock = asyncio.get_running_loop().time
    host = lab.host(server, containers=tuple(each.socket for each in engines))
    monitor = Monitor(Config(hosts={"web": host}, ssh=lab.ssh()))
    began, running = clock(), asyncio.create_task(monitor.run())
    took: dict[str, dict[str, float]] = {each.kind: {} for each in engines}
    try:
        for engine in engines:
            await until(lambda: len(_containers(monitor, engine)) >= count, timeout_s=LONGEST_S)  # noqa: B023
            took[engine.kind]["all"] = clock() - began
        for engine in engines:
            took[engine.kind] |= await _troubles(monitor, engine)
        for engine in engines:
            await asyncio.to_thread(engine.stop)  # Docker ends its containers first
            began = clock()
            took[engine.kind]["stopped"] = await _until(lambda: _down(monitor, engine), began)  # noqa: B023
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return took


async def _troubles(monitor: Monitor, engine: ContainerEngine) -> dict[str, float]:
    took = {}
    await asyncio.to_thread(engine.script, "oom", "tail /dev/zero", host={"Memory": 16 << 20})
    view = await _seen(monitor, engine, "oom", "killed: out of memory")
    assert view.container.finished is not None
    took["oom"] = _since(view.container.finished)
    check = {"Test": ["CMD", "false"], "Interval": 500_000_000, "Retries": 1}
    await asyncio.to_thread(engine.script, "sick", "sleep 600", Healthcheck=check)
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(engine.check_health, "sick")
    await _seen(monitor, engine, "sick", "unhealthy")
    took["unhealthy"] = asyncio.get_running_loop().time() - began
    again = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}}
    await asyncio.to_thread(engine.script, "loop", "usleep 200000; exit 3", host=again)
    view = await _seen(monitor, engine, "loop", "crash loop")
    assert view.container.started is not None
    took["crash loop"] = _since(view.container.started)
    return took


def _since(at: datetime) -> float:
    return (datetime.now(UTC) - at).total_seconds()


async def _until(met: Callable[[], bool], began: float) -> float:
    await until(met, timeout_s=LONGEST_S)
    return asyncio.get_running_loop().time() - began


async def _seen(monitor: Monitor, engine: ContainerEngine, name: str, words: str) -> ContainerView:
    def found() -> Iterable[ContainerView]:
        views = (each for each in _containers(monitor, engine) if each.container.name == name)
        return [each for each in views if any(str(reason).startswith(words) for reason in each.reasons)]

    await until(lambda: bool(found()), what=f"{engine.kind}: {name}: {words}", timeout_s=LONGEST_S)
    [view] = found()
    return view


def _engine(monitor: Monitor, engine: ContainerEngine) -> EngineView | None:
    overview = monitor.overview.value
    views = () if overview is None else overview.containers.get("web", ())
    return next((each for each in views if each.place == engine.socket), None)


def _containers(monitor: Monitor, engine: ContainerEngine) -> tuple[ContainerView, ...]:
    view = _engine(monitor, engine)
    return () if view is None else view.containers


def _down(monitor: Monitor, engine: ContainerEngine) -> bool:
    view = _engine(monitor, engine)
    return view is not None and view.level is Level.FAILING
