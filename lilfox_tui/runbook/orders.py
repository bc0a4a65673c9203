"""Orders to a run's job, from the screen and the command line: through a socket in the job's folder.

The socket is for the job's own user and root alone (its mode, and the kernel's word on who calls). What is secret goes
this way and is written nowhere.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.reading import is_held
from lilfox_tui.runbook.faces import Face, face_of

SOCKET = "orders"
_LONGEST = 1 << 20
_ANSWER_S = 60.0
_TRIES, _AGAIN_S = 500, 0.02
_UCRED = struct.Struct("3i")

OnFailure = Literal["stop", "undo"]


class OrderRefused(LilFoxError):
    """The job does not do it; it says why."""


class RunOne(Struct, frozen=True, kw_only=True, tag="run", tag_field="order"):
    """Run a command: this is its confirmation. Refused while another one runs (two who act at once: the first wins),
    and where the file is not what it was when the one who orders saw it."""

    step: int
    command: int
    sha256: str
    """Of the file as it was shown."""
    hosts: tuple[str, ...] | None = None
    """Where; on all of its hosts where it has not been done when not given."""
    values: dict[str, str] = {}
    """Of its placeholders; secret ones too. They are kept for the commands after it."""
    again: bool = False
    """Although it is done, or nobody knows how it ended. One that failed needs no word: this is the retry."""
    seen: bool = False
    """Somebody has seen it with all its values, and said yes: also where only these make a change of it."""


class RunAll(Struct, frozen=True, kw_only=True, tag="all", tag_field="order"):
    """Run all that is left without asking again; then the run ends by itself. On a failure it ends, too, and with
    ``undo`` takes back what it had changed before."""

    sha256: str
    values: dict[str, str] = {}
    on_failure: OnFailure = "stop"


class Skip(Struct, frozen=True, kw_only=True, tag="skip", tag_field="order"):
    """Leave a command out, or with None all of a step that is not done."""

    step: int
    command: int | None
    reason: str


class ByHand(Struct, frozen=True, kw_only=True, tag="hand", tag_field="order"):
    """A step without commands is done."""

    step: int


class TerminalBegins(Struct, frozen=True, kw_only=True, tag="terminal begins", tag_field="order"):
    """The face is about to run an interactive command in its terminal: it does so when this was not refused."""

    step: int
    command: int
    host: str
    sha256: str
    values: dict[str, str] = {}


class TerminalEnded(Struct, frozen=True, kw_only=True, tag="terminal ended", tag_field="order"):
    """It has ended there."""

    step: int
    command: int
    host: str
    exit_status: int
    worked: bool | None = None
    """What somebody there says of it; None: the exit status decides."""


class LookAgain(Struct, frozen=True, kw_only=True, tag="look", tag_field="order"):
    """Ask the host how an unknown command ended."""

    run: str


class Undo(Struct, frozen=True, kw_only=True, tag="undo", tag_field="order"):
    """Run the rollbacks of what was changed, the last change first; of ``run`` alone when that is given."""

    sha256: str
    run: str = ""
    values: dict[str, str] = {}


class Stop(Struct, frozen=True, kw_only=True, tag="stop", tag_field="order"):
    """End what runs now. Of what follows a log that is its good end."""


class Finish(Struct, frozen=True, kw_only=True, tag="finish", tag_field="order"):
    """End the run; what runs now is ended first. What was changed stays."""

    abort: bool = False
    """It is given up: not all of it was done."""
    idle: bool = False
    """Only where nothing runs, else it is refused."""


class UseText(Struct, frozen=True, kw_only=True, tag="text", tag_field="order"):
    """Where the file was changed in mid-run: go on with this text. Nothing is run by it."""

    sha256: str
    """Of the text that the run has, which then stays whatever the file says; or of what the file says now, which is
    read again."""


class TakeOver(Struct, frozen=True, kw_only=True, tag="take over", tag_field="order"):
    """From now on who gives this order acts; who acted before follows."""


Order: TypeAlias = (
    RunOne
    | RunAll
    | Skip
    | ByHand
    | TerminalBegins
    | TerminalEnded
    | LookAgain
    | Undo
    | Stop
    | Finish
    | TakeOver
    | UseText
)
Handler = Callable[[Order, Face], Awaitable[None]]
"""Does it or begins it; the second argument is who orders. Raises LilFoxError: that is the answer."""
_order: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


class _Answer(Struct, frozen=True):
    """What the job says to an order; without a message it is taken."""

    message: str = ""
    hint: str = ""


async def send(folder: Path, order: Order) -> None:
    """Gives the order to the job of ``folder``; returns when the job has taken it, which is before it is done. Raises
    OrderRefused with the job's reason, LilFoxError where no job listens there."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            line = await _asked(folder, msgspec.json.encode(order) + b"\n")
        answer = msgspec.json.decode(line, type=_Answer)
    except (OSError, ValueError, EOFError, msgspec.DecodeError) as error:
        reason = "" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise LilFoxError(
            tr("run {run} takes no orders: {reason}", run=folder.name, reason=reason or tr("no answer")),
            tr("see whether it still runs: lilfox jobs; go on with it: lilfox runbook run --resume {run}",
               run=folder.name),
        ) from None  # fmt: skip
    if answer.message:
        raise OrderRefused(answer.message, answer.hint)


async def _asked(folder: Path, line: bytes) -> bytes:
    with _short(folder) as path:
        reader, writer = await _connected(folder, path)
    try:
        writer.write(line)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


async def _connected(folder: Path, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the job, also to one that has just begun and does not listen yet."""
    for _number in range(_TRIES):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return await asyncio.open_unix_connection(path, limit=_LONGEST)
        if not is_held(folder):
            break
        await asyncio.sleep(_AGAIN_S)
    return await asyncio.open_unix_connection(path, limit=_LONGEST)


@asynccontextmanager
async def listening(folder: Path, handle: Handler) -> AsyncIterator[None]:
    """Takes orders for the job of ``folder`` and lets ``handle`` have them, one at a time. Raises LilFoxError where the
    socket cannot be made."""
    turn = asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):  # who asked is gone, or sent more than an order
            writer.write(msgspec.json.encode(await _answer(reader, writer, turn, handle)) + b"\n")
            await writer.drain()
        writer.close()

    try:
        with _short(folder) as path:
            server = await asyncio.start_unix_server(serve, path, limit=_LONGEST)
            os.chmod(path, 0o600)  # noqa: PTH101  no more than the umask of a job gives it already
    except OSError as error:
        raise LilFoxError(
            tr("{folder}: no socket for orders can be made there: {reason}", folder=folder,
               reason=error.strerror or error)
        ) from None  # fmt: skip
    try:
        yield
    finally:
        server.close()
        with suppress(OSError):
            (folder / SOCKET).unlink()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turn: asyncio.Lock, handle: Handler
) -> _Answer:
    told = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _gid = _UCRED.unpack(told)
    if uid not in (0, os.geteuid()):
        return _Answer(str(tr("only the user that began the run orders it")))
    try:
        order = _order.decode(await reader.readline())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Answer(str(tr("this is no order that this version of LilFox knows")))
    try:
        async with turn:
            await handle(order, face_of(pid, uid))
    except LilFoxError as error:
        return _Answer(str(error.message), str(error.hint))
    return _Answer()


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's path in at most 108 bytes (unix(7)), however long the folder's is."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)
