"""Cookies of sessions: where they are sent, and who can read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Facts, nginx, plain
from lilfox_tui.audit.targets.services import HEALTH_REPLY, PAGE, WHERE, HttpReply, ServiceAddress
from lilfox_tui.core.i18n import listed, tr

_SESSION = re.compile(r"sess|(^|[._-])s?sid($|[._-])|token|auth|jwt|login|remember|identity", re.IGNORECASE)
_NOT_SECRET = re.compile(r"csrf|xsrf|(^|[._-])lb|route|sticky|affinity|awsalb|serverid", re.IGNORECASE)
"""Names of cookies that scripts must read, or that only choose a server."""
_NEXT_COOKIE = re.compile(r",\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)")


class Cookie(Struct, frozen=True):
    """A cookie that a server sets. ``attributes`` are in lower case."""

    name: str
    attributes: dict[str, str]
    removed: bool

    @property
    def is_session(self) -> bool:
        """Whether whoever has it passes for its user, by its name."""
        return bool(_SESSION.search(self.name)) and not _NOT_SECRET.search(self.name) and not self.removed


def cookies_of(reply: HttpReply) -> list[Cookie]:
    """The cookies that a response sets, without their values."""
    found = []
    for text in _NEXT_COOKIE.split(reply.headers.get("set-cookie", "")):
        pair, *rest = text.split(";")
        name, equals, value = pair.strip().partition("=")
        if not equals:
            continue
        parts = [each.partition("=") for each in rest]
        attributes = {key.strip().lower(): each.strip().lower() for key, _equals, each in parts}
        found.append(Cookie(name, attributes, attributes.get("max-age") == "0" or not value.strip('" ')))
    return found


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Session cookies that lack an attribute."""
    place = facts[WHERE]
    seen: set[str] = set()
    for reply in (facts[PAGE], facts[HEALTH_REPLY]):
        for cookie in cookies_of(reply):
            missing = _missing(cookie, place)
            if not cookie.is_session or cookie.name in seen or not missing:
                continue
            seen.add(cookie.name)
            flags = " ".join(each.lower() for each in missing)
            yield AuditFinding(
                cookie.name,
                tr(
                    "Set-Cookie {name} of GET {path} lacks {attributes}",
                    name=cookie.name,
                    path=reply.path,
                    attributes=listed(missing),
                ),
                nginx(
                    f"proxy_cookie_flags {plain(cookie.name, 'NAME')} {flags};",
                    text=tr(
                        "Set the attributes in the application. Until then, add this line to the location of nginx "
                        "that proxies to it."
                    ),
                ),
                AuditSeverity.MEDIUM if missing == ["SameSite=Lax"] else None,
            )


def _missing(cookie: Cookie, place: ServiceAddress) -> list[str]:
    has = cookie.attributes
    wanted = {"Secure": place.https or place.is_public, "HttpOnly": True}
    missing = [name for name, needed in wanted.items() if needed and name.lower() not in has]
    return missing + ([] if has.get("samesite") else ["SameSite=Lax"])


CHECKS = (
    AuditCheck(
        "cookie-attributes",
        AuditSeverity.HIGH,
        tr("a session cookie lacks Secure, HttpOnly or SameSite"),
        tr("The cookie can be sent over plain HTTP, read by injected scripts, or sent with requests from other sites."),
        (WHERE, PAGE, HEALTH_REPLY),
        judge,
        "https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie",
    ),
)
