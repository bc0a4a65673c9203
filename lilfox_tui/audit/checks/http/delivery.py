"""How a service delivers: compressed, over kept connections, cacheable, and its files by a web server."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.audit.checks.http.cookies import cookies_of
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, nginx, plain
from lilfox_tui.audit.targets.services import ASSET, HEALTH_REPLY, PAGE, WHERE, GetUncompressed, HttpReply
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes

_COMPRESSIBLE_FROM = 1024
_TEXT = re.compile(
    r"text/.*|application/(json|javascript|xml|x-javascript|manifest\+json|.*\+json|.*\+xml)|image/svg.*"
)
_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = "text/css application/javascript text/javascript application/json application/xml image/svg+xml"
_APPLICATION_SERVERS = re.compile(
    r"uvicorn|gunicorn|hypercorn|daphne|waitress|werkzeug|simplehttp|wsgiserver|cheroot|tornadoserver|puma|webrick|"
    r"express|jetty|kestrel",
    re.IGNORECASE,
)
UNCOMPRESSED: Fact[HttpReply | None] = Fact("page-uncompressed", GetUncompressed(), lambda reply: reply)


def _outside(facts: Facts) -> None:
    """Raises Absent for an application behind its web server: it delivers to that alone, which may do better."""
    if facts[WHERE].is_internal:
        raise Absent


def judge_compression(facts: Facts) -> Iterator[AuditFinding]:
    """Text that is sent as it is although the client takes gzip, or that is compressed twice or for everyone."""
    _outside(facts)
    yield from _forced(facts)
    seen: set[str] = set()
    for reply in (facts[PAGE], *_asset(facts)):
        encodings = [each.strip() for each in reply.headers.get("content-encoding", "").lower().split(",") if each]
        if not _TEXT.fullmatch(reply.kind) or reply.status != 200 or reply.kind in seen:
            continue
        seen.add(reply.kind)
        if len(encodings) > 1 or (encodings and reply.body.startswith(_GZIP_MAGIC)):
            yield AuditFinding(
                f"twice: {reply.kind}",
                tr(
                    "GET {path} is compressed twice (Content-Encoding: {encoding})",
                    path=reply.path,
                    encoding=", ".join(encodings),
                ),
                nginx(
                    'proxy_set_header Accept-Encoding "";',
                    text=tr(
                        "Compress only once. This line in the location of nginx stops the application from "
                        "compressing, so that only nginx does."
                    ),
                ),
            )
        elif not encodings and len(reply.body) > _COMPRESSIBLE_FROM:
            yield AuditFinding(
                reply.kind,
                tr(
                    "GET {path} sends {size} of {kind} uncompressed to a client that accepts gzip",
                    path=reply.path,
                    size=human_bytes(len(reply.body)),
                    kind=reply.kind,
                ),
                nginx("gzip on;", f"gzip_types {_types(reply.kind)};", "gzip_proxied any;", "gzip_vary on;"),
            )


def _forced(facts: Facts) -> Iterator[AuditFinding]:
    """A page that is compressed for clients that cannot read it."""
    reply = facts[UNCOMPRESSED]
    encoding = "" if reply is None else reply.headers.get("content-encoding", "")
    if reply is None or encoding.strip().lower() in ("", "identity") or not 200 <= reply.status < 300:
        return
    yield AuditFinding(
        f"always: {reply.kind}",
        tr(
            "GET {path} with Accept-Encoding: identity returns Content-Encoding: {encoding}",
            path=reply.path,
            encoding=encoding,
        ),
        nginx(
            "gunzip on;",
            text=tr(
                "Compress only where Accept-Encoding allows it: remove the compression from the application and let "
                "nginx do it. Until then, this line in the location of nginx unpacks responses for such clients."
            ),
        ),
    )


def _types(kind: str) -> str:
    """The usual kinds of text, and ``kind``; nginx compresses text/html anyway."""
    return _TYPES if kind in (*_TYPES.split(), "text/html") else f"{_TYPES} {plain(kind, 'text/plain')}"


def _asset(facts: Facts) -> tuple[HttpReply, ...]:
    try:
        return (facts[ASSET],)
    except Absent:
        return ()


def judge_keep_alive(facts: Facts) -> Iterator[AuditFinding]:
    """A server that ends the connection after each response."""
    _outside(facts)
    replies = (facts[PAGE], facts[HEALTH_REPLY])
    if all(_ends(reply) and reply.status < 400 for reply in replies):
        what = tr("every response has Connection: close")
        if any(reply.version == "1.0" for reply in replies):
            what = tr("the responses are HTTP/1.0")
        yield AuditFinding(
            "keep-alive",
            what,
            nginx(
                "keepalive_timeout 65;",
                text=tr(
                    "Keep connections open: replace keepalive_timeout 0 with this line in nginx, or set the "
                    "equivalent in the application server (uvicorn --timeout-keep-alive, gunicorn --keep-alive)."
                ),
            ),
        )


def _ends(reply: HttpReply) -> bool:
    connection = reply.headers.get("connection", "").lower()
    return "close" in connection or (reply.version == "1.0" and "keep-alive" not in connection)


def judge_static(facts: Facts) -> Iterator[AuditFinding]:
    """A script or style sheet that browsers can neither keep nor ask about."""
    _outside(facts)
    reply = facts[ASSET]
    names = ("etag", "last-modified", "cache-control", "expires")
    if reply.status == 200 and not any(reply.headers.get(name) for name in names):
        yield AuditFinding(
            "static",
            tr("GET {path} sends no ETag, Last-Modified, Cache-Control or Expires", path=reply.path),
            nginx(
                "etag on;",
                "expires 1h;",
                text=tr(
                    "Add these lines to the location of the static files in nginx. Files whose names contain a hash "
                    "can expire much later."
                ),
            ),
        )


def judge_private(facts: Facts) -> Iterator[AuditFinding]:
    """A response with a session cookie that shared caches may keep, and then give to others."""
    for reply in (facts[PAGE], facts[HEALTH_REPLY]):
        value = reply.headers.get("cache-control", "").lower()
        shared = re.search(r"\bpublic\b|s-maxage\s*=\s*[1-9]", value) and not re.search(r"no-store|private", value)
        names = [cookie.name for cookie in cookies_of(reply) if cookie.is_session]
        if shared and names:
            yield AuditFinding(
                reply.path,
                tr(
                    "GET {path} sets the cookie {name} with Cache-Control: {value}",
                    path=reply.path,
                    name=names[0],
                    value=value,
                ),
                nginx(
                    'add_header Cache-Control "private, no-store" always;',
                    text=tr(
                        "Send Cache-Control: private for per-user responses. Until the application does, replace the "
                        "present value with this line in the location of nginx."
                    ),
                ),
            )
            return


def judge_static_server(facts: Facts) -> Iterator[AuditFinding]:
    """Static files that come from the server of an application; behind a proxy this cannot be seen."""
    _outside(facts)
    reply = facts[ASSET]
    server = reply.headers.get("server", "")
    if not server or reply.status != 200:
        raise Absent
    if _APPLICATION_SERVERS.search(server):
        folder = plain(reply.path.rsplit("/", 1)[0] + "/", "/static/")
        yield AuditFinding(
            "static",
            tr("GET {path} is served by {server}", path=reply.path, server=server),
            nginx(
                f"location {folder} {{ alias /srv/APPLICATION{folder}; expires 1h; }}",
                text=tr("Let nginx serve the files; replace the path after alias with the real one."),
            ),
        )


CHECKS = (
    AuditCheck(
        "http-compression",
        AuditSeverity.MEDIUM,
        tr("text is not compressed, or is compressed wrongly"),
        tr(
            "Compression shrinks text to about a fifth. Clients cannot read what is compressed twice, or without their "
            "asking for it."
        ),
        (WHERE, PAGE, ASSET, UNCOMPRESSED),
        judge_compression,
        "https://nginx.org/en/docs/http/ngx_http_gzip_module.html",
    ),
    AuditCheck(
        "http-keep-alive",
        AuditSeverity.LOW,
        tr("connections are not kept open"),
        tr("Each request needs a new connection, and with TLS a new handshake."),
        (WHERE, PAGE, HEALTH_REPLY),
        judge_keep_alive,
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_timeout",
    ),
    AuditCheck(
        "static-not-cacheable",
        AuditSeverity.LOW,
        tr("static files cannot be cached"),
        tr("Browsers download them again for each page."),
        (WHERE, ASSET),
        judge_static,
        "https://nginx.org/en/docs/http/ngx_http_headers_module.html#expires",
    ),
    AuditCheck(
        "private-cacheable",
        AuditSeverity.HIGH,
        tr("per-user responses can be cached by shared caches"),
        tr("A proxy or CDN can hand one user's page or session to another."),
        (PAGE, HEALTH_REPLY),
        judge_private,
        "https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Cache-Control",
    ),
    AuditCheck(
        "static-by-application",
        AuditSeverity.LOW,
        tr("the application serves static files itself"),
        tr("Each file occupies a worker of the application; a web server sends it with one system call."),
        (WHERE, ASSET),
        judge_static_server,
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#alias",
    ),
)
