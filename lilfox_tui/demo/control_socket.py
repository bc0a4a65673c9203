"""The control socket of the demo's stack, and the faults that it turns on and off."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, clauses, listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.demo.http import DemoRequest, DemoResponse, ask, serve_connection

# The faults that a stand-in service can have.


GATEWAY = "gateway"
SERVICES = {GATEWAY: 8080, "backend": 8000, "model": 8001}
"""The stand-in services and the ports the manual gives them."""

HEALED = "none"
FAULTS: dict[str, Message] = {
    "slow": tr("every response takes 1.5 s longer"),
    "5xx": tr("every response is 500, with a traceback in the log"),
    "crash": tr("the process dies and stays dead"),
    "leak": tr("memory grows by 4 MB a second, up to 256 MB"),
    "errors": tr("10 errors a second in the log"),
    "unhealthy": tr("/health returns 503, everything else works"),
    "hang": tr("connections are accepted but never answered"),
}
DATABASE, STORE, SETUP = "database", "store", "setup"
FAULTS_OF: dict[str, dict[str, Message]] = {
    **dict.fromkeys(SERVICES, FAULTS),
    DATABASE: {
        "users": tr("someone deletes half of the users and their messages"),
        "table": tr("someone drops the messages table"),
    },
    STORE: {"gone": tr("the disk with the backups is unplugged")},
    SETUP: {"careless": tr("careless settings of the gateway and the database, which the audit finds")},
}
"""What can be made ill, and how. What was done to the database is not taken back but by a restore."""


def parse_fault(text: str) -> tuple[str, str]:
    """Parse ``SERVICE:KIND`` into a pair. Raises UsageError, which names the valid ones."""
    name, _colon, kind = text.partition(":")
    if kind not in FAULTS_OF.get(name, {}):
        known = clauses(f"{each}: {listed(kinds)}" for each, kinds in FAULTS_OF.items())
        raise UsageError(
            tr("unknown fault {fault}: write SERVICE:KIND", fault=text), tr("available: {known}", known=known)
        )
    return name, kind


SOCKET, COMMAND = "stack.sock", "stack"
_HEALTHY_S, _LOOK_S = 20.0, 0.2
_ANSWER_S = 30.0


class Control(Struct):
    """The stack's operations for control requests. ``state`` returns the fault of a service (empty for none) and its
    port, ``heal`` whether there was anything to heal."""

    state: Callable[[str], tuple[str, int]]
    fault: Callable[[str, str], Awaitable[None]]
    heal: Callable[[str], Awaitable[bool]]
    undo_heal: Callable[[str], Awaitable[None]]


@asynccontextmanager
async def controlled(folder: Path, control: Control) -> AsyncIterator[None]:
    """Serve control requests on ``folder/stack.sock``; the command ``folder/stack`` sends them. Raises OSError."""
    server = await asyncio.start_unix_server(
        partial(serve_connection, answer=partial(_answer, control)), str(folder / SOCKET)
    )
    command = folder / COMMAND
    root = Path(__file__).parents[2]
    words = shlex.join([sys.executable, "-m", __name__, str(folder / SOCKET)])
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} exec {words} "$@"\n')
    command.chmod(0o700)
    try:
        yield
    finally:
        server.close()


async def _answer(control: Control, request: DemoRequest) -> DemoResponse:
    _, verb, service, *kind = [*request.path.split("/"), ""]
    changed = True
    if service not in SERVICES:
        return DemoResponse(404, json.dumps({"error": f"no such service: {service}"}).encode())
    try:
        if request.method == "POST" and verb == "heal":
            changed = await control.heal(service)
        elif request.method == "POST" and verb == "undo-heal":
            await control.undo_heal(service)
        elif request.method == "POST" and verb == "fault":
            await control.fault(service, kind[0])
        elif verb != "state":
            return DemoResponse(404, b'{"error": "unknown command"}')
    except LilFoxError as error:
        return DemoResponse(500, json.dumps({"error": str(error.message)}).encode())
    fault, port = control.state(service)
    return DemoResponse(200, json.dumps({"fault": fault, "port": port, "changed": changed}).encode())


async def tell(socket: str, words: Sequence[str]) -> int:
    """Execute the command in ``words`` and print the state; return the exit status."""
    verb, service, *kind = [*words, "", ""]
    method = "POST" if verb in ("heal", "undo-heal", "fault") else "GET"
    path = "/".join(["", "state" if verb == "healthy" else verb, service, *filter(None, kind)])
    try:
        response = await ask(socket, method, path, timeout_s=_ANSWER_S)
    except (OSError, TimeoutError, ValueError) as error:
        _say(f"demo not reachable: {error}", error=True)
        return 1
    said = json.loads(response.body or b"{}")
    if response.status != 200:
        _say(said.get("error", response.status), error=True)
        return 1
    unchanged = "" if said["changed"] else ", nothing was changed"
    _say(f"{service}: {said['fault'] or 'no fault'}, port {said['port']}{unchanged}")
    return await _until_healthy(service, said["port"]) if verb == "healthy" else 0


async def _until_healthy(service: str, port: int) -> int:
    """Wait until the service answers /health with 200; return 0 then."""
    answer = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEALTHY_S):
            while True:
                try:
                    response = await ask(port, "GET", "/health", timeout_s=2.0)
                    answer = f"{response.status} {clean(response.body)}"
                    if response.status == 200:
                        _say(f"{service}: {answer}")
                        return 0
                except (OSError, ValueError) as error:
                    answer = str(error)
                await asyncio.sleep(_LOOK_S)
    _say(f"{service} is not healthy: {answer}", error=True)
    return 1


def _say(text: object, *, error: bool = False) -> None:
    (sys.stderr if error else sys.stdout).write(f"{clean(str(text))}\n")


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    if len(argv) < 3:
        sys.stderr.write(str(__doc__))
        return 2
    return asyncio.run(tell(argv[0], argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
