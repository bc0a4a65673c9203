"""Containers under ``recovery:``, which are found by their names: how each is, and the operation that restarts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from lilfox_tui.containers.engine import EngineError, EnginePlace, find_engines, open_engine
from lilfox_tui.containers.model import STOPPED_CODES, Container, ContainerView
from lilfox_tui.core.errors import HostError, UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Level
from lilfox_tui.operations.containers import container_operation
from lilfox_tui.operations.model import Operation
from lilfox_tui.recovery.history import UnitState

_STARTING_LOOKS, _LOOKS_S = 30, 1.0
"""For a health check that has told nothing yet since the restart."""
_ENDED_AT_ONCE_S = 0.5
"""Podman takes the start by its clock, after the runtime said so, and the end from a file that the kernel stamped: of a
container that crashed at once the end is milliseconds before the start."""


class FoundContainer(Struct, frozen=True):
    """A container, and the engine that has it."""

    container: Container
    place: EnginePlace
    version: str

    def restart(self, host: Host, *, sudo: bool) -> Operation:
        """Return the operation that restarts it."""
        view = ContainerView(host=host.name, engine=self.place.text, container=self.container, level=Level.GOOD)
        return container_operation("restart", host.name, view, self.version, sudo=sudo)


async def find_container(host: Host, sockets: Sequence[str] | None, name: str, *, sudo: bool) -> FoundContainer:
    """Return the container ``name`` of one of the host's engines. Raises HostError, UsageError where none has it."""
    refused: EngineError | None = None
    for place in await find_engines(host, sockets):
        engine = open_engine(host, place, sudo=sudo)
        try:
            version = await engine.version()
            if found := await engine.inspect([name]):
                return FoundContainer(found[0], place, version)
        except EngineError as error:
            refused = error
        finally:
            await engine.close()
    if refused is not None:
        raise HostError(host.name, refused.message, refused.hint)
    raise UsageError(
        tr("{host} has no container {name}", host=host.name, name=name),
        tr("Run lilfox containers {host} to see the names.", host=host.name),
    )


def judge_container(container: Container) -> tuple[UnitState, str]:
    """Return how a container is, and why. One that has ended with 0, or as one that was told to end, was stopped."""
    name = container.name
    if container.error and not container.running:
        return "unhealthy", _("{name} was not started: {error}", name=name, error=container.error)
    if container.state == "running":
        if container.health == "unhealthy":
            count = container.health_failures
            return "unhealthy", _("{name} is unhealthy: {count} health checks failed in a row", name=name, count=count)
        return "well", ""
    if container.state == "paused":
        return "left alone", _("{name} is paused", name=name)
    if container.state in ("created", "removing"):
        return "left alone", _("{name} is {state}", name=name, state=container.state)
    finished, started = container.finished, container.started
    if container.state == "exited" and (
        finished is None or (started is not None and finished < started - timedelta(seconds=_ENDED_AT_ONCE_S))
    ):
        return "left alone", _("{name} has just ended", name=name)  # how is not known yet
    if container.oom_killed:
        return "unhealthy", _("{name} was killed: out of memory", name=name)
    if container.state == "exited" and container.exit_code == 0:
        return "left alone", _("{name} was stopped, or exited successfully (0)", name=name)
    if container.state == "exited" and container.exit_code in STOPPED_CODES:
        return "left alone", _("{name} was stopped by a signal ({code})", name=name, code=container.exit_code)
    code = "-" if container.exit_code is None else container.exit_code
    return "unhealthy", _("{name} is {state} ({code})", name=name, state=container.state, code=code)


async def passes_its_check(host: Host, found: FoundContainer, *, sudo: bool) -> Container:
    """Return the container once its own health check has told how it is, as it is then. Raises HostError."""
    engine = open_engine(host, found.place, sudo=sudo)
    try:
        container = found.container
        for look in range(_STARTING_LOOKS):
            await asyncio.sleep(_LOOKS_S * bool(look))
            container = next(iter(await engine.inspect([container.id])), container)
            if container.health != "starting":
                break
        return container
    except EngineError as error:
        raise HostError(host.name, error.message, error.hint) from None
    finally:
        await engine.close()
