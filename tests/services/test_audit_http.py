"""The checks of HTTP and TLS on a real nginx: each fault is made, found, mended by its own fix, and gone."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.audit.targets.services import REQUESTS_AT_MOST
from lilfox_tui.config.model import Config, ServiceConfig
from tests.services.audit_site import NAME, PAGE, Authority, Site, audited, resolving, told
from tests.services.http_servers import serving
from tests.services.http_stand_in import Reply, Request, StandIn
from tests.services.nginx import Nginx
from tests.services.sshd import sshd_lab


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("authority"))
    with pytest.MonkeyPatch.context() as patch, resolving(NAME):
        patch.setenv("SSL_CERT_FILE", str(made.file))
        yield made


@pytest.fixture
def site(authority: Authority, tmp_path: Path) -> Site:
    return Site(tmp_path / "site", authority)


async def test_nothing_is_found_at_a_careful_site(site: Site) -> None:
    with site.running():
        report = await site.audited("http")
        assert (told(report), report.not_checked) == ({}, ())
        lines = site.nginx.access_log.read_text().splitlines()
    assert len(lines) <= REQUESTS_AT_MOST
    assert all('"GET ' in line and '"lilfox-audit"' in line for line in lines)


async def test_redirects_do_not_exceed_the_limit_of_requests(site: Site) -> None:
    site.locations |= {"= /": "return 302 /a;", "= /a": "return 302 /index.html;"}
    site.service = {"metrics": "/metrics"}
    with site.running():
        report = await site.audited("http")
        assert (told(report), report.not_checked) == ({}, ())
        assert 15 < site.nginx.requests_logged() <= REQUESTS_AT_MOST


async def test_nothing_is_found_at_an_internal_health_endpoint(tmp_path: Path) -> None:
    """What a web server before it sees: nginx's own headers, no TLS."""
    with Nginx(tmp_path) as nginx:
        service = ServiceConfig(url=nginx.url, health="/")
        assert told(await audited(service, "http")) == {}


CHANGES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("http-no-hsts", "Strict-Transport-Security", "MEDIUM", {"without": "add_header Strict"}),
    ("http-no-hsts", "Strict-Transport-Security", "MEDIUM",
     {"without": "add_header Strict", "lines": ["add_header Strict-Transport-Security max-age=60;"]}),
    ("browser-headers", "X-Content-Type-Options", "MEDIUM", {"without": "add_header X-Content"}),
    ("browser-headers", "frame-ancestors", "MEDIUM", {"without": "add_header X-Frame"}),
    ("browser-headers", "Content-Security-Policy", "MEDIUM", {"without": "add_header Content-Sec"}),
    ("browser-headers", "Referrer-Policy", "LOW", {"without": "add_header Referrer"}),
    ("http-versions-told", "server", "LOW", {"without": "server_tokens"}),
    ("http-compression", "text/html", "MEDIUM", {"without": "gzip on;", "page": "<p>" + "hello " * 400}),
    ("http-compression", "text/css", "MEDIUM", {"without": "gzip_types"}),
    ("http-keep-alive", "keep-alive", "LOW", {"lines": ["keepalive_timeout 0;"]}),
    ("static-not-cacheable", "static", "LOW",
     {"lines": ["etag off;", 'add_header Last-Modified "";']}),
    ("private-cacheable", "/", "HIGH",
     {"lines": ['add_header Set-Cookie "session=abcdef; Secure; HttpOnly; SameSite=Lax";',
                'add_header Cache-Control "public, max-age=600";']}),
    ("cors-any-origin", "any", "CRITICAL",
     {"lines": ["add_header Access-Control-Allow-Origin $http_origin always;",
                "add_header Access-Control-Allow-Credentials true always;"]}),
    ("cors-any-origin", "null", "CRITICAL",
     {"lines": ["add_header Access-Control-Allow-Origin null always;",
                "add_header Access-Control-Allow-Credentials true always;"]}),
    ("cors-any-origin", "*", "MEDIUM",
     {"lines": ['add_header Access-Control-Allow-Origin "*" always;',
                "add_header Access-Control-Allow-Credentials true always;"]}),
    ("tls-old-version", "TLS 1.0", "HIGH",
     {"without": "ssl_protocols", "lines": ["ssl_protocols TLSv1 TLSv1.2;", "ssl_ciphers DEFAULT:@SECLEVEL=0;"]}),
    ("tls-old-version", "TLS 1.1", "HIGH",
     {"without": "ssl_protocols", "lines": ["ssl_protocols TLSv1.1 TLSv1.2;", "ssl_ciphers DEFAULT:@SECLEVEL=0;"]}),
    ("tls-weak-cipher", "ciphers", "HIGH", {"lines": ["ssl_ciphers ALL:aNULL:@SECLEVEL=0;"]}),
    ("tls-weak-cipher", "ciphers", "HIGH", {"lines": ["ssl_ciphers HIGH:eNULL:@SECLEVEL=0;"]}),
]  # fmt: skip


@pytest.mark.provokes(
    "http-no-hsts", "browser-headers", "http-versions-told", "http-compression", "http-keep-alive",
    "static-not-cacheable", "private-cacheable", "cors-any-origin", "tls-old-version", "tls-weak-cipher",
)  # fmt: skip
@pytest.mark.parametrize(("check", "subject", "severity", "change"), CHANGES)
async def test_a_setting_of_nginx_is_found_and_mended_by_its_fix(
    site: Site, check: str, subject: str, severity: str, change: dict[str, Any]
) -> None:
    if without := change.get("without"):
        site.lines = [line for line in site.lines if not line.startswith(without)]
    site.lines += change.get("lines", [])
    if "page" in change:
        (site.folder / "www/index.html").write_text(change["page"])
    with site.running():
        found = (await site.audited(check)).found
    assert [(each.check.id, each.finding.subject, each.severity.name) for each in found] == [(check, subject, severity)]
    site.apply(found[0].finding.fix)
    with site.running():
        after = await site.audited(check)
    assert (told(after), after.not_checked) == ({}, ())
    assert [each.check.id for each in after.passed] == [check]


@pytest.mark.provokes("cookie-attributes")
@pytest.mark.parametrize(
    ("cookie", "told_of", "severity"),
    [
        ("session=abc; Path=/", "Secure, HttpOnly, SameSite=Lax", "HIGH"),
        ("shop_sid=abc; Expires=Wed, 21 Oct 2099 07:28:00 GMT; HttpOnly; SameSite=Strict", "Secure", "HIGH"),
        ("auth_token=abc; Secure; SameSite=None", "HttpOnly", "HIGH"),
        ("session=abc; Secure; HttpOnly", "SameSite=Lax", "MEDIUM"),
    ],
)
async def test_a_session_cookie_without_its_attributes(
    site: Site, tmp_path: Path, cookie: str, told_of: str, severity: str
) -> None:
    others = ('add_header Set-Cookie "csrftoken=x; Path=/";', 'add_header Set-Cookie "theme=dark";')
    with Nginx(tmp_path / "application") as application:
        application.__exit__()
        application.servers = (
            "server {{ listen 127.0.0.1:{port}; default_type text/html; "
            f'add_header Set-Cookie "{cookie}"; {" ".join(others)} location / {{{{ return 200 "{PAGE}"; }}}} }}}}'
        )
        with application:
            site.locations["/"] = f"proxy_pass {application.url};"
            with site.running():
                found = (await site.audited("cookie-attributes")).found
            name = cookie.partition("=")[0]
            assert [(each.finding.subject, each.severity.name) for each in found] == [(name, severity)]
            assert str(found[0].finding.evidence) == f"Set-Cookie {name} of GET / lacks {told_of}"
            site.apply(found[0].finding.fix)
            with site.running():
                after = await site.audited("cookie-attributes")
            assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("http-compression")
async def test_a_page_that_is_compressed_twice(site: Site) -> None:
    """By an application whose own compression runs twice."""

    def answer(request: Request) -> Reply:
        packs = "gzip" in request.headers.get("accept-encoding", "")
        return Reply(200, gzip.compress(PAGE.encode()) if packs else PAGE, {"Content-Type": "text/html"})

    application = StandIn(answer)
    async with application.running():
        site.locations["/"] = f"proxy_pass {application.url};"
        with site.running():
            found = (await site.audited("http-compression")).found
        assert [each.finding.subject for each in found] == ["twice: text/html"]
        site.apply(found[0].finding.fix)
        with site.running():
            after = await site.audited("http-compression")
        assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("http-compression")
async def test_a_page_that_is_compressed_for_everyone(site: Site) -> None:
    """By an application that does not ask what its client takes."""
    kind = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    application = StandIn(lambda _request: Reply(200, gzip.compress(PAGE.encode()), kind))
    async with application.running():
        site.locations["/"] = f"proxy_pass {application.url};"
        with site.running():
            found = (await site.audited("http-compression")).found
        assert [(each.finding.subject, str(each.finding.evidence)) for each in found] == [
            ("always: text/html", "GET / with Accept-Encoding: identity returns Content-Encoding: gzip")
        ]
        site.apply(found[0].finding.fix)
        with site.running():
            after = await site.audited("http-compression")
        assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("exposed-files", "exposed-internals", "debug-pages")
@pytest.mark.parametrize(
    ("check", "file", "content", "subject"),
    [
        ("exposed-files", ".env", "# shop\nDB_PASSWORD=hunter2hunter2\nSECRET_KEY=0123456789\n", "/.env"),
        ("exposed-files", ".git/HEAD", "ref: refs/heads/main\n", "/.git/HEAD"),
        ("exposed-internals", "server-status", "<title>Apache Status</title><h1>Apache Server Status for shop</h1>",
         "/server-status"),
        ("debug-pages", "lilfox-audit-no-such-page",
         "<p>You're seeing this error because you have <code>DEBUG = True</code> in your settings", "debug"),
    ],
)  # fmt: skip
async def test_what_everybody_can_read(site: Site, check: str, file: str, content: str, subject: str) -> None:
    place = site.folder / "www" / file
    place.parent.mkdir(exist_ok=True)
    place.write_text(content)
    site.lines.append("default_type text/html;" if "<" in content else "default_type application/octet-stream;")
    with site.running():
        found = (await site.audited(check)).found
    assert [(each.check.id, each.finding.subject) for each in found] == [(check, subject)]
    assert "hunter2" not in str(found[0].finding.evidence)
    fix = found[0].finding.fix
    if fix.lines and subject != "/server-status":
        site.apply(fix)
    elif fix.lines:  # as the fix says: with what serves it now
        site.locations["= /server-status"] = f"root {site.folder}/www; deny all;"
    else:
        place.unlink()  # DEBUG = False: Django answers with a plain page
    with site.running():
        after = await site.audited(check)
    assert (told(after), after.not_checked) == ({}, ())


async def test_a_page_that_is_served_for_every_path_exposes_nothing(site: Site) -> None:
    """As an application of one page has it: 200 and index.html for whatever is asked."""
    site.locations["/"] = f"root {site.folder}/www; index index.html; try_files $uri /index.html;"
    site.service = {"metrics": "/metrics"}
    with site.running():
        assert told(await site.audited("http")) == {}


@pytest.mark.provokes("open-api-docs", "open-metrics")
async def test_metrics_and_descriptions_that_the_internet_can_read(site: Site) -> None:
    (site.folder / "www/metrics").write_text("# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n")
    (site.folder / "www/openapi.json").write_text('{"openapi": "3.1.0", "paths": {}}')
    site.service = {"metrics": "/metrics"}
    checks = ("open-metrics", "open-api-docs")
    with site.running():
        found = told(await site.audited(*checks))
    assert list(found) == [("open-metrics", "/metrics"), ("open-api-docs", "/openapi.json")] or set(found) == {
        ("open-metrics", "/metrics"), ("open-api-docs", "/openapi.json")
    }  # fmt: skip
    site.apply(found["open-api-docs", "/openapi.json"].fix)
    (line,) = found["open-metrics", "/metrics"].fix.lines
    assert line.startswith("location = /metrics { allow 127.0.0.1;")
    site.locations["= /metrics"] = "deny 127.0.0.1;"  # what who is not among the allowed meets
    with site.running():
        after = await site.audited(*checks)
    assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("slow-route")
async def test_a_route_that_is_slower_than_its_goal() -> None:
    def page(*, slow: int) -> bytes:
        registry = CollectorRegistry()
        seconds = Histogram("http_request_duration_seconds", "Time to an answer.", ["handler"], registry=registry)
        for route, each, count in (
            ("/api/cart", 0.1, 94),
            ("/api/cart", 3.0, slow),
            ("/ws", 90.0, 99),
            ("/rare", 9.0, 9),
        ):
            for _request in range(count):
                seconds.labels(handler=route).observe(each)
        return bytes(generate_latest(registry))

    pages = [page(slow=6), page(slow=4)]
    application = StandIn(lambda _request: Reply(200, pages[0], {"Content-Type": "text/plain; version=0.0.4"}))
    async with application.running():
        found = told(await audited(ServiceConfig(url=application.url), "slow-route"))
        assert [(at, str(each.evidence)) for at, each in found.items()] == [
            (("slow-route", "/api/cart"),
             "/api/cart: P95 2.9 s over 100 requests since the application started; the goal is 1 s")
        ]  # fmt: skip
        del pages[0]
        after = await audited(ServiceConfig(url=application.url), "slow-route")
        assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("http-keep-alive", "static-by-application", "static-not-cacheable")
async def test_an_application_that_does_what_a_web_server_should(site: Site) -> None:
    """As ``python -m http.server`` speaks HTTP/1.0, and as uvicorn serves files."""
    link = b'<script src="/static/shop.js"></script>'
    server = b"Server: uvicorn"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        kind = b"text/javascript" if b".js" in head else b"text/html"
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: %s\r\n%s\r\n\r\n%s" % (kind, server, link))
        await writer.drain()

    checks = ("http-keep-alive", "static-by-application", "static-not-cacheable")
    async with serving(talk) as port:
        found = told(await audited(ServiceConfig(url=f"http://{NAME}:{port}"), *checks))
        assert {at: str(each.evidence) for at, each in found.items()} == {
            ("http-keep-alive", "keep-alive"): "the responses are HTTP/1.0",
            ("static-by-application", "static"): "GET /static/shop.js is served by uvicorn",
            ("static-not-cacheable", "static"):
                "GET /static/shop.js sends no ETag, Last-Modified, Cache-Control or Expires",
        }  # fmt: skip
        assert told(await audited(ServiceConfig(url=f"http://127.0.0.1:{port}"), "http")) == {}  # behind a web server
        (site.folder / "www/static/shop.js").write_text("f()")
        (line,) = found["static-by-application", "static"].fix.lines
        what = line.removeprefix("location /static/ { ").removesuffix(" }")
        site.locations |= {
            "/": f"proxy_pass http://127.0.0.1:{port};",
            "/static/": what.replace("/srv/APPLICATION", f"{site.folder}/www"),
        }
        with site.running():
            after = await site.audited(*checks)
        assert (told(after), {each.check.id for each in after.passed}) == ({}, set(checks))


CERTIFICATES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("tls-certificate-expiry", "certificate", "HIGH", {"begin": timedelta(days=-69), "end": timedelta(days=20)}),
    ("tls-certificate-expiry", "certificate", "CRITICAL", {"end": timedelta(hours=-1)}),
    ("tls-certificate-expiry", "begin", "CRITICAL", {"begin": timedelta(days=1)}),
    ("tls-certificate-trust", "chain", "HIGH", {"own": True}),
    ("tls-certificate-name", NAME, "HIGH", {"names": ("www.example.com", "*.shop.example.com")}),
    ("tls-certificate-key", "key", "HIGH", {"rsa_bits": 1024}),
]


@pytest.mark.provokes("tls-certificate-expiry", "tls-certificate-trust", "tls-certificate-name", "tls-certificate-key")
@pytest.mark.parametrize(("check", "subject", "severity", "issued"), CERTIFICATES)
async def test_a_certificate_is_found_and_mended_by_another(
    site: Site, authority: Authority, check: str, subject: str, severity: str, issued: dict[str, Any]
) -> None:
    authority.issue(site.folder, **issued)
    site.lines.append("ssl_ciphers DEFAULT:@SECLEVEL=0;")
    with site.running():
        found = (await site.audited("tls-certificate-expiry", "tls-certificate-trust", "tls-certificate-name",
                                    "tls-certificate-key")).found  # fmt: skip
    assert [(each.check.id, each.finding.subject, each.severity.name) for each in found] == [(check, subject, severity)]
    authority.issue(site.folder, names=("*.example.com",))  # what certbot would fetch
    with site.running():
        after = await site.audited(check)
    assert (told(after), after.not_checked) == ({}, ())


async def test_a_certificate_of_six_days_is_renewed_in_its_last_third(site: Site, authority: Authority) -> None:
    authority.issue(site.folder, begin=timedelta(days=-1), end=timedelta(days=5))
    with site.running():
        assert told(await site.audited("tls-certificate-expiry")) == {}


@pytest.mark.provokes("http-no-redirect")
async def test_plain_http_at_a_public_name(authority: Authority, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", authority, tls=False)
    with site.running():
        found = (await site.audited("http-no-redirect")).found
    assert [each.finding.subject for each in found] == [f"http:{site.nginx.port}"]
    site.lines, site.locations = list(found[0].finding.fix.lines), {}
    with site.running():
        after = await site.audited("http-no-redirect")
    assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("http-no-redirect")
async def test_the_plain_port_beside_that_of_tls(authority: Authority, tmp_path: Path) -> None:
    """On an address of loopback of its own, with the ports that browsers take."""
    address, plain = "127.83.4.19", ["location / {{ return 200 'hello'; }}"]
    authority.issue(tmp_path, names=("secure.example.com",))

    def servers(*lines: str) -> str:
        tls = (
            f"server {{{{ listen {address}:443 ssl; ssl_certificate {tmp_path}/certificate.pem; "
            f"ssl_certificate_key {tmp_path}/key.pem; location / {{{{ return 200 'ok'; }}}} }}}}"
        )
        return tls + (f"server {{{{ listen {address}:80; {' '.join(lines)} }}}}" if lines else "")

    async def run() -> Report:
        with Nginx(tmp_path / "nginx", f"server {{{{ listen 127.0.0.1:{{port}}; }}}} {blocks}"):
            return await audited(ServiceConfig(url="https://secure.example.com"), "http-no-redirect")

    with resolving("secure.example.com", to=address):
        blocks = servers(*plain)
        found = (await run()).found
        assert [each.finding.subject for each in found] == ["http:80"]
        blocks = servers(*found[0].finding.fix.lines)
        after = await run()
        assert (told(after), len(after.passed)) == ({}, 1)
        blocks = servers()  # nothing listens there
        after = await run()
        assert (after.found, after.not_checked) == ((), ())


async def test_a_service_that_only_a_host_reaches(authority: Authority, tmp_path: Path) -> None:
    """Requests and handshakes go through the host of ``from``; what it may see tells nothing of the internet."""
    site = Site(tmp_path / "site", authority)
    site.lines.append("ssl_ciphers ALL:aNULL:@SECLEVEL=0;")
    authority.issue(site.folder, names=("127.0.0.1",), begin=timedelta(days=-70), end=timedelta(days=5))
    with sshd_lab() as lab, site.running():
        service = ServiceConfig(url=f"https://127.0.0.1:{site.nginx.port}", from_="web-1", metrics=None)
        config = Config(hosts={"web-1": lab.host(lab.sshd())}, ssh=lab.ssh(), services={"shop": service})
        report = await Audit(config, timeout_s=60).run(chosen(["http"]), targets_of(config, ["web-1"]))
        assert targets_of(config, ["other"])["service"] == []
    assert set(told(report)) == {("tls-weak-cipher", "ciphers"), ("tls-certificate-expiry", "certificate")}
    assert report.not_checked == ()


async def test_a_service_that_is_gone_is_not_checked() -> None:
    report = await audited(ServiceConfig(url="https://127.0.0.1:1"), "http")
    assert (report.found, report.passed) == ((), ())
    assert len(report.not_checked) > 10
    reasons = {str(each.reason) for each in report.not_checked}
    assert [each.startswith("127.0.0.1:1 refuses the connection") for each in reasons] == [True]
