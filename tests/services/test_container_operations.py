"""Containers of a real engine are restarted, stopped, started and killed, and the engine proves it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import EnginePlace, open_engine
from lilfox_tui.containers.model import Container, ContainerView
from lilfox_tui.core.errors import CommandFailed, UsageError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Level
from lilfox_tui.operations.containers import ContainerVerb, container_operation, prove_container
from lilfox_tui.operations.model import Operation
from tests.services.container_engines import ContainerEngine, installed

SETTLES_S, USER = 0.3, 64321


@pytest.fixture(scope="module")
def podman() -> Iterator[ContainerEngine]:
    with ContainerEngine("podman") as running:
        yield running


@pytest.fixture(scope="module")
def docker() -> Iterator[ContainerEngine]:
    with ContainerEngine("docker") as running:
        yield running


@pytest.fixture(scope="module")
def rootless() -> Iterator[ContainerEngine]:
    with ContainerEngine("podman", user=USER) as running:
        yield running


@pytest.fixture(params=["podman", "docker", "rootless"])
def engine(request: pytest.FixtureRequest) -> ContainerEngine:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ContainerEngine)
    return found


@pytest.fixture
async def host() -> AsyncIterator[LocalHost]:
    made = LocalHost("here", HostConfig(local=True))
    yield made
    await made.close()


async def operation_on(place: EnginePlace, host: LocalHost, name: str, verb: ContainerVerb) -> Operation:
    asked = open_engine(host, place)
    [found] = await asked.inspect([name])
    view = ContainerView(host="here", engine=place.text, container=found, level=Level.GOOD)
    return container_operation(verb, "here", view, await asked.version(), sudo=False)


TOLD = {"restart": "running", "stop": "exited", "start": "running", "kill": "exited"}
VERBS: tuple[ContainerVerb, ...] = ("restart", "stop", "start", "kill")


async def made_and_proved(
    place: EnginePlace, host: LocalHost, engine: ContainerEngine, verbs: tuple[ContainerVerb, ...] = VERBS
) -> None:
    """Each operation does what it says to a container, and the engine proves it."""
    made = engine.script("app", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
    try:
        for verb in verbs:
            operation = await operation_on(place, host, made, verb)
            assert operation.argv[-2:] == (verb, made)
            assert operation.confirm == ("here" if verb in ("stop", "kill") else "")
            done = await host.run(operation.argv)
            assert done.ok, done.stderr
            assert await prove_container(host, operation, SETTLES_S) == f"container app is {TOLD[verb]}"
    finally:
        engine.remove(made)


async def test_each_is_made_and_proved(engine: ContainerEngine, host: LocalHost) -> None:
    await made_and_proved(EnginePlace(socket=engine.socket), host, engine)


@pytest.mark.parametrize("kind", ["docker", "rootless"])
async def test_each_is_made_and_proved_by_the_program_alone(
    kind: str, request: pytest.FixtureRequest, host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the login may not use the socket."""
    engine: ContainerEngine = request.getfixturevalue(kind)
    monkeypatch.setenv("PATH", str(installed(engine, tmp_path, engine.kind)), prepend=":")
    await made_and_proved(EnginePlace(program=engine.kind), host, engine, ("restart", "kill"))


async def test_one_that_ends_again_is_no_success(engine: ContainerEngine, host: LocalHost) -> None:
    made = engine.script("brief", "usleep 500000; exit 7")
    operation = await operation_on(EnginePlace(socket=engine.socket), host, "brief", "restart")
    assert (await host.run(operation.argv)).ok
    with pytest.raises(CommandFailed, match=r"container brief is exited \(7\)"):
        await prove_container(host, operation, 5.0)
    engine.remove(made)
    with pytest.raises(CommandFailed, match="the container is gone"):
        await prove_container(host, operation, SETTLES_S)


async def test_one_that_its_policy_starts_again_is_no_success(engine: ContainerEngine, host: LocalHost) -> None:
    again = {"RestartPolicy": {"Name": "always"}}
    made = engine.script("loop", "usleep 300000; exit 3", host=again)
    operation = await operation_on(EnginePlace(socket=engine.socket), host, "loop", "start")
    try:
        assert (await host.run(operation.argv)).ok
        with pytest.raises(CommandFailed, match=r"was restarted within|is restarting|is exited \(3\)"):
            await prove_container(host, operation, 5.0)
    finally:
        engine.remove(made)


def test_only_the_engines_own_ids_are_taken() -> None:
    view = ContainerView(
        host="h", engine="/run/docker.sock", container=Container(id="--all", name="x", image="y"), level=Level.GOOD
    )
    with pytest.raises(UsageError):
        container_operation("stop", "h", view, "Docker 26", sudo=True)


def test_the_program_leads_to_the_engine() -> None:
    container = Container(id="ab" * 32, name="x", image="y")

    def argv(place: str, version: str) -> tuple[tuple[str, ...], bool]:
        view = ContainerView(host="h", engine=place, container=container, level=Level.GOOD)
        made = container_operation("start", "h", view, version, sudo=True)
        return made.argv[:-2], made.sudo

    assert argv("/run/docker.sock", "Docker 26") == (("docker", "--host", "unix:///run/docker.sock"), False)
    assert argv("/run/p.sock", "Podman 5") == (("podman", "--url", "unix:///run/p.sock"), False)
    assert argv("docker", "Docker 26") == (("docker",), True), "as root where the login may not use the socket"
    assert shutil.which("podman")
