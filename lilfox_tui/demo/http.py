"""Small HTTP servers of the demo's processes, which end with the stack."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Self

from msgspec import Struct, field

_HEAD_LIMIT = 16 * 1024
_BODY_LIMIT = 64 * 1024
_IDLE_S = 75.0


class DemoRequest(Struct, frozen=True):
    """A client's request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class DemoResponse(Struct, frozen=True):
    """The response to a request."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    request_id: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """More of them."""


Answer = Callable[[DemoRequest], Awaitable[DemoResponse]]


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Answer the requests of one connection until the client closes it, is idle for too long, or sends something other
    than HTTP."""
    try:
        while True:
            async with asyncio.timeout(_IDLE_S):
                request = await _read_request(reader)
            response = await answer(request)
            keep = request.headers.get("connection", "").lower() != "close"
            writer.write(_encode(response, keep=keep))
            await writer.drain()
            if not keep:
                return
    except ValueError:
        writer.write(_encode(DemoResponse(400), keep=False))
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> DemoRequest:
    first, headers = await _read_head(reader)
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    return DemoRequest(method, target.partition("?")[0], headers, await _read_body(reader, headers))


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    if len(head) > _HEAD_LIMIT:
        raise ValueError(len(head))
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _colon, value in pairs}


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _BODY_LIMIT:
        raise ValueError(length)
    return await reader.readexactly(length)


def _encode(response: DemoResponse, *, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    if response.request_id:
        lines.append(f"X-Request-ID: {response.request_id}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body


async def ask(
    where: int | str, method: str, path: str, *, body: bytes = b"", request_id: str = "", timeout_s: float = 5.0
) -> DemoResponse:
    """Send one request to a loopback port or to a UNIX socket. Raises OSError, TimeoutError, ValueError (not HTTP)."""
    async with asyncio.timeout(timeout_s):
        if isinstance(where, int):
            reader, writer = await asyncio.open_connection("127.0.0.1", where)
        else:
            reader, writer = await asyncio.open_unix_connection(where)
        try:
            lines = [
                f"{method} {path} HTTP/1.1",
                "Host: localhost",
                f"Content-Length: {len(body)}",
                "Connection: close",
            ]
            if request_id:
                lines.append(f"X-Request-ID: {request_id}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
            await writer.drain()
            first, headers = await _read_head(reader)
            return DemoResponse(int(first.split(" ")[1]), await _read_body(reader, headers))
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("closed without a whole answer") from error
        finally:
            writer.close()


# A stand-in process lives no longer than the one that started it, and the last one takes the folder with it.
#
# The parent holds the other end of stdin and writes nothing: end of file means that it is gone, however it went.


_PR_SET_PDEATHSIG = 1
_PREFIX, _MARK = "lilfox-demo-", ".lilfox-demo"
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_REMOVE_TIMES, _REMOVE_AGAIN_S = 20, 0.1


def die_with_parent() -> None:
    """Have Linux send this process a SIGTERM when its parent ends (prctl(2)); on other systems the process relies on
    the end of stdin."""
    at_parents_end(signal.SIGTERM)()


def at_parents_end(number: signal.Signals) -> Callable[[], None]:
    """Return a function that has Linux send a signal to the calling process when its parent ends. The setting is lost
    when the process changes its user."""
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, number)


async def until_told_to_end() -> None:
    """Return at SIGTERM or SIGINT, or at the end of stdin if that is a pipe."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            over.set()

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, read)
    await over.wait()


class SharedFolder:
    """A folder shared by several processes. Each holds a shared lock on it; the one that can lock it exclusively is the
    last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    @classmethod
    def made(cls, place: Path) -> Self:
        """Create a folder that :func:`remove_left` recognises: it is locked before it is marked."""
        shared = cls(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)))
        (shared.folder / _MARK).write_text("Temporary folder of lilfox demo. The next demo removes it.\n")
        return shared

    def leave(self) -> None:
        """Release the lock, and remove the folder if nobody else holds it. Not interrupted by the signal for the
        parent's end, which is often the reason for leaving."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(self.folder)
        os.close(self._lock)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_left(place: Path) -> None:
    """Remove the demo folders in ``place`` whose processes were all killed before they could do it: marked, this
    user's, and locked by nobody."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # it is a file, a link, somebody else's, in use, or gone
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.geteuid() and (folder / _MARK).is_file():
                    remove(folder)
            finally:
                os.close(lock)


def remove(folder: Path) -> None:
    """Remove a folder with its contents, even if a process (a job, a server) is still creating files in it."""
    for _ in range(_REMOVE_TIMES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_REMOVE_AGAIN_S)
