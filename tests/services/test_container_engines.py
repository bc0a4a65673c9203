"""How engines are found and asked: a user's own, one behind a program, one that refuses; many containers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import (
    _IMAGE_TEMPLATE,
    ApiEngine,
    CommandEngine,
    EngineError,
    EnginePlace,
    find_engines,
    open_engine,
)
from lilfox_tui.containers.model import Container, moment
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.watchers.container import EngineWatch
from tests.services.container_engines import ContainerEngine, installed
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


@pytest.fixture(scope="module")
def docker() -> Iterator[ContainerEngine]:
    with ContainerEngine("docker") as running:
        yield running


@pytest.fixture(params=["engine", "docker"])
def either(request: pytest.FixtureRequest) -> ContainerEngine:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ContainerEngine)
    return found


async def test_a_program_says_the_same_as_a_socket(
    either: ContainerEngine, host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed(either, tmp_path, either.kind)), prepend=":")
    by_program, by_socket = CommandEngine(host, EnginePlace(program=either.kind)), ApiEngine(
        host, EnginePlace(socket=either.socket)
    )  # fmt: skip
    limits = {"Memory": 64 << 20, "NanoCpus": 500_000_000}
    labels = {"com.docker.compose.project": "shop"}
    made = either.script("ended", "exit 4", Labels=labels, host=limits)
    either.ask("POST", f"/containers/{made}/wait")
    try:
        assert await by_program.list_ids() == await by_socket.list_ids() == [made]
        [one], [other] = await by_program.inspect([made]), await by_socket.inspect([made])
        assert (one.name, one.state, one.exit_code, one.project) == ("ended", "exited", 4, "shop")
        assert (one.memory_limit, one.cpu_limit) == (64 << 20, 0.5)
        assert replace(other, image=one.image, image_created=None) == one
        assert await by_program.inspect([made, "0" * 64]) == [one], "one that is gone is left out"
        assert await by_program.inspect(["0" * 64]) == []
        assert re.match(rf"{either.kind.capitalize()} \d", await by_program.version())
        async with aclosing(by_program.events()) as events, asyncio.timeout(60):
            assert await anext(events) is None
            coming = asyncio.ensure_future(anext(events))
            while not coming.done():
                await asyncio.to_thread(either.ask, "POST", f"/containers/{made}/start")
                await asyncio.wait([coming], timeout=1)
            event = coming.result()
            assert event is not None
            assert event.id == made
    finally:
        either.remove(made)


async def test_a_program_of_another_name_is_understood(
    engine: ContainerEngine, host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Podman may be installed as ``docker``; it names some fields otherwise."""
    monkeypatch.setenv("PATH", str(installed(engine, tmp_path, "docker")), prepend=":")
    made = engine.run("one", "true")
    try:
        [found] = await CommandEngine(host, EnginePlace(program="docker")).inspect([made])
        assert found.name == "one"
    finally:
        engine.remove(made)


async def test_a_program_that_refuses_is_no_engine_without_containers(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho permission denied >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(EngineError, match="permission denied"):
        await CommandEngine(host, EnginePlace(program="docker")).inspect(["ab" * 32])


async def test_a_program_that_was_never_used_is_not_run(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = await find_engines(host)
    assert any(each.program == "podman" for each in found) == USED_BEFORE


async def test_many_are_asked_for_in_one_question_and_one_by_itself(
    either: ContainerEngine, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for number in range(MANY):
        settings = {"Memory": 64 << 20, "NanoCpus": 500_000_000, "RestartPolicy": {"Name": "always"}} if number else {}
        check = {"Test": ["CMD", "true"], "Interval": 3_600_000_000_000} if number == 3 else {"Test": ["NONE"]}
        labels = {"com.docker.compose.project": "shop", "odd": 'a "b" {{.}} \n é'}
        made.append(either.run(f"many{number}", "sleep", "120", host=settings, Labels=labels, Healthcheck=check))
    watch = EngineWatch(host, EnginePlace(socket=either.socket), lambda: None)
    asked: list[str] = []
    api = watch._engine
    assert isinstance(api, ApiEngine)
    plain = api._inspected

    async def inspected(name: str) -> Container | None:
        asked.append(name)
        return await plain(name)

    monkeypatch.setattr(api, "_inspected", inspected)
    running = asyncio.create_task(watch.run())
    try:
        await until(lambda: len(_levels(watch)) == MANY, what="all are seen")
        assert asked == []
        ids = await api.list_ids()
        told = sorted(await api.inspect(ids), key=lambda each: each.name)
        by_api = sorted([each for name in ids if (each := await plain(name))], key=lambda each: each.name)
        assert told == by_api
        assert len(told) == MANY
        gone = [*ids, "0" * 64]
        assert len(await api.inspect(gone)) == MANY
        asked.clear()
        await asyncio.to_thread(either.ask, "POST", "/containers/many7/rename?name=other")
        await until(lambda: "other" in _levels(watch), what="what happens is seen")
        assert len(set(asked)) == 1, "no other is asked for"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(either.remove, *made)


async def test_the_created_times_of_many_images_are_asked_for_in_one_question(
    either: ContainerEngine, host: LocalHost
) -> None:
    api = ApiEngine(host, EnginePlace(socket=either.socket))
    await api.version()
    made = either.run("one", "sleep", "60")
    try:
        [one] = await api.inspect([made])
        [told] = await api._by_program("image", _IMAGE_TEMPLATE, [one.image_id])
        assert str(told["Id"]).removeprefix("sha256:") == one.image_id.removeprefix("sha256:")
        assert moment(told["Created"]) == one.image_created
    finally:
        either.remove(made)


async def test_without_the_program_each_is_asked_for(
    engine: ContainerEngine, host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MANY):
        engine.run(f"many{number}", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    api = ApiEngine(host, EnginePlace(socket=engine.socket))
    await api.version()
    try:
        assert len(await api.inspect(await api.list_ids())) == MANY
        assert api._program == ()
    finally:
        monkeypatch.undo()
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
