"""Operations on containers: restart, stop, start and kill, by the engine's own program on the host; the engine proves
what came of it."""

from __future__ import annotations

import asyncio
import re
from typing import Literal

from lilfox_tui.containers.engine import EngineError, EnginePlace, open_engine, program_of
from lilfox_tui.containers.model import Container, ContainerView
from lilfox_tui.core.errors import CommandFailed, HostError, UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.operations.model import SETTLES_S, Kind, Operation

ContainerVerb = Literal["restart", "stop", "start", "kill"]
CONTAINER_VERBS: tuple[ContainerVerb, ...] = ("restart", "start", "stop", "kill")
_KINDS: dict[ContainerVerb, Kind] = {
    "restart": "restart container", "stop": "stop container", "start": "start container", "kill": "kill container",
}  # fmt: skip
CONTAINER_KINDS = frozenset(_KINDS.values())
_ID = re.compile(r"[0-9a-f]{12,64}")
_LOOKS_S = 1.0


def container_operation(verb: ContainerVerb, host: str, view: ContainerView, version: str, *, sudo: bool) -> Operation:
    """Return the operation on a container, which is named by its id: another one of the same name is left alone.
    ``version`` is that of its engine. Raises UsageError for an id that is none."""
    container = view.container
    if not _ID.fullmatch(container.id):
        raise UsageError(tr("{id} is not the id of a container", id=container.id[:80]))
    name = container.name or container.short_id
    titles = {
        "restart": _("restart container {name} on {host}", name=name, host=host),
        "stop": _("stop container {name} on {host}", name=name, host=host),
        "start": _("start container {name} on {host}", name=name, host=host),
        "kill": _("kill container {name} on {host}", name=name, host=host),
    }
    changes = {
        "restart": _("{name} is asked to terminate, killed after its grace period, and started again", name=name),
        "stop": _("{name} stays down until it is started again; its restart policy leaves it alone", name=name),
        "start": _("{name} is started with its settings", name=name),
        "kill": _("{name} ends at once: unsaved data is lost", name=name),
    }
    return Operation(
        kind=_KINDS[verb],
        host=host,
        subject=f"container {container.short_id}",
        argv=(*program_of(view.engine, version), verb, container.id),
        sudo=sudo and not view.engine.startswith("/"),
        title=titles[verb],
        changes=(changes[verb],),
        confirm=host if verb in ("stop", "kill") else "",
    )


def shell_words(view: ContainerView, version: str, *, sudo: bool) -> tuple[tuple[str, ...], bool]:
    """Return the command of a shell in a container, by its engine's own program, and whether it is run with sudo.
    Raises UsageError for an id that is none."""
    if not _ID.fullmatch(view.container.id):
        raise UsageError(tr("{id} is not the id of a container", id=view.container.id[:80]))
    words = (*program_of(view.engine, version), "exec", "-it", view.container.id, "sh")
    return words, sudo and not view.engine.startswith("/")


async def prove_container(host: Host, operation: Operation, settles_s: float = SETTLES_S) -> str:
    """Return the container's state in a sentence, if it is the intended one and lasts for ``settles_s``. Raises
    CommandFailed if it is not, HostError."""
    place = _place(operation)
    engine = open_engine(host, place, sudo=operation.sudo)
    loop = asyncio.get_running_loop()
    began_s, first = loop.time(), None
    try:
        while True:
            found = next(iter(await engine.inspect([operation.argv[-1]])), None)
            after_s = loop.time() - began_s
            first = first or found
            if found is None or not _as_wanted(operation, found):
                raise _not_so(host, operation, found)
            if first is not None and (found.restarts, found.started) != (first.restarts, first.started):
                raise _not_so(host, operation, found, again_s=after_s)
            if after_s >= settles_s:
                return _("container {name} is {state}", name=found.name, state=found.state)
            await asyncio.sleep(min(_LOOKS_S, settles_s - after_s))
    except EngineError as error:
        raise HostError(host.name, error.message, error.hint) from None
    finally:
        await engine.close()


def _place(operation: Operation) -> EnginePlace:
    program, *words = operation.argv
    if words[0] in ("--url", "--host"):
        return EnginePlace(socket=words[1].removeprefix("unix://"))
    return EnginePlace(program=program)


def _as_wanted(operation: Operation, found: Container) -> bool:
    if operation.kind in ("stop container", "kill container"):
        return found.state in ("exited", "created")
    return found.state == "running"


def _not_so(host: Host, operation: Operation, found: Container | None, again_s: float | None = None) -> CommandFailed:
    if found is None:
        state = _("the container is gone")
    elif again_s is not None:
        state = _("{name} ended and was restarted within {seconds:.0f} s", name=found.name, seconds=again_s)
    else:
        code = "" if found.exit_code is None or found.running else f" ({found.exit_code})"
        state = _("container {name} is {state}", name=found.name, state=found.state) + code
    return CommandFailed(
        host.name,
        tr("{host}: after {command}: {state}", host=host.name, command=operation.command, state=state),
        tr("Check its log: lilfox logs, or the program's own: logs {name}", name=operation.argv[-1][:12]),
        outcome="" if found is None else found.state,
        stderr="",
    )
