"""What a service shows to everybody: files of its source, debug pages, its interface, its metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

from lilfox_tui.audit.checks.http.latency import METRICS_PAGE
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, nginx
from lilfox_tui.audit.targets.services import PAGE, WHERE, Get, HttpReply, reply_of
from lilfox_tui.core.i18n import Message, tr

_ASSIGNMENT = re.compile(rb"^(?:export +)?([A-Z_][A-Z0-9_]+)=", re.MULTILINE)
_HEAD = re.compile(rb"(ref: refs/|[0-9a-f]{40}\s*$)")
_EXPOSITION = re.compile(rb"^# (HELP|TYPE) [A-Za-z_:]", re.MULTILINE)
_DOCS_PAGE = re.compile(rb"swagger-ui|redoc|rapidoc|scalar", re.IGNORECASE)
_DEBUG_PAGES = {
    b"You're seeing this error because you have <code>DEBUG = True</code>": "Django: DEBUG = True",
    b"Werkzeug Debugger": "Flask: debug=True",
    b"__debugger__=yes": "Flask: debug=True",
    b"Action Controller: Exception caught": "Rails: config.consider_all_requests_local",
    b"Rails.root:": "Rails: config.consider_all_requests_local",
    b"Whoops! There was an error": "Laravel: APP_DEBUG=true",
    b"Symfony Exception": "Symfony: APP_DEBUG=1",
    b"<title>phpinfo()</title>": "phpinfo()",
}
"""What a debug page has that no other page has, and the setting that switches it on."""


def _hidden(path: str) -> Fix:
    return nginx(
        "location ~ /\\.(?!well-known/) { return 404; }",
        text=tr(
            "Remove {path} from the web root, and rotate every secret in it: treat them as leaked. This line in the "
            "server block of nginx blocks hidden files.",
            path=path,
        ),
    )


def _only_from_own(path: str) -> Fix:
    return nginx(
        f"location = {path} {{ allow 127.0.0.1; allow ::1; allow 10.0.0.0/8; deny all; }}",
        text=tr(
            "Restrict it to your own addresses: add this location to nginx, together with the line that serves it now"
            " (such as proxy_pass)."
        ),
    )


class _OpenPath(Struct, frozen=True):
    """A path that should not be open: how it is recognised, what is told of it, and how it is closed."""

    path: str
    told: Callable[[HttpReply], Message | None]
    fix: Callable[[str], Fix]


def _env(reply: HttpReply) -> Message | None:
    names = [each.decode() for each in _ASSIGNMENT.findall(reply.body)]
    if reply.is_html or not names:
        return None
    return tr("a file that sets {names} (values not shown)", names=" ".join(names[:5]))


def _git(reply: HttpReply) -> Message | None:
    if reply.is_html or not _HEAD.match(reply.body):
        return None
    return tr("a git repository, whose history can be downloaded")


def _status(reply: HttpReply) -> Message | None:
    return tr("the server status of Apache") if b"Apache Server Status" in reply.body else None


def _profile(reply: HttpReply) -> Message | None:
    return tr("the profiles of a Go program") if b"/debug/pprof/" in reply.body else None


def _actuator(reply: HttpReply) -> Message | None:
    if reply.kind.endswith("json") and b'"propertySources"' in reply.body:
        return tr("the environment of a Spring application")
    return None


_FILES = (_OpenPath("/.env", _env, _hidden), _OpenPath("/.git/HEAD", _git, _hidden))
_INSIDE = (
    _OpenPath("/server-status", _status, _only_from_own),
    _OpenPath("/debug/pprof/", _profile, _only_from_own),
    _OpenPath("/actuator/env", _actuator, _only_from_own),
)
_ASKED = {each.path: Fact(f"path{each.path}", Get(each.path), reply_of) for each in (*_FILES, *_INSIDE)}
NOWHERE = Fact("no-such-page", Get("/lilfox-audit-no-such-page"), reply_of)
DOCS = {path: Fact(f"path{path}", Get(path), reply_of) for path in ("/docs", "/openapi.json")}


def _public_only(facts: Facts) -> None:
    """Raises Absent unless the internet may reach the service and is asked as others are: a host may be let in where
    others are not."""
    if not facts[WHERE].is_public or facts[WHERE].through:
        raise Absent


def _open(facts: Facts, places: tuple[_OpenPath, ...]) -> Iterator[AuditFinding]:
    for place in places:
        reply = facts[_ASKED[place.path]]
        told = place.told(reply) if reply.status == 200 else None
        if told is not None:
            evidence = tr("GET {path} returns 200: {what}", path=reply.path, what=told)
            yield AuditFinding(place.path, evidence, place.fix(reply.path))


def judge_files(facts: Facts) -> Iterator[AuditFinding]:
    """Files with secrets or the source, by their content: a page that is served for every path is none."""
    yield from _open(facts, _FILES)


def judge_inside(facts: Facts) -> Iterator[AuditFinding]:
    """Pages about the inside of a server."""
    _public_only(facts)
    yield from _open(facts, _INSIDE)


def judge_debug(facts: Facts) -> Iterator[AuditFinding]:
    """An error page, or the first one, that shows source, settings or a console."""
    for reply in (facts[NOWHERE], facts[PAGE]):
        for mark, setting in _DEBUG_PAGES.items():
            if reply.is_html and mark in reply.body:
                yield AuditFinding(
                    "debug",
                    tr(
                        "GET {path} returns {status} with a debug page ({setting})",
                        path=reply.path,
                        status=reply.status,
                        setting=setting,
                    ),
                    Fix(tr("Turn this off in production and restart the application: {setting}", setting=setting)),
                )
                return


def judge_docs(facts: Facts) -> Iterator[AuditFinding]:
    """The description of an interface, open to the internet."""
    _public_only(facts)
    docs, description = facts[DOCS["/docs"]], facts[DOCS["/openapi.json"]]
    found = docs.status == 200 and docs.is_html and _DOCS_PAGE.search(docs.body)
    described = description.status == 200 and re.match(rb'\s*\{\s*"(openapi|swagger)"', description.body)
    if not found and not described:
        return
    path = docs.path if found else description.path
    yield AuditFinding(
        path,
        tr("GET {path} returns 200 to this machine without a login", path=path),
        nginx(
            "location ~ ^/(docs|redoc|openapi\\.json)$ { return 404; }",
            text=tr(
                "If the API is not public, disable the pages (FastAPI(docs_url=None, redoc_url=None, "
                "openapi_url=None)), or add this line to the server block of nginx."
            ),
        ),
    )


def judge_metrics(facts: Facts) -> Iterator[AuditFinding]:
    """Metrics that the internet can read."""
    _public_only(facts)
    reply = facts[METRICS_PAGE]
    if reply.status == 200 and not reply.is_html and _EXPOSITION.search(reply.body):
        yield AuditFinding(
            reply.path,
            tr("GET {path} returns metrics to this machine without a login", path=reply.path),
            _only_from_own(reply.path),
        )


CHECKS = (
    AuditCheck(
        "exposed-files",
        AuditSeverity.CRITICAL,
        tr("files with secrets or source code are served"),
        tr("Bots request these files from every address, many times a day."),
        tuple(_ASKED[each.path] for each in _FILES),
        judge_files,
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#location",
    ),
    AuditCheck(
        "exposed-internals",
        AuditSeverity.HIGH,
        tr("internal pages are open to everyone"),
        tr("They show addresses, other users' requests, settings and memory."),
        (WHERE, *(_ASKED[each.path] for each in _INSIDE)),
        judge_inside,
        "https://nginx.org/en/docs/http/ngx_http_access_module.html",
    ),
    AuditCheck(
        "debug-pages",
        AuditSeverity.CRITICAL,
        tr("debug pages are enabled"),
        tr("They show source code, settings and variables; some have a console that runs code."),
        (NOWHERE, PAGE),
        judge_debug,
        "https://docs.djangoproject.com/en/stable/ref/settings/#debug",
    ),
    AuditCheck(
        "open-api-docs",
        AuditSeverity.MEDIUM,
        tr("the API documentation is public"),
        tr("It lists every route with its parameters, including those that no page links to."),
        (WHERE, *DOCS.values()),
        judge_docs,
        "https://fastapi.tiangolo.com/how-to/conditional-openapi/",
    ),
    AuditCheck(
        "open-metrics",
        AuditSeverity.MEDIUM,
        tr("the metrics are public"),
        tr("They reveal traffic, errors, versions and internal names."),
        (WHERE, METRICS_PAGE),
        judge_metrics,
        "https://prometheus.io/docs/operating/security/",
    ),
)
