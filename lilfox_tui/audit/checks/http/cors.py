"""Which other sites may read the answers of a service with the credentials of its users."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, nginx
from lilfox_tui.audit.targets.services import HEALTH, ORIGIN, WHERE, Get, HttpReply, reply_of
from lilfox_tui.core.i18n import tr

_COOKIE = ("Cookie", "lilfox_audit=1")
"""Some frameworks name the asking site only to requests that carry a cookie."""
FOREIGN = {
    path: Fact(f"foreign-{name}", Get(path, (("Origin", ORIGIN), _COOKIE)), reply_of)
    for path, name in (("", "page"), (HEALTH, "health"))
}
NULL_ORIGIN = {
    path: Fact(f"null-{name}", Get(path, (("Origin", "null"), _COOKIE)), reply_of)
    for path, name in (("", "page"), (HEALTH, "health"))
}


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Any origin, ``null`` or ``*`` allowed together with credentials."""
    place = facts[WHERE]
    fix = nginx(
        f'add_header Access-Control-Allow-Origin "{place.origin}" always;',
        'add_header Access-Control-Allow-Credentials "true" always;',
        'add_header Vary "Origin" always;',
        text=tr(
            "Allow only your own origins. In nginx, replace the present CORS headers with these lines, and the origin "
            "with that of your site; in the application, list the origins (FastAPI: allow_origins=[…], never * and no "
            "pattern that matches any origin)."
        ),
    )
    for subject, asked, allowed in (("any", FOREIGN, ORIGIN), ("null", NULL_ORIGIN, "null"), ("*", FOREIGN, "*")):
        paths = [facts[fact].path for fact in asked.values() if _allows(facts[fact], allowed)]
        if not paths:
            continue
        yield AuditFinding(
            subject,
            tr(
                "GET {path} with Origin: {origin} returns Access-Control-Allow-Origin: {allowed} and "
                "Access-Control-Allow-Credentials: true",
                path=paths[0],
                origin="null" if subject == "null" else ORIGIN,
                allowed=allowed,
            ),
            fix,
            AuditSeverity.MEDIUM if subject == "*" else None,  # browsers refuse it: nothing is open, nothing works
        )
        return


def _allows(reply: HttpReply, allowed: str) -> bool:
    origins = {each.strip() for each in reply.headers.get("access-control-allow-origin", "").split(",")}
    credentials = reply.headers.get("access-control-allow-credentials", "").split(",")
    return allowed in origins and any(each.strip().lower() == "true" for each in credentials)


CHECKS = (
    AuditCheck(
        "cors-any-origin",
        AuditSeverity.CRITICAL,
        tr("any site can read responses with the user's credentials"),
        tr("Any website that a logged-in user visits can read and change their data here."),
        (WHERE, *FOREIGN.values(), *NULL_ORIGIN.values()),
        judge,
        "https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS#requests_with_credentials",
    ),
)
