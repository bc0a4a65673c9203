"""The job of an operation: it is written down, made on its host so that a lost link does not end it, and looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.errors import CommandFailed, CommandUnknown, NotAllowed, UsageError
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.model import Request
from lilfox_tui.jobs.run import Outcome, Run
from lilfox_tui.operations.model import Kind, Operation
from lilfox_tui.operations.units import prove_unit
from lilfox_tui.text import clean

HERE = "localhost"
_OUTPUT_BYTES = 64 * 1024
_PROOFS: dict[Kind, Callable[[Host, Operation], Awaitable[str]]] = {
    "restart": prove_unit,
    "stop": prove_unit,
    "start": prove_unit,
}
"""What looks whether it came true."""


class Asked(Struct, frozen=True):
    """``Request.wanted``. ``config``: the path of the configuration, None for none."""

    config: str | None
    operation: Operation


def request_of(operation: Operation, config: str | None) -> Request:
    """The job that makes ``operation`` on a host of the configuration at that path."""
    return Request(
        entry=f"{__name__}:run",
        kind=operation.kind,
        title=operation.title,
        key=operation.key,
        wanted=msgspec.to_builtins(Asked(config, operation)),
    )


async def run(run: Run, wanted: dict[str, Any]) -> Outcome:
    """Makes one operation."""
    asked = msgspec.convert(wanted, Asked)
    host = opened_host(Config() if asked.config is None else load(Path(asked.config)).config, asked.operation.host)
    try:
        return Outcome("ok", await made(run, host, asked.operation))
    finally:
        await host.close()


def opened_host(config: Config, name: str) -> Host:
    """The host of that name, to be changed. Raises UsageError for one that is not there, NotAllowed for one that is
    protected."""
    found = config.hosts.get(name, HostConfig(local=True) if name == HERE else None)
    if found is None:
        raise UsageError(tr("there is no host {name} in the configuration", name=name))
    if config.read_only or found.protected:
        raise NotAllowed(
            tr("{host}: nothing was changed: it is protected, or all is read_only", host=name),
            tr("Take protected: off this host, or read_only: off the configuration."),
        )
    return open_host(name, found, config.ssh)


async def made(run: Run, host: Host, operation: Operation) -> str:
    """Makes ``operation`` and gives what is there now, in a sentence. ``run.id`` is its name on the host: where the
    link is lost it goes on there, is waited for and found again. Raises CommandFailed, CommandUnknown, HostError."""
    run.intent(operation.title)
    await detached.start(
        host, run.id, operation.argv, sudo=operation.sudo, limit_bytes=_OUTPUT_BYTES, label=operation.title
    )
    said = bytearray()
    look: detached.Look | None = None
    following = detached.follow(
        host, run.id, sudo=operation.sudo, lost=lambda error: run.say(str(error.message), "warning")
    )
    async with aclosing(following) as outputs:
        async for output in outputs:
            if isinstance(output, detached.Look):
                look = output
            else:
                said += output.data[: _OUTPUT_BYTES - len(said)]
    for line in clean(said.decode("utf-8", "replace")).splitlines():
        run.say(line)
    if look is None or look.state != "ended":
        raise CommandUnknown(
            host.name,
            tr("{host}: nobody saw how this ended: {command}", host=host.name, command=" ".join(operation.argv)),
            tr("Look there what it has done before you do it again."),
        )
    if not look.ok:
        raise CommandFailed(
            host.name,
            tr("{host}: {command} ended with {status}", host=host.name, command=" ".join(operation.argv),
               status=look.exit_status),
            outcome=look.exit_status,
            stderr=clean(said.decode("utf-8", "replace")),
        )  # fmt: skip
    now = await _PROOFS[operation.kind](host, operation)
    run.done(now)
    await detached.forget(host, run.id, sudo=operation.sudo)
    return now
