"""The HTTP client for one address, direct or through a port that a host forwards; bounded in time and size.

Environment variables for proxies are not heeded and redirects not followed; the caller decides.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import types
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import refuse
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_bytes
from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host

if TYPE_CHECKING:
    import h11


# An answer over HTTP, held to limits while it arrives: what it costs is ours to say, not the server's.
#
# A body is taken as it is sent, or with one layer of gzip undone here, never more than a block at a time. Other
# encodings and stacked ones are refused: unpackers for them give out gigabytes for kilobytes at one go.


_BLOCK = 256 * 1024
_TURN_S = 0.005
"""How long the blocks of a body may hold up everybody else."""
_BEFORE_VALUES = (b",", b"[", b"{", b":")
_MEMBERS_AT_MOST = 1000
"""Parts of a gzip stream, each packed for itself: a file that was appended to has a few."""


class HttpFault(LilFoxError):
    """The server does not speak HTTP, ends the response early, or sends something that is not accepted."""

    message: Message


class HungUp(HttpFault):
    """The connection ended before the response did."""


class Packed(HttpFault):
    """The body's encoding is not supported, or is corrupt."""


class TooMuch(HttpFault):
    """The body is larger than the limit."""


class HttpResponse:
    """A response: its head, and its body, which is read on demand. Names in ``headers`` are in lower case; a header
    that is sent several times is one list."""

    def __init__(
        self, where: str, status: int, headers: Mapping[str, str], blocks: AsyncGenerator[bytes, None], version: str
    ) -> None:
        self.status, self.headers, self.version = status, headers, version
        self._where, self._blocks = where, blocks

    async def body(self, limit: int | None, *, values: int | None = None) -> bytes:
        """Return the whole body, decoded; ``limit`` bounds both the encoded and the decoded bytes, ``values`` the
        number of JSON values in it. Raises HttpFault, TooMuch, OSError."""
        body, found = bytearray(), 0
        async for part in self._unpacked(limit):
            body += part
            if limit is not None and len(body) > limit:
                raise self._too_much(limit)
            if values is not None:
                found += sum(map(part.count, _BEFORE_VALUES))
                if found > values:
                    raise TooMuch(
                        tr("{where} sent more than {count} values at once; none were used",
                           where=self._where, count=values)
                    )  # fmt: skip
        return bytes(body)

    async def start(self, limit: int) -> tuple[bytes, bool]:
        """Return the first ``limit`` bytes and whether there are more; nothing if the encoding is not supported. Raises
        HttpFault, OSError."""
        body = bytearray()
        try:
            async for part in self._unpacked(limit):
                body += part
                if len(body) > limit:
                    break
        except TooMuch:
            return bytes(body[:limit]), True
        except Packed:
            return bytes(body[:limit]), False
        return bytes(body[:limit]), len(body) > limit

    def blocks(self) -> AsyncGenerator[bytes, None]:
        """Return the blocks of the body as they arrive, as they are: of an answer that goes on, such as events. Raises
        HttpFault, OSError."""
        return self._blocks

    async def _unpacked(self, limit: int | None) -> AsyncIterator[bytes]:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        sent = _sharing(self._sent(limit))
        if encoding in ("", "identity"):
            async for block in sent:
                yield block
        elif encoding in ("gzip", "x-gzip"):
            try:
                async for block in _sharing(_gunzipped(sent)):
                    yield block
            except zlib.error:
                raise Packed(
                    tr("{where} sent a compressed response that is corrupt or truncated", where=self._where)
                ) from None
        else:
            raise Packed(
                tr("{where} sent its response with encoding {encoding}, which was not requested",
                   where=self._where, encoding=encoding[:20])
            )  # fmt: skip

    async def _sent(self, limit: int | None) -> AsyncIterator[bytes]:
        sent = 0
        async for block in self._blocks:
            sent += len(block)
            if limit is not None and sent > limit:
                yield block[: len(block) - (sent - limit - 1)]
                raise self._too_much(limit)
            yield block

    def _too_much(self, limit: int) -> TooMuch:
        return TooMuch(
            tr("{where} sent more than {limit}; none of it was used",
               where=self._where, limit=human_bytes(limit))
        )  # fmt: skip


async def _sharing(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield ``blocks`` as they come, letting other tasks run in between: a body sent byte by byte, or compressed to a
    thousandth, yields thousands of blocks at once."""
    clock = asyncio.get_running_loop().time
    turn = clock() + _TURN_S
    async for block in blocks:
        yield block
        if clock() > turn:
            await asyncio.sleep(0)
            turn = clock() + _TURN_S


async def _gunzipped(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress gzip, in blocks of a bounded size. Raises zlib.error."""
    unpack, members, begun = zlib.decompressobj(16 + zlib.MAX_WBITS), 0, False
    async for packed in blocks:
        rest = packed
        while rest:
            begun = True
            if unpack.eof:
                if not rest.strip(b"\0"):
                    break  # padding, which gzip itself passes over, too
                members += 1
                if members > _MEMBERS_AT_MOST:
                    raise zlib.error("members without end")
                unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield unpack.decompress(rest, _BLOCK)
            rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    while begun and not unpack.eof:
        more = unpack.decompress(unpack.unconsumed_tail, _BLOCK)
        if not more:
            raise zlib.error("incomplete")
        yield more


# One connection over which HTTP/1.1 is spoken, on asyncio's streams and h11, the parser.
#
# h11 judges what is HTTP and bounds heads and chunk lines; the bytes of a body are bounded by who reads them, the time
# by who asks.


_READ_BLOCK = 64 * 1024
_HEAD_LIMIT = 64 * 1024
_CHUNKS_AT_ONCE = 100  # of one byte each they take 2 ms
_INTERIM_AT_MOST = 8
"""Answers such as ``100 Continue`` before the one that counts; nothing here asks for any."""
_NUMBER_OF_ERROR = re.compile(r"\[Errno (\d+)\]")


class HttpConnection:
    """A connection to ``where`` (``address:port``, as errors name it). One request at a time."""

    def __init__(self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import h11

        self.used = False
        """Whether it has brought an answer before: a server may close such a one at any time."""
        self.idle_since = 0.0
        self._where, self._reader, self._writer = where, reader, writer
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)

    @classmethod
    async def opened(
        cls, where: str, place: tuple[str, int], context: ssl.SSLContext | None, name: str
    ) -> HttpConnection:
        """Open a connection to ``place``; with ``context`` over TLS, verifying the server as ``name``. Raises
        OSError."""
        try:
            reader, writer = await asyncio.open_connection(
                *place, ssl=context, server_hostname=None if context is None else name, limit=2 * _READ_BLOCK,
                happy_eyeballs_delay=0.25,
            )  # fmt: skip
        except OSError as error:
            number = _NUMBER_OF_ERROR.search(str(error))
            if error.errno is None and number is not None:  # several addresses, each with an error of its own
                raise OSError(int(number[1]), str(error)) from None
            raise
        return cls(where, reader, writer)

    async def is_idle(self) -> bool:
        """Return whether the idle connection can be reused: it is open, and the server has sent nothing unasked (such
        as a 408 before closing), which would be taken for the next response."""
        coming = asyncio.create_task(self._reader.read(1))
        try:
            await asyncio.sleep(0)  # what has arrived is taken in
            await asyncio.sleep(0)
            return not (coming.done() or self._writer.transport.is_closing())
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def ask(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> HttpResponse:
        """Send a request and return the response with its head read, its body unread. Raises HttpFault, OSError."""
        import h11

        try:
            head = self._state.send(h11.Request(method=method, target=target, headers=list(headers.items())))
            data = self._state.send(h11.Data(content)) if content else b""
            end = self._state.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            raise HttpFault(
                tr("{where} cannot be queried: its path or a header contains characters that HTTP does not allow",
                   where=self._where)
            ) from None  # fmt: skip
        self._writer.write((head or b"") + (data or b"") + (end or b""))
        await self._writer.drain()
        return await self._answer()

    def certificate(self) -> bytes | None:
        """The server's certificate, in DER; None without TLS."""
        tls = self._writer.get_extra_info("ssl_object")
        return None if tls is None else tls.getpeercert(binary_form=True)

    def finish(self) -> bool:
        """Return whether the connection can be reused: the response was read to its end, nothing follows it, and the
        server keeps the connection open."""
        import h11

        state = self._state
        if state.our_state is not h11.DONE or state.their_state is not h11.DONE or state.trailing_data[0]:
            return False
        state.start_next_cycle()
        self.used = True
        return True

    async def hang_up(self) -> None:
        """Close the connection."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _answer(self) -> HttpResponse:
        import h11

        for _interim in range(_INTERIM_AT_MOST):
            event = await self._event()
            if isinstance(event, h11.Response):
                headers: dict[str, str] = {}
                for raw_name, raw_value in event.headers:
                    name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
                    headers[name] = f"{headers[name]}, {value}" if name in headers else value
                version = event.http_version.decode("ascii")
                return HttpResponse(self._where, event.status_code, headers, self._blocks(), version)
            if not isinstance(event, h11.InformationalResponse):
                raise self._cut()
        raise HttpFault(
            tr("{where} keeps sending interim responses (1xx), but no final one", where=self._where),
            tr("See the service's log."),
        )

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; chunks that have arrived come as one block, for each line of a log may be a chunk."""
        import h11

        while isinstance(event := await self._event(), h11.Data):
            chunks = [event.data]
            with suppress(h11.RemoteProtocolError):  # the next event raises it again
                while len(chunks) < _CHUNKS_AT_ONCE and isinstance(event := self._state.next_event(), h11.Data):
                    chunks.append(event.data)
            yield b"".join(chunks)
            if event is not h11.NEED_DATA and not isinstance(event, h11.Data):
                return

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        import h11

        data = b"?"
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(_READ_BLOCK)
                self._state.receive_data(data)
        except h11.RemoteProtocolError:
            if not data:
                raise self._cut() from None
            raise HttpFault(
                tr("{where} does not speak HTTP: check the port, and http or https in the url", where=self._where)
            ) from None
        return event

    def _cut(self) -> HungUp:
        return HungUp(
            tr(
                "{where} closed the connection before the response was complete: see the service's log",
                where=self._where,
            )
        )


_AS_THEY_ARE = "/?:@-._~!$&'()*+,;=%"
"""What stands in a path and a query as it is (RFC 3986 3.3, 3.4)."""


class Tls(Struct, frozen=True):
    """How to verify the server's certificate, and which client certificate to present. Paths are on this machine."""

    verify: bool = True
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""


class HttpTransport:
    """A client for one address, ``scheme://host:port`` of ``url``. Connects at the first request. Requests may run
    concurrently.

    A connection that is idle is kept for ``keep_idle_s``. Each answer is to have come to its end after ``timeout_s``.
    """

    def __init__(
        self, url: str, host: Host | None, *, timeout_s: float, tls: Tls | None = None, keep_idle_s: float = 5.0
    ) -> None:
        parts = urlsplit(url)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._https, self._address = parts.scheme == "https", parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._host, self._timeout_s, self._keep_idle_s, self._tls = host, timeout_s, keep_idle_s, tls or Tls()
        self._forwarded = AsyncExitStack()
        self._place: tuple[str, int] | None = None
        self._context: ssl.SSLContext | None = None
        self._connecting = asyncio.Lock()
        self._idle: list[HttpConnection] = []
        self.certificate: tuple[float, bytes] | None = None
        """When the server has shown its certificate last, by the clock of the loop, and the certificate in DER."""

    @property
    def where(self) -> str:
        """``address:port``, as it appears in errors."""
        return f"[{self._address}]:{self._port}" if ":" in self._address else f"{self._address}:{self._port}"

    async def connect(self) -> None:
        """Forward the port and load the certificates, if that is not done yet. Raises HostError, TimeoutError, OSError,
        LilFoxError."""
        async with self._connecting, asyncio.timeout(max(self._timeout_s, CONNECT_AT_LEAST_S)):
            if self._place is not None:
                return
            place = (self._address, self._port)
            if self._https and self._context is None:
                self._context = await asyncio.to_thread(tls_context, self._tls)
            if self._host is not None:
                place = await self._forwarded.enter_async_context(self._host.forward(self._port, self._address))
            self._place = place

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes = b"", repeatable: bool = False
    ) -> AsyncIterator[HttpResponse]:
        """Send a request and yield the response with its head read, its body unread. ``path`` includes the query. If a
        kept connection was closed meanwhile, a GET or a ``repeatable`` request is sent again on another one. Raises the
        errors of :meth:`connect`, HttpFault, OSError, and TimeoutError if the whole request takes too long."""
        await self.connect()
        place = self._place
        lines = self._lines(headers, content, method)
        target = quote(path, safe=_AS_THEY_ARE)
        async with asyncio.timeout(self._timeout_s):
            connection, answer = await self._answered(
                method, target, lines, content, again=repeatable or method == "GET"
            )
            done = False
            try:
                yield answer
                done = connection.finish()
            finally:
                if done and place is self._place:
                    connection.idle_since = asyncio.get_running_loop().time()
                    self._idle.append(connection)
                else:
                    await connection.hang_up()

    async def close(self) -> None:
        """Close the idle connections and the forwarded port, and connections in use once their response is complete.
        The next request opens them again and reloads the certificates."""
        self._place = self._context = None
        idle, self._idle = self._idle, []
        opened, self._forwarded = self._forwarded, AsyncExitStack()
        for connection in idle:
            await connection.hang_up()
        await opened.aclose()

    def _lines(self, headers: Mapping[str, str], content: bytes, method: str) -> dict[str, str]:
        netloc = self.netloc if self.netloc.isascii() else self.netloc.encode("idna").decode()
        lines = {"Host": netloc, "User-Agent": "lilfox", "Accept": "*/*", "Accept-Encoding": "gzip"}
        if content or method not in ("GET", "DELETE"):
            lines["Content-Length"] = str(len(content))
        told = {name.lower() for name in headers}
        return {name: value for name, value in lines.items() if name.lower() not in told} | dict(headers)

    async def _answered(
        self, method: str, target: str, lines: Mapping[str, str], content: bytes, *, again: bool
    ) -> tuple[HttpConnection, HttpResponse]:
        while True:
            connection = await self._connection()
            try:
                return connection, await connection.ask(method, target, lines, content)
            except BaseException as error:
                await connection.hang_up()
                if not (again and connection.used and isinstance(error, OSError | HungUp)):
                    raise

    async def _connection(self) -> HttpConnection:
        """Return a kept connection that is still open, or a new one."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, usable = self._idle.pop(), False
            try:
                usable = now - connection.idle_since <= self._keep_idle_s and await connection.is_idle()
            finally:
                if not usable:  # nobody else knows it, also if this is cancelled
                    await connection.hang_up()
            if usable:
                return connection
        await self.connect()
        assert self._place is not None
        connection = await HttpConnection.opened(
            self.where, self._place, self._context if self._https else None, self._tls.server_name or self._address
        )
        if (shown := connection.certificate()) is not None:
            self.certificate = now, shown
        return connection


async def revealed(headers: Mapping[str, str]) -> dict[str, str]:
    """Return ``headers`` with references to secrets resolved. Raises LilFoxError, also for characters that a header
    cannot hold."""
    lines = {}
    for name, text in headers.items():
        value = await revealed_text(text)
        if not name.isascii() or value != value.strip() or any(char < " " or char == "\x7f" for char in value):
            raise LilFoxError(
                tr("header {name} has leading or trailing spaces, or characters that HTTP does not allow", name=name)
            )
        lines[name] = value
    return lines


async def authorization(user: str | None, password: str, bearer: str = "", kind: str = "Bearer") -> dict[str, str]:
    """Return the Authorization header: ``user`` with a password (RFC 7617), else ``kind`` with ``bearer``, else none.
    ``password`` and ``bearer`` may be references to secrets. Raises like :func:`revealed`."""
    if user is not None:
        known = (await revealed({"password": password}))["password"]
        return basic(user, known)
    if not bearer:
        return {}
    return {"Authorization": f"{kind} {(await revealed({'Authorization': bearer}))['Authorization']}"}


def basic(user: str, password: str) -> dict[str, str]:
    """The header of RFC 7617."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return the SSL context for ``tls``; reads the trusted certificates, so call it in a thread. Raises
    LilFoxError."""
    for file in filter(None, (tls.ca_file, tls.cert_file, tls.key_file)):
        refuse(Path(file))
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if not tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
    except (OSError, ValueError) as error:
        names = listed(name for name in (tls.ca_file, tls.cert_file, tls.key_file) if name)
        raise LilFoxError(tr("{files} cannot be used for TLS: {reason}", files=names, reason=str(error))) from None
    return context


# JSON of an answer, decoded so that it does not stop everybody else.
#
# A decoder holds the interpreter for as long as it runs, in a thread too: a document is taken apart into pieces first.
# How many values there may be, :meth:`Answer.body` has judged: a few bytes become many times as much in memory.


T = TypeVar("T")

VALUES_AT_MOST = 2_000_000
"""Of a document, as :meth:`Answer.body` counts them."""
_PIECE = 32 * 1024
_DEPTH = 8
"""Of arrays and objects that are taken apart: each level reads what is below it once more."""


def decoded_json(raw: bytes | msgspec.Raw, kind: Any = Any, depth: int = _DEPTH) -> Any:
    """Decode the document as ``kind``; call it in a thread. Raises msgspec.DecodeError, RecursionError,
    UnicodeDecodeError."""
    text = memoryview(raw)
    if depth and len(text) > _PIECE:
        kind = _of_a_union(kind)
        first = bytes(text[:64]).lstrip()[:1]
        if first == b"[" and (of := _in_array(kind)) is not None:
            pieces = msgspec.json.decode(raw, type=list[msgspec.Raw])
            made = [one for batch in _batches(pieces) for one in _of_batch(batch, of, depth - 1)]
            return tuple(made) if get_origin(kind) is tuple else made
        if first == b"{" and kind is Any:
            parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            return {name: decoded_json(part, Any, depth - 1) for name, part in parts.items()}
        if first == b"{" and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return _decoded_struct(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), kind, depth - 1)
    return msgspec.json.decode(raw, type=kind)


def _decoded_struct(parts: dict[str, msgspec.Raw], kind: type[msgspec.Struct], depth: int) -> msgspec.Struct:
    fields = {
        field.name: decoded_json(parts[field.encode_name], field.type, depth)
        for field in msgspec.structs.fields(kind)
        if field.encode_name in parts
    }
    try:
        return kind(**fields)
    except TypeError as error:  # a field that is needed is missing
        raise msgspec.ValidationError(str(error)) from None


def _of_a_union(kind: Any) -> Any:
    """Return ``kind`` without None, if it is an optional kind."""
    if get_origin(kind) in (Union, types.UnionType):
        others = [one for one in get_args(kind) if one is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind


def _in_array(kind: Any) -> Any:
    """Return the kind of each item; None if ``kind`` is not an array of one kind."""
    if kind is Any:
        return Any
    arguments = get_args(kind)
    if get_origin(kind) is list or (get_origin(kind) is tuple and arguments[1:] == (...,)):
        return arguments[0]
    return None


def _batches(pieces: Iterable[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    """Yield ``pieces`` in batches that are decoded together; a large piece alone."""
    batch: list[msgspec.Raw] = []
    size = 0
    for piece in pieces:
        length = len(memoryview(piece))
        if batch and size + length > _PIECE:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += length
    if batch:
        yield batch


def _of_batch(batch: list[msgspec.Raw], of: Any, depth: int) -> list[Any]:
    if len(batch) == 1:
        return [decoded_json(batch[0], of, depth)]
    made: list[Any] = msgspec.json.decode(b"[" + b",".join(batch) + b"]", type=list[of])
    return made
