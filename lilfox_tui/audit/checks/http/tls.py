"""Versions of TLS and ciphers that a service accepts."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, nginx
from lilfox_tui.audit.targets.services import Hello
from lilfox_tui.audit.targets.tls_hello import (
    SSL_3,
    TLS_1_0,
    TLS_1_1,
    TLS_1_2,
    USUAL_SUITES,
    VERSION_NAMES,
    WEAK_SUITES,
    ServerHello,
)
from lilfox_tui.core.i18n import tr


def parse_choice(answer: ServerHello | bool | None) -> ServerHello | None:
    """What the server chose; None if it refused."""
    if answer is None:
        raise Absent
    return answer if isinstance(answer, ServerHello) else None


OLD_VERSIONS = {
    version: Fact(f"hello-{version:04x}", Hello(version, USUAL_SUITES), parse_choice)
    for version in (SSL_3, TLS_1_0, TLS_1_1)
}
WEAK_CHOICE = Fact("hello-weak", Hello(TLS_1_2, tuple(WEAK_SUITES)), parse_choice)
_FIX = nginx(
    "ssl_protocols TLSv1.2 TLSv1.3;",
    "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;",
    text=tr(
        "Replace the lines with the same names in the server block of nginx. The default server of the port decides "
        "the versions for all its names."
    ),
)


def judge_versions(facts: Facts) -> Iterator[AuditFinding]:
    """Versions below 1.2 that the server speaks."""
    for version, fact in OLD_VERSIONS.items():
        chosen = facts[fact]
        if chosen is not None and chosen.version == version:
            name = VERSION_NAMES[version]
            yield AuditFinding(name, tr("the server accepts a {version} handshake", version=name), _FIX)


def judge_ciphers(facts: Facts) -> Iterator[AuditFinding]:
    """A weak cipher that the server chooses if it is offered nothing better."""
    chosen = facts[WEAK_CHOICE]
    if chosen is not None and chosen.suite in WEAK_SUITES:
        name = WEAK_SUITES[chosen.suite]
        yield AuditFinding("ciphers", tr("the server accepts {cipher}", cipher=name), _FIX)


CHECKS = (
    AuditCheck(
        "tls-old-version",
        AuditSeverity.HIGH,
        tr("TLS below 1.2 is accepted"),
        tr("TLS 1.0 and 1.1 rely on MD5 and SHA-1, and RFC 8996 deprecates them."),
        tuple(OLD_VERSIONS.values()),
        judge_versions,
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_protocols",
    ),
    AuditCheck(
        "tls-weak-cipher",
        AuditSeverity.HIGH,
        tr("weak ciphers are accepted"),
        tr("An attacker on the network can read or change such connections."),
        (WEAK_CHOICE,),
        judge_ciphers,
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_ciphers",
    ),
)
