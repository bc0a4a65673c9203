"""Real engines, Docker and Podman, watched over a real SSH connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.main import parse
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.model import Config
from lilfox_tui.containers.model import ContainerView, EngineView
from lilfox_tui.metrics.collectors import containers as collector
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.monitor import Monitor
from tests.services.container_engines import ContainerEngine
from tests.services.sshd import Sshd, SshdLab
from tests.waiting import until

SEEN_S = 6.0


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[ContainerEngine]:
    with ContainerEngine(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdLab]:
    made = SshdLab(tmp_path_factory.mktemp("ssh"))
    yield made
    for server in made.servers:
        server.stop()


@pytest.fixture(scope="module")
def server(lab: SshdLab) -> Sshd:
    return lab.sshd()


@asynccontextmanager
async def watching(lab: SshdLab, server: Sshd, engine: ContainerEngine) -> AsyncIterator[Monitor]:
    host = lab.host(server, containers=(engine.socket,))
    monitor = Monitor(Config(hosts={"web": host}, ssh=lab.ssh(), audit=Config().audit))
    running = asyncio.create_task(monitor.run())
    try:
        await until(lambda: level_of_engine(monitor) is Level.GOOD, what="listed")
        yield monitor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def engine_view(monitor: Monitor) -> EngineView | None:
    overview = monitor.overview.value
    views = () if overview is None else overview.containers.get("web", ())
    return views[0] if views else None


def level_of_engine(monitor: Monitor) -> Level | None:
    view = engine_view(monitor)
    return None if view is None else view.level


def view_of(monitor: Monitor, name: str) -> ContainerView | None:
    engine = engine_view(monitor)
    return next((each for each in engine.containers if each.container.name == name), None) if engine else None


async def seen(monitor: Monitor, name: str, level: Level, words: str) -> ContainerView:
    """The container once it is at that level, for a reason that begins so."""

    def found() -> bool:
        view = view_of(monitor, name)
        return view is not None and view.level is level and any(str(each).startswith(words) for each in view.reasons)

    await until(found, what=f"{name}: {words}")
    view = view_of(monitor, name)
    assert view is not None
    return view


async def test_troubles_are_seen_as_they_happen(lab: SshdLab, server: Sshd, engine: ContainerEngine) -> None:
    clock = asyncio.get_running_loop().time
    took: dict[str, float] = {}
    async with watching(lab, server, engine) as monitor:
        await asyncio.to_thread(engine.script, "oom", "tail /dev/zero", host={"Memory": 16 << 20})
        view = await seen(monitor, "oom", Level.FAILING, "killed: out of memory")
        assert view.container.finished is not None
        took["oom"] = (datetime.now(UTC) - view.container.finished).total_seconds()
        assert (view.container.exit_code, view.container.memory_limit) == (137, 16 << 20)
        check = {"Test": ["CMD", "false"], "Interval": 500_000_000, "Retries": 1}
        await asyncio.to_thread(engine.script, "sick", "sleep 60", Healthcheck=check)
        await asyncio.to_thread(engine.check_health, "sick")
        began = clock()
        view = await seen(monitor, "sick", Level.FAILING, "unhealthy")
        took["unhealthy"] = clock() - began
        assert view.container.state == "running"
        again = {"RestartPolicy": {"Name": "always"}}
        await asyncio.to_thread(engine.script, "loop", "usleep 200000; exit 3", host=again)
        view = await seen(monitor, "loop", Level.FAILING, "crash loop")
        assert view.recent_restarts >= 3
        await asyncio.to_thread(engine.remove, "loop")
        await until(lambda: view_of(monitor, "loop") is None, what="it is gone")
        for name in ("oom", "sick"):
            await asyncio.to_thread(engine.remove, name)
        await asyncio.to_thread(engine.stop)
        began = clock()
        await until(lambda: level_of_engine(monitor) is Level.FAILING, what="the engine is down")
        took["engine"] = clock() - began
        engine.start()  # by the main thread, with which it ends
        await until(lambda: level_of_engine(monitor) is Level.GOOD, what="it is back")
    assert all(seconds < SEEN_S for seconds in took.values()), took


async def test_use_is_measured_against_the_limits(
    lab: SshdLab, server: Sshd, engine: ContainerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "EVERY_S", 1.0)
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    host = {"Memory": 64 << 20, "NanoCpus": 500_000_000}
    made = engine.script("busy", "while :; do :; done", host=host, Labels=labels)
    try:
        async with watching(lab, server, engine) as monitor:
            await until(
                lambda: (view := view_of(monitor, "busy")) is not None and view.cpu_percent is not None, timeout_s=40
            )
            view = view_of(monitor, "busy")
    finally:
        engine.remove(made)
    assert view is not None
    assert view.cpu_percent is not None
    assert 10 < view.cpu_percent < 130, "of half a core, what a busy machine leaves of it"
    assert view.container.cpu_limit == 0.5
    assert view.memory_percent is not None
    assert 0 < view.memory_percent < 20
    assert (view.container.project, view.container.service) == ("shop", "api")
    assert view.container.image_created is not None


def test_the_command_lists_them(
    lab: SshdLab, server: Sshd, engine: ContainerEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lilfox_tui.cli.commands import containers

    made = engine.script("ended", "exit 4", Labels={"tier": "web"})
    engine.ask("POST", f"/containers/{made}/wait")
    config = tmp_path / "config.yaml"
    host = {"address": server.address, "port": server.port, "identity": str(lab.client_key), "user": "root"}
    ssh = {"config_files": [], "known_hosts": [str(lab.known_hosts)]}
    config.write_text(json.dumps({"hosts": {"web": {**host, "containers": [engine.socket]}}, "ssh": ssh}))
    try:
        code = containers.run(parse(["--config", str(config), "containers", "--json", "--label", "tier=web"]))
    finally:
        engine.remove(made)
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("containers"))
    assert code == 0
    [found] = document["engines"][0]["containers"]
    assert (found["name"], found["state"], found["exit_code"], found["level"]) == ("ended", "exited", 4, "degraded")
    assert document["engines"][0]["version"].startswith(engine.kind.capitalize())
