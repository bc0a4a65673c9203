"""Headers with which a service protects the people who use it in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.audit.model import HEADER_LINES, Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, nginx
from lilfox_tui.audit.targets.services import PAGE, WHERE, GetPlain, HttpReply, reply_of
from lilfox_tui.core.i18n import tr

PLAIN: Fact[HttpReply] = Fact("plain", GetPlain(), reply_of)
_SHORTEST_HSTS_S = 30 * 86400
_PRODUCT = re.compile(r"[A-Za-z][\w.-]{0,99}[/ ]\d")
_POLICY_LINES = tr(
    "Add this line to the server block of nginx, with the other sources of scripts and styles that the pages use. Try"
    " it as Content-Security-Policy-Report-Only first."
)
_TELLING = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime")


def judge_redirect(facts: Facts) -> Iterator[AuditFinding]:
    """Plain HTTP that the internet reaches and that does not lead to HTTPS."""
    if facts[WHERE].is_internal:
        raise Absent
    reply = facts[PLAIN]
    location = reply.headers.get("location", "")
    if (300 <= reply.status < 400 and location.startswith("https://")) or (reply.status >= 400 and facts[WHERE].https):
        return
    yield AuditFinding(
        f"http:{reply.place.port}",
        tr(
            "GET {address}/ returns {status} instead of a redirect to https",
            address=reply.place.origin,
            status=reply.status,
        ),
        nginx(
            "return 301 https://$host$request_uri;",
            text=tr("Reduce the server block of the plain port to listen, server_name and this line."),
        ),
    )


def judge_hsts(facts: Facts) -> Iterator[AuditFinding]:
    """A page over HTTPS that does not tell browsers to come back only so. For addresses it has no effect."""
    reply = _page(facts)
    if not reply.place.https or not reply.place.is_named:
        raise Absent
    value = reply.headers.get("strict-transport-security", "")
    age = re.search(r"max-age\s*=\s*\"?(\d+)", value, re.IGNORECASE)
    if age is not None and int(age[1]) >= _SHORTEST_HSTS_S:
        return
    what = tr("GET {path} sends no Strict-Transport-Security", path=reply.path)
    if value:
        what = tr("GET {path} sends Strict-Transport-Security: {value}", path=reply.path, value=value)
    line = 'add_header Strict-Transport-Security "max-age=31536000" always;'
    yield AuditFinding("Strict-Transport-Security", what, nginx(line, text=HEADER_LINES))


def _page(facts: Facts) -> HttpReply:
    """The page for people; raises Absent for an interface of programs, and for an internal one over plain HTTP."""
    reply = facts[PAGE]
    if facts[WHERE].is_internal or not reply.is_html or reply.status != 200:
        raise Absent
    return reply


def judge_browser(facts: Facts) -> Iterator[AuditFinding]:
    """Pages without the headers that limit what a browser does with them."""
    reply = _page(facts)
    policy = reply.headers.get("content-security-policy", "")
    wanted = {
        "X-Content-Type-Options": (reply.headers.get("x-content-type-options", "").lower() == "nosniff", "nosniff"),
        "frame-ancestors": (
            "frame-ancestors" in policy or reply.headers.get("x-frame-options", "").upper() in ("DENY", "SAMEORIGIN"),
            "",
        ),
        "Content-Security-Policy": (bool(policy) or b"content-security-policy" in reply.body.lower(), ""),
        "Referrer-Policy": (
            bool(reply.headers.get("referrer-policy")) or b'name="referrer"' in reply.body.lower(),
            "strict-origin-when-cross-origin",
        ),
    }
    values = {
        "frame-ancestors": ("X-Frame-Options", "SAMEORIGIN"),
        "Content-Security-Policy": (
            "Content-Security-Policy",
            "default-src 'self'; frame-ancestors 'self'; base-uri 'self'; object-src 'none'",
        ),
    }
    for subject, (there, value) in wanted.items():
        if there:
            continue
        name, right = values.get(subject, (subject, value))
        weight = AuditSeverity.LOW if subject == "Referrer-Policy" else None  # browsers have a good default
        yield AuditFinding(
            subject,
            tr("GET {path} sends no {header}", path=reply.path, header=subject),
            nginx(
                f'add_header {name} "{right}" always;',
                text=_POLICY_LINES if name == "Content-Security-Policy" else HEADER_LINES,
            ),
            weight,
        )


def judge_versions(facts: Facts) -> Iterator[AuditFinding]:
    """Headers with the version of a server or framework."""
    reply = facts[PAGE]
    if facts[WHERE].is_internal:
        raise Absent
    for name in _TELLING:
        value = reply.headers.get(name, "")
        if not _PRODUCT.search(value) and not (name.startswith("x-aspnet") and value):
            continue
        line = "server_tokens off;" if name == "server" else f"proxy_hide_header {name};"
        yield AuditFinding(name, tr("{header}: {value}", header=name, value=value), nginx(line))


_MDN = "https://developer.mozilla.org/en-US/docs/Web/HTTP"
CHECKS = (
    AuditCheck(
        "http-no-redirect",
        AuditSeverity.MEDIUM,
        tr("plain HTTP does not redirect to HTTPS"),
        tr("Cookies and passwords of users who type the name without https can be read on the way."),
        (WHERE, PLAIN),
        judge_redirect,
        "https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#return",
    ),
    AuditCheck(
        "http-no-hsts",
        AuditSeverity.MEDIUM,
        tr("browsers are not told to use only HTTPS"),
        tr("The first request of a visit can go over plain HTTP and be intercepted."),
        (WHERE, PAGE),
        judge_hsts,
        f"{_MDN}/Reference/Headers/Strict-Transport-Security",
    ),
    AuditCheck(
        "browser-headers",
        AuditSeverity.MEDIUM,
        tr("pages lack headers that protect their users"),
        tr("They limit which scripts run, who can frame the page, and how its files are interpreted."),
        (WHERE, PAGE),
        judge_browser,
        f"{_MDN}/Guides/CSP",
    ),
    AuditCheck(
        "http-versions-told",
        AuditSeverity.LOW,
        tr("responses reveal the version of the server or framework"),
        tr("Scanners look for versions with known vulnerabilities."),
        (WHERE, PAGE),
        judge_versions,
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#server_tokens",
    ),
)
