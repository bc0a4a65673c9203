"""Containers of a real engine are restarted, stopped, started and killed, and the engine proves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.engine import ApiEngine, EnginePlace
from lilfox_tui.containers.model import Container, ContainerView
from lilfox_tui.core.errors import CommandFailed, UsageError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Level
from lilfox_tui.operations.containers import ContainerVerb, container_operation, prove_container
from lilfox_tui.operations.model import Operation
from tests.services.container_engines import ContainerEngine

SETTLES_S = 1.0


@pytest.fixture(scope="module")
def engine() -> Iterator[ContainerEngine]:
    with ContainerEngine("podman") as running:
        yield running


async def operation_on(engine: ContainerEngine, host: LocalHost, name: str, verb: ContainerVerb) -> Operation:
    asked = ApiEngine(host, EnginePlace(socket=engine.socket))
    [found] = await asked.inspect([name])
    view = ContainerView(host="here", engine=engine.socket, container=found, level=Level.GOOD)
    return container_operation(verb, "here", view, await asked.version(), sudo=False)


async def test_each_is_made_and_proved(engine: ContainerEngine) -> None:
    made = engine.script("app", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
    host = LocalHost("here", HostConfig(local=True))
    told = {"restart": "running", "stop": "exited", "start": "running", "kill": "exited"}
    verbs: tuple[ContainerVerb, ...] = ("restart", "stop", "start", "kill")
    try:
        for verb in verbs:
            operation = await operation_on(engine, host, "app", verb)
            assert operation.argv[-2:] == (verb, made)
            assert operation.confirm == ("here" if verb in ("stop", "kill") else "")
            done = await host.run(operation.argv)
            assert done.ok, done.stderr
            assert await prove_container(host, operation, SETTLES_S) == f"container app is {told[verb]}"
    finally:
        engine.remove(made)
        await host.close()


async def test_one_that_ends_again_is_no_success(engine: ContainerEngine) -> None:
    made = engine.script("brief", "usleep 500000; exit 7")
    host = LocalHost("here", HostConfig(local=True))
    try:
        operation = await operation_on(engine, host, "brief", "restart")
        assert (await host.run(operation.argv)).ok
        with pytest.raises(CommandFailed, match=r"container brief is exited \(7\)"):
            await prove_container(host, operation, 5.0)
        engine.remove(made)
        with pytest.raises(CommandFailed, match="the container is gone"):
            await prove_container(host, operation, SETTLES_S)
    finally:
        await host.close()


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
