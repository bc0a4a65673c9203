"""The judgement of replies that servers gave once: what is found in them, and what only looks like it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import NameOID

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.http.certificate import _covers
from lilfox_tui.audit.model import Found, NotChecked, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.services import (
    Get,
    GetAsset,
    GetCertificate,
    GetPlain,
    Handshake,
    HttpReply,
    ServiceAddress,
    Where,
)

SHOP = ServiceAddress("https", "shop.example.com", 443)
INSIDE = ServiceAddress("http", "10.0.0.7", 8000)
NOTHING = HttpReply(SHOP, "/nothing", 404, {"content-type": "text/html"}, b"<h1>Not Found</h1>")


def outcomes(check: str, answers: Mapping[Any, Any], *, place: ServiceAddress = SHOP) -> list[str]:
    """Subjects of findings, ``?`` with the reason, or ``good``; nothing if the check is absent. ``answers`` are by the
    kind of the question, or by its path; 404 for all others."""
    (made,) = chosen([check])
    known = {Where: place, GetAsset: None, GetPlain: None, **answers}
    given = {}
    for fact in made.facts:
        path = fact.question.path if isinstance(fact.question, Get) else None
        given[fact.name] = known[path] if path in known else known.get(type(fact.question), NOTHING)
    told = []
    for each in judged(Target("service", "shop"), [made], given):
        if isinstance(each, Found):
            told.append(each.finding.subject)
        else:
            told.append(f"? {each.reason}" if isinstance(each, NotChecked) else "good")
    return told


def reply(body: bytes, kind: str = "text/html", *, status: int = 200, **headers: str) -> HttpReply:
    sent = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return HttpReply(SHOP, "/asked", status, sent, body)


FILES: list[tuple[str, HttpReply, list[str]]] = [
    ("/.env", reply(b"APP_KEY=base64:abc\nDB_PASSWORD=x\n", "application/octet-stream"), ["/.env"]),
    ("/.env", reply(b"export API_TOKEN=x\n", ""), ["/.env"]),
    ("/.env", reply(b"APP_KEY=x\n", "text/html"), ["good"]),  # a page
    ("/.env", reply(b"APP_KEY=x\n", "text/plain", status=403), ["good"]),
    ("/.env", reply(b"ok", "text/plain"), ["good"]),
    ("/.env", reply(b'{"status":"ok","a":"b=c"}', "application/json"), ["good"]),
    ("/.env", reply(b"var a=1;\nb=2;", "text/javascript"), ["good"]),
    ("/.git/HEAD", reply(b"ref: refs/heads/main\n", "text/plain"), ["/.git/HEAD"]),
    ("/.git/HEAD", reply(b"0123456789abcdef0123456789abcdef01234567\n", ""), ["/.git/HEAD"]),
    ("/.git/HEAD", reply(b"<!doctype html>ref: refs/heads/main"), ["good"]),
    ("/.git/HEAD", reply(b"please ref: refs/heads/main", "text/plain"), ["good"]),
]


@pytest.mark.parametrize(("path", "answer", "told"), FILES)
def test_files_by_their_content(path: str, answer: HttpReply, told: list[str]) -> None:
    assert outcomes("exposed-files", {path: answer}) == told


INTERNALS: list[tuple[str, HttpReply, list[str]]] = [
    ("/debug/pprof/", reply(b"<title>/debug/pprof/</title>Types of profiles available:"), ["/debug/pprof/"]),
    ("/actuator/env", reply(b'{"activeProfiles":[],"propertySources":[]}', "application/vnd.spring-boot+json"),
     ["/actuator/env"]),
    ("/actuator/env", reply(b'{"error":"Unauthorized"}', "application/json", status=401), ["good"]),
    ("/server-status", reply(b"<h1>Apache Server Status for shop</h1>"), ["/server-status"]),
    ("/server-status", reply(b"<p>our server status: all well</p>"), ["good"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "answer", "told"), INTERNALS)
def test_pages_about_the_inside(path: str, answer: HttpReply, told: list[str]) -> None:
    assert outcomes("exposed-internals", {path: answer}) == told
    assert outcomes("exposed-internals", {path: answer}, place=INSIDE) == []
    through = ServiceAddress("https", "shop.example.com", 443, through=True)
    assert outcomes("exposed-internals", {path: answer}, place=through) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<title>KeyError // Werkzeug Debugger</title><script src='?__debugger__=yes&amp;cmd=resource'>", ["debug"]),
        (b"<p>You're seeing this error because you have <code>DEBUG = True</code> in your settings.", ["debug"]),
        (b"<h1>Action Controller: Exception caught</h1>", ["debug"]),
        (b"<title>phpinfo()</title>", ["debug"]),
        (b"<h1>Internal Server Error</h1>", ["good"]),
        (b"<p>How to switch DEBUG = True off in Django</p>", ["good"]),
    ],
)
def test_debug_pages_of_frameworks(body: bytes, told: list[str]) -> None:
    assert outcomes("debug-pages", {"/lilfox-audit-no-such-page": reply(body, status=500)}) == told


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"server": "nginx/1.26.3"}, ["server"]),
        ({"server": "Apache/2.4.66 (Debian)"}, ["server"]),
        ({"server": "nginx", "x-powered-by": "PHP/8.2.1"}, ["x-powered-by"]),
        ({"x-aspnet-version": "4.0.30319"}, ["x-aspnet-version"]),
        ({"server": "nginx"}, ["good"]),
        ({"server": "cloudflare", "x-powered-by": "Express"}, ["good"]),
        ({"server": "uvicorn"}, ["good"]),
        ({"x-runtime": "0.012345"}, ["good"]),
    ],
)
def test_versions_in_headers(headers: dict[str, str], told: list[str]) -> None:
    assert outcomes("http-versions-told", {"": HttpReply(SHOP, "/", 200, headers)}) == told
    assert outcomes("http-versions-told", {"": HttpReply(INSIDE, "/", 200, headers)}, place=INSIDE) == []


@pytest.mark.parametrize(
    ("place", "status", "location", "told"),
    [
        (SHOP, 301, "https://shop.example.com/", ["good"]),
        (SHOP, 308, "https://www.example.com/", ["good"]),
        (SHOP, 200, "", ["http:80"]),
        (SHOP, 302, "http://shop.example.com/login", ["http:80"]),
        (SHOP, 403, "", ["good"]),  # the port is closed to people, the name is served over https
        (ServiceAddress("http", "shop.example.com", 80), 404, "", ["http:80"]),
        (INSIDE, 200, "", []),
    ],
)
def test_plain_http(place: ServiceAddress, status: int, location: str, told: list[str]) -> None:
    plain = HttpReply(ServiceAddress("http", "shop.example.com", 80), "/", status, {"location": location})
    assert outcomes("http-no-redirect", {GetPlain: plain}, place=place) == told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("strict-transport-security", "max-age=63072000; includeSubDomains; preload", ["good"]),
        ("strict-transport-security", 'max-age="31536000"', ["good"]),
        ("strict-transport-security", "max-age=0", ["Strict-Transport-Security"]),
        ("x-other", "1", ["Strict-Transport-Security"]),
    ],
)
def test_how_long_browsers_remember(name: str, value: str, told: list[str]) -> None:
    page = HttpReply(SHOP, "/", 200, {"content-type": "text/html", name: value}, b"<p>")
    assert outcomes("http-no-hsts", {"": page}) == told
    own = ServiceAddress("https", "93.184.215.14", 443)  # no browser heeds it there
    assert outcomes("http-no-hsts", {"": HttpReply(own, "/", 200, page.headers, b"<p>")}) == []


def test_a_policy_of_frames_is_a_policy() -> None:
    headers = {"content-type": "text/html", "content-security-policy": "frame-ancestors 'none'",
               "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}  # fmt: skip
    assert outcomes("browser-headers", {"": HttpReply(SHOP, "/", 200, headers, b"<p>")}) == ["good"]
    error = HttpReply(SHOP, "/", 500, {"content-type": "text/html"}, b"<p>")
    assert outcomes("browser-headers", {"": error}) == []


@pytest.mark.parametrize(
    ("allowed", "credentials", "told"),
    [
        ("https://audit.invalid", "true", ["any"]),
        ("https://audit.invalid", "", ["good"]),  # public data: as *
        ("*", "", ["good"]),
        ("*", "true", ["*"]),
        ("null", "true", ["null"]),
        ("https://www.example.com", "true", ["good"]),
        ("", "", ["good"]),
    ],
)
def test_origins_that_are_allowed(allowed: str, credentials: str, told: list[str]) -> None:
    headers = {"access-control-allow-origin": allowed, "access-control-allow-credentials": credentials}
    assert outcomes("cors-any-origin", {Get: HttpReply(SHOP, "/", 200, headers)}) == told


@pytest.mark.parametrize(
    ("cookie", "control", "told"),
    [
        ("session=a", "public, max-age=600", ["/asked"]),
        ("session=a", "s-maxage=60", ["/asked"]),
        ("session=a", "s-maxage=0", ["good"]),
        ("session=a", "private, max-age=600", ["good"]),
        ("session=a", "", ["good"]),
        ("theme=dark", "public, max-age=600", ["good"]),
        ("session=; Max-Age=0", "public, max-age=600", ["good"]),  # it is taken away
    ],
)
def test_what_shared_caches_may_keep(cookie: str, control: str, told: list[str]) -> None:
    answer = reply(b"<p>", set_cookie=cookie, cache_control=control)
    assert outcomes("private-cacheable", {"": answer}) == told


@pytest.mark.parametrize(
    ("pattern", "name", "covers"),
    [
        ("shop.example.com", "shop.example.com", True),
        ("SHOP.example.com.", "shop.example.com", True),
        ("*.example.com", "shop.example.com", True),
        ("*.example.com", "a.shop.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.com", "com", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("*.0.0.7", "10.0.0.7", False),
    ],
)
def test_names_of_certificates(pattern: str, name: str, covers: bool) -> None:
    assert _covers(pattern, name) == covers


def _certificate(key: Any, days: int) -> bytes:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(key, digest).public_bytes(serialization.Encoding.DER)


def test_keys_of_certificates() -> None:
    good = Handshake(SHOP, _certificate(ed25519.Ed25519PrivateKey.generate(), 30))
    short = Handshake(SHOP, _certificate(rsa.generate_private_key(65537, 1024), 30))
    assert outcomes("tls-certificate-key", {GetCertificate: good}) == ["good"]
    assert outcomes("tls-certificate-key", {GetCertificate: short}) == ["key"]
    assert outcomes("tls-certificate-expiry", {GetCertificate: good}) == ["good"]
    assert outcomes("tls-certificate-name", {GetCertificate: good}) == [SHOP.name]  # a common name counts no more
    assert outcomes("tls-certificate-key", {GetCertificate: None}) == []


def test_a_certificate_that_this_machine_cannot_read_does_not_end_the_audit() -> None:
    made = _certificate(rsa.generate_private_key(65537, 2048), 30)
    sha256_with_rsa = bytes.fromhex("2a864886f70d01010b")
    unknown = Handshake(SHOP, made.replace(sha256_with_rsa, sha256_with_rsa[:-1] + b"\x7f"))
    told = ["? the answer about certificate cannot be read"]
    assert outcomes("tls-certificate-key", {GetCertificate: unknown}) == told


def test_a_certificate_that_the_configuration_does_not_verify() -> None:
    inside = ServiceAddress("https", "db.lan", 443, verified=False)
    public = ServiceAddress("https", "shop.example.com", 443, verified=False)
    content = _certificate(ed25519.Ed25519PrivateKey.generate(), 30)
    for place, told in ((inside, ["good"]), (public, ["chain"])):
        answers = {GetCertificate: Handshake(place, content, "self-signed certificate")}
        assert outcomes("tls-certificate-trust", answers) == told
