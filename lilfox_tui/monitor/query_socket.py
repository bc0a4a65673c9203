"""The socket on which ``lilfox monitor`` answers queries over its series, and the client that asks there.

It is in the state folder of the configuration, for its user alone. The server begins with a line of JSON that tells its
versions, the client sends its query as one, and gets a length of four bytes and the answer in MessagePack. Imports
numpy.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from lilfox_tui import __version__
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import QueryEngine
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet, time_of

PROTOCOL = 1
SOCKET, LOCK = "monitor.sock", "monitor.lock"
REQUEST_BYTES = 256 * 1024
ANSWER_BYTES = 64 * 1024 * 1024
AT_ONCE = 4
"""So many queries are answered at the same time."""
HELLO_S, ASKED_S, ANSWERED_S = 3.0, 10.0, 60.0
_LONGEST_PATH = 100
"""Of the address of a socket, in bytes; the kernel takes 107."""
_CREDENTIALS = struct.Struct("3i")


class MonitorHello(Struct, frozen=True):
    """What the server says first; ``since_ms`` is when its process began."""

    lilfox: str
    protocol: int
    pid: int
    since_ms: int


class QueryRequest(Struct, frozen=True):
    """A query at ``end_ms``, or every ``step_ms`` from ``start_ms`` on."""

    text: str
    end_ms: int
    start_ms: int | None = None
    step_ms: int = 0


class QueryReply(Struct, frozen=True):
    """The answer: of a vector one number a series, of a matrix ``counts`` of them. ``numbers`` are float64, ``times``
    int64, little-endian. With ``error`` there is none; ``of_query``: the query is at fault, at ``position``."""

    kind: Literal["vector", "matrix", "scalar", "string", ""]
    labels: tuple[Labels, ...] = ()
    counts: tuple[int, ...] = ()
    numbers: bytes = b""
    times: bytes = b""
    text: str = ""
    error: str = ""
    hint: str = ""
    of_query: bool = False
    position: int | None = None
    oldest_ms: int | None = None


class MonitorAnswer(Struct, frozen=True):
    """The value of a query, who gave it, and since when it has series (aware UTC; None: it has none)."""

    value: Value
    pid: int
    started: datetime
    oldest: datetime | None


class NoMonitor(LilFoxError):
    """No monitor answers: none runs, or it does not respond, or is of another version. ``silent``: none runs."""

    def __init__(self, message: Message | str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


# The place of the socket.


def socket_folder(config_file: Path | None) -> Path | None:
    """Return the folder of the socket for a configuration; None if it cannot be created. Blocks."""
    return state_folder(config_file)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Yield an address of the socket that is short enough for the kernel."""
    path = str(folder / SOCKET)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{place}/{SOCKET}"
    finally:
        os.close(place)


def _is_allowed(peer: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user or to root."""
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(told)[1] in (os.geteuid(), 0)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


# The server.


def _bound(folder: Path, opened: ExitStack) -> socket.socket | None:
    """Return the listening socket; None if another monitor has it. What a killed one has left is replaced. Raises
    OSError."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    opened.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    path = folder / SOCKET
    with suppress(FileNotFoundError):
        path.unlink()
    made = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    with _address(folder) as address:
        made.bind(address)
    opened.callback(path.unlink, missing_ok=True)
    path.chmod(0o600)  # nobody can connect before it listens
    return made


class QueryServer:
    """Answers queries with the engine that ``engine`` returns (None: not yet); ``oldest_ms`` tells the time of the
    first sample."""

    def __init__(self, engine: Callable[[], QueryEngine | None], oldest_ms: Callable[[], int | None]) -> None:
        self._engine, self._oldest_ms = engine, oldest_ms
        self._busy = 0
        self._served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._hello = MonitorHello(__version__, PROTOCOL, os.getpid(), round(datetime.now(UTC).timestamp() * 1000))

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[bool]:
        """Serve for the duration of the context; yields False where another monitor serves. Raises OSError."""
        with ExitStack() as opened:
            made = _bound(folder, opened)
            if made is None:
                yield False
                return
            server = await asyncio.start_unix_server(self._connected, sock=made, limit=REQUEST_BYTES)
            async with server:
                try:
                    yield True
                finally:
                    served = dict(self._served)
                    for task in served:
                        task.cancel()
                    await asyncio.gather(*served, return_exceptions=True)
                    await asyncio.gather(*map(_closed, served.values()))  # of those that had not begun

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._served[task] = writer
        task.add_done_callback(self._served.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = writer.get_extra_info("socket")
            if not _is_allowed(peer):
                return
            async with asyncio.timeout(ASKED_S):
                writer.write(msgspec.json.encode(self._hello) + b"\n")
                await writer.drain()
                line = await reader.readuntil(b"\n")
            body = await self._answered(line)
            async with asyncio.timeout(ANSWERED_S):
                writer.write(len(body).to_bytes(4, "big") + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asked is gone, is slow, or asks for something else
        finally:
            await _closed(writer)

    async def _answered(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=QueryRequest)
        except msgspec.DecodeError:
            return _packed(_failed(LilFoxError(tr("the request cannot be read"))))
        if self._busy >= AT_ONCE:
            return _packed(_failed(LilFoxError(tr("it is answering {count} other queries", count=self._busy))))
        engine = self._engine()
        if engine is None:
            return _packed(_failed(LilFoxError(tr("it has no series yet"))))
        self._busy += 1
        try:
            async with asyncio.timeout(ANSWERED_S):
                value = await _evaluated(engine, request)
                return await asyncio.to_thread(lambda: _packed(_reply(value, self._oldest_ms())))
        except LilFoxError as error:
            return _packed(_failed(error))
        except UnicodeEncodeError:
            return _packed(_failed(LilFoxError(tr("a label is not text"))))
        except TimeoutError:
            return _packed(_failed(LilFoxError(tr("no answer within {seconds:g} s", seconds=ANSWERED_S))))
        finally:
            self._busy -= 1


async def _evaluated(engine: QueryEngine, request: QueryRequest) -> Value:
    end = time_of(request.end_ms)
    if request.start_ms is None:
        return await engine.instant(request.text, end)
    return Matrix(await engine.range(request.text, time_of(request.start_ms), end, request.step_ms / 1000))


def _reply(value: Value, oldest_ms: int | None) -> QueryReply:
    match value:
        case Vector():
            labels = tuple(one.pairs for one in value.labels)
            return QueryReply("vector", labels, numbers=value.values.astype("<f8").tobytes(), oldest_ms=oldest_ms)
        case Matrix():
            return QueryReply(
                "matrix",
                tuple(line.labels.pairs for line in value.lines),
                tuple(len(line.times) for line in value.lines),
                b"".join(line.values.astype("<f8").tobytes() for line in value.lines),
                b"".join(line.times.astype("<i8").tobytes() for line in value.lines),
                oldest_ms=oldest_ms,
            )
        case str():
            return QueryReply("string", text=value, oldest_ms=oldest_ms)
        case _:
            return QueryReply("scalar", numbers=struct.pack("<d", value), oldest_ms=oldest_ms)


def _failed(error: LilFoxError) -> QueryReply:
    of_query = isinstance(error, QueryError)
    position = error.position if isinstance(error, QueryError) else None
    return QueryReply("", error=str(error.message), hint=str(error.hint), of_query=of_query, position=position)


def _packed(reply: QueryReply) -> bytes:
    body = msgspec.msgpack.encode(reply)
    if len(body) <= ANSWER_BYTES:
        return body
    why = tr("the answer is larger than {size} MiB; query fewer series", size=ANSWER_BYTES // 1024 // 1024)
    return msgspec.msgpack.encode(_failed(QueryError(why)))


# The client.


async def ask_monitor(folder: Path | None, request: QueryRequest) -> MonitorAnswer:
    """Return the answer of the monitor whose state is in ``folder``. Raises NoMonitor, and QueryError for a query that
    it refuses."""
    if folder is None:
        raise NoMonitor(tr("lilfox monitor does not run"), silent=True)
    _check_owner(folder / SOCKET)
    try:
        async with asyncio.timeout(HELLO_S):
            with _address(folder) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=REQUEST_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoMonitor(tr("lilfox monitor does not run"), silent=True) from None  # killed: its socket is left over
    except (OSError, TimeoutError) as error:
        raise _not_asked(error) from None
    try:
        return await _asked(reader, writer, request)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise _not_asked(error) from None
    except msgspec.MsgspecError:
        raise NoMonitor(tr("lilfox monitor did not send an answer")) from None
    finally:
        await _closed(writer)


def _check_owner(path: Path) -> None:
    try:
        found = path.lstat()
    except OSError:
        raise NoMonitor(tr("lilfox monitor does not run"), silent=True) from None
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o077:
        raise NoMonitor(tr("{path} is not used: it is not a socket that only this user can access", path=path))


def _not_asked(error: Exception) -> NoMonitor:
    reason = tr("it did not answer in time") if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return NoMonitor(tr("lilfox monitor cannot be asked: {reason}", reason=reason))


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: QueryRequest) -> MonitorAnswer:
    if not _is_allowed(writer.get_extra_info("socket")):
        raise NoMonitor(tr("lilfox monitor cannot be asked: {reason}", reason=tr("it runs as another user")))
    async with asyncio.timeout(HELLO_S):
        line = await reader.readuntil(b"\n")
    if (protocol := _protocol(line)) != PROTOCOL:
        text = tr(
            "lilfox monitor is of another version ({theirs}; this is {ours}); restart it",
            theirs=protocol, ours=__version__,
        )  # fmt: skip
        raise NoMonitor(text)
    hello = msgspec.json.decode(line, type=MonitorHello)
    async with asyncio.timeout(ANSWERED_S + ASKED_S):
        writer.write(msgspec.json.encode(request) + b"\n")
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > ANSWER_BYTES:
            raise NoMonitor(tr("lilfox monitor did not send an answer"))
        reply = msgspec.msgpack.decode(await reader.readexactly(size), type=QueryReply)
    if reply.of_query:
        raise QueryError(reply.error, reply.hint, text=request.text, position=reply.position)
    if reply.error:
        raise NoMonitor(tr("lilfox monitor cannot answer: {reason}", reason=reply.error))
    oldest = None if reply.oldest_ms is None else time_of(reply.oldest_ms)
    return MonitorAnswer(_value(reply), hello.pid, time_of(hello.since_ms), oldest)


def _protocol(line: bytes) -> int | str:
    """Return the protocol of the server; if it is another one, the version of LilFox that the server tells."""
    told = msgspec.json.decode(line, type=dict[str, object])
    return PROTOCOL if told.get("protocol") == PROTOCOL else str(told.get("lilfox", "?"))


def _value(reply: QueryReply) -> Value:
    """Return the value in a reply. Raises msgspec.ValidationError if it does not fit together."""
    if len(reply.numbers) % 8 or len(reply.times) % 8:
        raise msgspec.ValidationError
    numbers, times = np.frombuffer(reply.numbers, "<f8"), np.frombuffer(reply.times, "<i8")
    labels = [LabelSet(pairs) for pairs in reply.labels]
    if reply.kind == "string":
        return reply.text
    if reply.kind == "matrix":
        if sum(reply.counts) != len(numbers) or len(times) != len(numbers) or len(labels) != len(reply.counts):
            raise msgspec.ValidationError
        ends = np.cumsum((0, *reply.counts)).tolist()
        return Matrix([
            Line(one, times[start:end], numbers[start:end])
            for one, start, end in zip(labels, ends, ends[1:], strict=False)
        ])  # fmt: skip
    if len(numbers) != (len(labels) if reply.kind == "vector" else 1):
        raise msgspec.ValidationError
    return Vector(LabelList(labels), numbers) if reply.kind == "vector" else float(numbers[0])


def is_newer(path: Path | None, started: datetime) -> bool:
    """Whether the configuration file was changed after the monitor began."""
    try:
        return path is not None and path.stat().st_mtime > (started + timedelta(seconds=1)).timestamp()
    except OSError:
        return False
