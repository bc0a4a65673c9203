"""Facts of an HTTP service: GET requests and TLS handshakes. They go the way of its health check: from this machine, or
through the host of ``from``.

A fact's question is one of the classes here. Its answer is what the class says, NotKnown if there was no response, and
None where the service has nothing of the kind, such as TLS at an ``http`` address. A run sends at most
:data:`REQUESTS_AT_MOST` requests, without the headers of the configuration that may be secret.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from lilfox_tui.audit.model import Absent, Fact, NotKnown
from lilfox_tui.audit.targets.tls_hello import ServerHello, client_hello, read_server_hello
from lilfox_tui.config.audit import AuditServiceConfig
from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.addresses import or_none
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import HttpFault, HttpTransport, Tls, revealed
from lilfox_tui.metrics.health import reason_of

REQUESTS_AT_MOST = 20
BODY_LIMIT = 256 * 1024
"""Of a body, this much is read."""
ORIGIN = "https://audit.invalid"
"""The site that requests claim to come from (RFC 2606: it never exists)."""
HEALTH, METRICS = "{health}", "{metrics}"
"""In a question, the paths that the configuration has for them."""
_HEADERS = {"User-Agent": "lilfox-audit", "Accept-Encoding": "gzip", "Origin": ORIGIN}
_CREDENTIALS = frozenset({"authorization", "cookie"})
_REDIRECTS_AT_MOST = 2
_LATE_AT_MOST = 2
"""So many requests without an answer in time; no more are sent then."""
_HELLO_LIMIT = 16 * 1024
_INTERNAL_NAMES = re.compile(
    r"[^.]*|.*\.(localhost|local|internal|intranet|lan|corp|home|arpa|private|test|invalid|example|svc|localdomain)"
)
"""Names that no public DNS server knows."""
_ASSET = re.compile(
    rb"""<(?:script|link)\b[^<>]{0,999}?\b(?:src|href)\s*=\s*["']?([^"'\s<>]{1,999}\.(?:js|css)(?:\?[^"'\s<>]*)?)"""
)
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: an expired certificate is another fault than one that nobody vouches for."""


class ServiceAddress(Struct, frozen=True):
    """Where a service is. ``addresses`` are those of its name; none where another host resolves it."""

    scheme: str
    name: str
    port: int
    addresses: tuple[str, ...] = ()
    verified: bool = True
    through: bool = False
    """Whether it is asked through a host."""

    @property
    def https(self) -> bool:
        """Whether it is reached over TLS."""
        return self.scheme == "https"

    @property
    def is_named(self) -> bool:
        """Whether it is reached by a name instead of an address."""
        return or_none(self.name) is None

    @property
    def is_public(self) -> bool:
        """Whether the internet may reach it: a public address, or a name of the public DNS that does not resolve to
        private addresses. An address of loopback tells nothing: Debian maps a host's own name to one."""
        if (own := or_none(self.name)) is not None:
            return own.is_global
        if _INTERNAL_NAMES.fullmatch(self.name.lower().rstrip(".")):
            return False
        resolved = [ipaddress.ip_address(each) for each in self.addresses]
        return not resolved or any(each.is_global or each.is_loopback for each in resolved)

    @property
    def is_internal(self) -> bool:
        """Whether it is plain HTTP in a private network, such as an application behind its web server: what browsers
        see is another server's."""
        return not self.https and not self.is_public

    @property
    def origin(self) -> str:
        """As browsers name it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        usual = self.port == (443 if self.https else 80)
        return f"{self.scheme}://{name}" + ("" if usual else f":{self.port}")


class HttpReply(Struct, frozen=True):
    """A response. ``body`` is its beginning, with one layer of gzip undone; header names are in lower case."""

    place: ServiceAddress
    path: str
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    seconds: float = 0.0
    version: str = "1.1"
    """Of HTTP."""

    @property
    def kind(self) -> str:
        """Its media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        """Whether it is a page for people."""
        return self.kind in ("text/html", "application/xhtml+xml")


class Handshake(Struct, frozen=True):
    """A TLS handshake: the server's certificate (DER), and why this machine does not trust it, apart from its dates and
    names."""

    place: ServiceAddress
    certificate: bytes
    untrusted: str = ""


class Question(Protocol):
    """What a service can be asked."""

    async def ask(self, client: ServiceClient) -> Any:
        """The answer. Raises NotKnown, OSError, HttpFault, TimeoutError, UnicodeError."""


class DisturbingQuestion(Struct, frozen=True):
    """A question after which the service may refuse others for a while: asked last, the higher ``rank`` the later."""

    rank: int


class Where(Struct, frozen=True):
    """Answered by the ServiceAddress, without a request."""

    async def ask(self, client: ServiceClient) -> ServiceAddress:
        """See :class:`Question`."""
        return await client.place()

    def __str__(self) -> str:
        return "the address in the configuration"


class Configured(Struct, frozen=True):
    """Answered by the service's ServiceConfig, without a request."""

    async def ask(self, client: ServiceClient) -> ServiceConfig:
        """See :class:`Question`."""
        return client.config

    def __str__(self) -> str:
        return "what the configuration says of it"


class Get(Struct, frozen=True):
    """Answered by an HttpReply to GET ``path``, which is below the path of the service's address; an empty path is the
    page of the service, to which redirects on the same server lead. None if the configuration has no such path."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()

    async def ask(self, client: ServiceClient) -> HttpReply | None:
        """See :class:`Question`."""
        if not self.path and self.headers:
            page: HttpReply = await client.answer(PAGE.question)
            return await client.get(page.path, dict(self.headers))
        path = client.path(self.path)
        if path is None:
            return None
        reply = await client.get(path, dict(self.headers))
        for _turn in range(_REDIRECTS_AT_MOST):
            onward = client.local(reply.path, reply.headers.get("location", ""))
            if self.path or not 300 <= reply.status < 400 or onward is None:
                break
            reply = await client.get(onward, {})
        return reply

    def __str__(self) -> str:
        lines = [f"GET {self.path or '/'}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\n".join(lines)


class GetAsset(Struct, frozen=True):
    """Answered by an HttpReply for the first script or style sheet of the page that the same server has; None if there
    is none."""

    async def ask(self, client: ServiceClient) -> HttpReply | None:
        """See :class:`Question`."""
        page = await client.answer(PAGE.question)
        for link in _ASSET.findall(page.body) if page.is_html else ():
            path = client.local(page.path, link.decode("utf-8", "replace").replace("&amp;", "&"))
            if path is not None:
                return await client.get(path, {})
        return None

    def __str__(self) -> str:
        return "GET the first script or style sheet of the page"


class GetUncompressed(Struct, frozen=True):
    """Answered by an HttpReply for the page, of a client that takes no compression; None if the page was not
    compressed for one that takes gzip."""

    async def ask(self, client: ServiceClient) -> HttpReply | None:
        """See :class:`Question`."""
        page = await client.answer(PAGE.question)
        if not page.headers.get("content-encoding"):
            return None
        return await client.get(page.path, {"Accept-Encoding": "identity"})

    def __str__(self) -> str:
        return "GET /, where it was compressed\nAccept-Encoding: identity"


class GetPlain(Struct, frozen=True):
    """Answered by an HttpReply to ``GET /`` over plain HTTP: at port 80 of a service at port 443, at its own port if
    that is plain. None if nothing listens there, or the service has another port for TLS."""

    async def ask(self, client: ServiceClient) -> HttpReply | None:
        """See :class:`Question`."""
        place = await client.place()
        if not place.https:
            return await client.get(client.path("") or "/", {})
        return await client.plain() if place.port == 443 else None

    def __str__(self) -> str:
        return "GET / over plain HTTP"


class GetCertificate(Struct, frozen=True):
    """Answered by a Handshake; None without TLS."""

    async def ask(self, client: ServiceClient) -> Handshake | None:
        """See :class:`Question`."""
        return await client.handshake()

    def __str__(self) -> str:
        return "a TLS handshake"


class Hello(Struct, frozen=True):
    """Answered by the ServerHello to an offer of ``version`` with ``suites``, False if the server refuses it; None
    without TLS."""

    version: int
    suites: tuple[int, ...]

    async def ask(self, client: ServiceClient) -> ServerHello | bool | None:
        """See :class:`Question`."""
        return await client.hello(self.version, self.suites)

    def __str__(self) -> str:
        return f"a TLS handshake that offers version {self.version:#06x} and {len(self.suites)} ciphers"


def reply_of(reply: HttpReply | None) -> HttpReply:
    """The parser of a fact that is about a response."""
    if reply is None:
        raise Absent
    return reply


WHERE: Fact[ServiceAddress] = Fact("where", Where(), lambda place: place)
PAGE: Fact[HttpReply] = Fact("page", Get(""), reply_of)
HEALTH_REPLY: Fact[HttpReply] = Fact("health", Get(HEALTH), reply_of)
ASSET: Fact[HttpReply] = Fact("asset", GetAsset(), reply_of)


async def gather(
    config: ServiceConfig,
    host: Host | None,
    facts: Sequence[Fact[Any]],
    account: AuditServiceConfig | None = None,
    *,
    active: bool = False,
) -> Mapping[str, Any]:
    """The answer to each question; ``active`` allows those that send tokens, logins or many requests. Raises
    HostError."""
    client = ServiceClient(config, host, account, active=active)
    try:
        return {fact.name: await _answered(client, fact) for fact in sorted(facts, key=_rank)}
    finally:
        await client.close()


def _rank(fact: Fact[Any]) -> int:
    return fact.question.rank if isinstance(fact.question, DisturbingQuestion) else 0


async def _answered(client: ServiceClient, fact: Fact[Any]) -> Any:
    try:
        return await client.answer(fact.question)
    except NotKnown as error:
        return error


class ServiceClient:
    """Asks one service. Each question is asked once, and no more than REQUESTS_AT_MOST requests are sent, those of
    active questions apart. ``account`` is what may be used of it."""

    def __init__(
        self, config: ServiceConfig, host: Host | None, account: AuditServiceConfig | None = None, *, active: bool
    ) -> None:
        self.config, self._host = config, host
        self.account, self.active = account or AuditServiceConfig(), active
        self._parts = urlsplit(config.url)
        self._name = self._parts.hostname or ""
        self._port = self._parts.port or (443 if self._parts.scheme == "https" else 80)
        self._transport = self._transport_to(config.url)
        self._trusted = self._transport_to(config.url, Tls(verify=config.verify_tls))
        self._answers: dict[Any, Any] = {}
        self._sent = self._late = 0
        self._place: ServiceAddress | None = None
        self._opened = AsyncExitStack()
        self._at: tuple[str, int] | None = None

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
        await self._trusted.close()
        await self._opened.aclose()

    async def answer(self, question: Any) -> Any:
        """The answer to ``question``. Raises NotKnown."""
        if question not in self._answers:
            try:
                if self._late >= _LATE_AT_MOST:
                    raise NotKnown(tr("not requested, because {count} earlier requests timed out", count=self._late))
                self._answers[question] = await question.ask(self)
            except NotKnown as error:
                self._answers[question] = error
            except TimeoutError:
                self._late += 1
                seconds = f"{self.config.timeout:g}"
                self._answers[question] = NotKnown(tr("no result within {time} s", time=seconds))
            except HttpFault as error:
                self._answers[question] = NotKnown(reason_of(error, self._transport.where))
            except HostError:
                raise
            except LilFoxError as error:  # a secret that cannot be read
                self._answers[question] = NotKnown(error.message)
            except (OSError, UnicodeError) as error:
                self._answers[question] = NotKnown(reason_of(error, self._transport.where))
        if isinstance(self._answers[question], NotKnown):
            raise self._answers[question]
        return self._answers[question]

    async def place(self) -> ServiceAddress:
        """Where the service is."""
        if self._place is None:
            found: set[str] = set()
            if self._host is None and or_none(self._name) is None:
                with suppress(OSError):
                    loop = asyncio.get_running_loop()
                    async with asyncio.timeout(self.config.timeout):
                        infos = await loop.getaddrinfo(self._name, self._port, type=1)
                    found = {str(info[4][0]).partition("%")[0] for info in infos}
            self._place = ServiceAddress(
                self._parts.scheme,
                self._name,
                self._port,
                tuple(sorted(found)),
                self.config.verify_tls,
                self._host is not None,
            )
        return self._place

    def path(self, asked: str) -> str | None:
        """The path on the server of a path in a question; None if the configuration has none."""
        if asked in (HEALTH, METRICS):
            found = self.config.health if asked == HEALTH else self.config.metrics
            if found is None:
                return None
            asked = found
        if not asked:
            return self._parts.path or "/"
        return self._parts.path.rstrip("/") + "/" + asked.lstrip("/")

    def local(self, base: str, link: str) -> str | None:
        """The path of ``link`` on the page at the path ``base``; None if it is empty or leads to another server."""
        here = f"{self._parts.scheme}://{self._transport.netloc}"
        try:
            onward = urlsplit(urljoin(here + base, link))
            if not link or (onward.scheme, onward.hostname) != (self._parts.scheme, self._name):
                return None
            if (onward.port or (443 if onward.scheme == "https" else 80)) != self._port:
                return None
        except ValueError:
            return None
        return (onward.path or "/") + (f"?{onward.query}" if onward.query else "")

    async def get(self, path: str, headers: Mapping[str, str]) -> HttpReply:
        """The reply to one request. Raises NotKnown if there were too many, and what the transport raises."""
        return await self._get(self._transport, path, headers, await self.place())

    async def plain(self) -> HttpReply | None:
        """The reply to ``GET /`` at port 80; None if nothing listens there."""
        place = ServiceAddress("http", self._name, 80, (await self.place()).addresses)
        transport = self._transport_to(place.origin)
        try:
            return await self._get(transport, "/", {}, place)
        except (ConnectionRefusedError, ConnectionResetError):
            return None
        finally:
            await transport.close()

    async def handshake(self) -> Handshake | None:
        """A handshake that accepts any certificate, and one that tells whether this machine trusts it."""
        place = await self.place()
        if not place.https:
            return None
        async with self._connected(_lenient()) as (_reader, writer):
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        strict = _lenient()
        await asyncio.to_thread(strict.load_default_certs)
        strict.verify_mode = ssl.CERT_REQUIRED
        strict.verify_flags |= _NO_CHECK_TIME
        try:
            async with self._connected(strict):
                return Handshake(place, certificate)
        except ssl.SSLCertVerificationError as error:
            return Handshake(place, certificate, error.verify_message or str(error))

    async def hello(self, version: int, suites: Sequence[int]) -> ServerHello | bool | None:
        """What the server chooses; False if it refuses the offer."""
        if not (await self.place()).https:
            return None
        async with self._connected(None) as (reader, writer):
            writer.write(client_hello(version, suites, self._name))
            answer = b""
            with suppress(ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError):
                await writer.drain()
                answer = await reader.readexactly(5)
                answer += await reader.readexactly(min(int.from_bytes(answer[3:5]), _HELLO_LIMIT))
        try:
            return read_server_hello(answer) or False
        except ValueError:
            raise NotKnown(tr("{where} does not speak TLS", where=self._transport.where)) from None

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes = b"", *, limit: int = 4096
    ) -> HttpReply:
        """The reply to a request that may carry credentials: to a server with the certificate that the configuration
        asks for, with the headers of the configuration, apart from its credentials. For active questions."""
        own = {name: value for name, value in self.config.headers.items() if name.lower() not in _CREDENTIALS}
        own = await revealed(own)
        agent = {name: value for name, value in _HEADERS.items() if name != "Origin"}
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with self._trusted.stream(method, path, headers={**agent, **own, **headers}, content=content) as got:
            seconds = loop.time() - started
            body, _more = await got.start(limit)
        return HttpReply(await self.place(), path, got.status, dict(got.headers), body, seconds)

    def _transport_to(self, url: str, tls: Tls | None = None) -> HttpTransport:
        return HttpTransport(url, self._host, timeout_s=self.config.timeout, tls=tls or Tls(verify=False))

    async def _get(
        self, transport: HttpTransport, path: str, headers: Mapping[str, str], place: ServiceAddress
    ) -> HttpReply:
        if self._sent >= REQUESTS_AT_MOST:
            raise NotKnown(tr("the limit of {count} requests is reached", count=REQUESTS_AT_MOST))
        self._sent += 1
        public = {name: value for name, value in self.config.headers.items() if name.lower() == "host"}
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with transport.stream("GET", path, headers={**_HEADERS, **public, **headers}) as got:
            seconds = loop.time() - started
            body, _more = await got.start(BODY_LIMIT)
        return HttpReply(place, path, got.status, dict(got.headers), body, seconds, got.version)

    @asynccontextmanager
    async def _connected(
        self, context: ssl.SSLContext | None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if self._at is None:
            self._at = (self._name, self._port)
            if self._host is not None:
                self._at = await self._opened.enter_async_context(self._host.forward(self._port, self._name))
        async with asyncio.timeout(self.config.timeout):
            reader, writer = await asyncio.open_connection(
                *self._at, ssl=context, server_hostname=None if context is None else self._name
            )
            try:
                yield reader, writer
            finally:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()


def _lenient() -> ssl.SSLContext:
    """TLS that takes every certificate, version and cipher that OpenSSL has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context
