"""How engines are found and asked: a user's own, one behind a program, one that refuses; many containers."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import (
    ApiEngine,
    CommandEngine,
    EngineError,
    EnginePlace,
    find_engines,
    open_engine,
)
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.watchers.container import EngineWatch
from tests.services.container_engines import ContainerEngine
from tests.waiting import until

USER = 64321
USED_BEFORE = Path("/var/lib/containers/storage").is_dir()
MANY = 12


@pytest.fixture(scope="module")
def engine() -> Iterator[ContainerEngine]:
    with ContainerEngine("podman") as running:
        yield running


@pytest.fixture
async def host() -> AsyncIterator[LocalHost]:
    made = LocalHost("here", HostConfig(local=True))
    yield made
    await made.close()


async def test_the_engine_of_a_user_without_rights_is_found(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with ContainerEngine("podman", user=USER) as own:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(own.folder))
        assert EnginePlace(socket=own.socket) in await find_engines(host)
        watch = EngineWatch(host, EnginePlace(socket=own.socket), lambda: None)
        own.script("ended", "exit 9")
        running = asyncio.create_task(watch.run())
        try:
            await until(lambda: _levels(watch).get("ended") is Level.DEGRADED, what="its container is seen")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def _levels(watch: EngineWatch) -> dict[str, Level]:
    return {each.container.name: each.level for each in watch.view(datetime.now(UTC)).containers}


async def test_a_program_says_the_same_as_a_socket(
    engine: ContainerEngine, host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = " ".join((shutil.which("podman") or "podman", *engine.podman_words[1:]))
    program = tmp_path / "podman"
    program.write_text(f'#!/bin/sh\nSTORAGE_DRIVER=vfs exec {words} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    by_program, by_socket = CommandEngine(host, EnginePlace(program="podman")), ApiEngine(
        host, EnginePlace(socket=engine.socket)
    )  # fmt: skip
    made = engine.script("ended", "exit 4", Labels={"com.docker.compose.project": "shop"})
    engine.ask("POST", f"/containers/{made}/wait")
    try:
        assert await by_program.list_ids() == await by_socket.list_ids() == [made]
        [one], [other] = await by_program.inspect([made]), await by_socket.inspect([made])
        assert (one.name, one.state, one.exit_code, one.project) == ("ended", "exited", 4, "shop")
        same = ("id", "name", "state", "exit_code", "restarts", "oom_killed", "project", "created", "finished")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        assert await by_program.inspect([made, "0" * 64]) == [one], "one that is gone is left out"
        assert (await by_program.version()).startswith("Podman 5")
        async with aclosing(by_program.events()) as events, asyncio.timeout(60):
            assert await anext(events) is None
            coming = asyncio.ensure_future(anext(events))
            while not coming.done():
                await asyncio.to_thread(engine.ask, "POST", f"/containers/{made}/start")
                await asyncio.wait([coming], timeout=1)
            event = coming.result()
            assert event is not None
            assert event.id == made
    finally:
        engine.remove(made)


async def test_a_program_that_was_never_used_is_not_run(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = await find_engines(host)
    assert any(each.program == "podman" for each in found) == USED_BEFORE


async def test_many_are_seen_at_once_and_each_is_asked_for_once(engine: ContainerEngine, host: LocalHost) -> None:
    for number in range(MANY):
        engine.run(f"many{number}", "sleep", "120")
    watch = EngineWatch(host, EnginePlace(socket=engine.socket), lambda: None)
    asked: list[str] = []
    api = watch._engine
    assert isinstance(api, ApiEngine)
    plain = api._inspected

    async def inspected(name: str) -> object:
        asked.append(name)
        return await plain(name)

    api._inspected = inspected  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(watch.run())
    try:
        await until(lambda: len(_levels(watch)) == MANY, what="all are seen")
        assert len(asked) == MANY
        await asyncio.to_thread(engine.ask, "POST", "/containers/many7/kill")
        await until(lambda: len(asked) > MANY, what="the one that ended is asked for")
        assert len(set(asked[MANY:])) == 1, "no other"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        engine.podman("rm", "--all", "--force", "--time", "0")


async def test_what_cannot_be_reached_is_said(host: LocalHost, tmp_path: Path) -> None:
    gone = open_engine(host, EnginePlace(socket=str(tmp_path / "none.sock")))
    with pytest.raises(EngineError, match="cannot be reached: No such file or directory"):
        await gone.version()
    path = str(tmp_path / "other.sock")

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(greet, path)
    with pytest.raises(EngineError, match="does not speak HTTP"):
        await open_engine(host, EnginePlace(socket=path)).version()
    server.close()
