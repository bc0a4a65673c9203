"""The certificate of a service: until when it is valid, who vouches for it, whose it is, and its key."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, nginx
from lilfox_tui.audit.targets.services import GetCertificate, Handshake, ServiceAddress
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.text import human_duration

DAYS_LEFT = 21
_SHORTEST_RSA, _SHORTEST_EC = 2048, 224
_RENEW = "certbot renew"


class Certificate(Struct, frozen=True):
    """What a certificate says. ``key`` is such as ``RSA 2048``; ``weak`` says what of it is too weak, if anything."""

    place: ServiceAddress
    begin: datetime
    end: datetime
    names: tuple[str, ...]
    issuer: str
    key: str
    weak: str
    untrusted: str
    now: datetime


def parse_certificate(handshake: Handshake | None) -> Certificate:
    """The certificate of a handshake, as of now. Raises ValueError for one that this machine cannot read."""
    if handshake is None:
        raise Absent
    try:
        found = x509.load_der_x509_certificate(handshake.certificate)
        (key, weak), names = _key(found), _names(found)
    except (
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise ValueError(str(error)) from None
    return Certificate(
        handshake.place,
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        names,
        found.issuer.rfc4514_string(),
        key,
        weak,
        handshake.untrusted,
        datetime.now(UTC),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    )


def _key(certificate: x509.Certificate) -> tuple[str, str]:
    key = certificate.public_key()
    name, shortest = type(key).__name__.strip("_").removesuffix("PublicKey"), 0
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        name, shortest = f"{'RSA' if isinstance(key, rsa.RSAPublicKey) else 'DSA'} {key.key_size}", _SHORTEST_RSA
    elif isinstance(key, ec.EllipticCurvePublicKey):
        name, shortest = f"EC {key.key_size}", _SHORTEST_EC
    digest = certificate.signature_hash_algorithm
    if shortest and int(name.split()[-1]) < shortest:
        return name, name
    if digest is not None and digest.name in ("md5", "sha1"):
        return name, digest.name.upper()
    return name, ""


CERTIFICATE = Fact("certificate", GetCertificate(), parse_certificate)


def judge_expiry(facts: Facts) -> Iterator[AuditFinding]:
    """A certificate that ends soon, or has. One that is made for less than two months is renewed in its last third."""
    found = facts[CERTIFICATE]
    left = found.end - found.now
    if left >= min(timedelta(days=DAYS_LEFT), (found.end - found.begin) / 3) and found.begin <= found.now:
        return
    fix = Fix(
        tr(
            "Renew the certificate and reload the web server. Check why the automatic renewal did not run: systemctl "
            "list-timers."
        ),
        commands=(_RENEW, "systemctl reload nginx"),
    )
    day = found.end.strftime("%Y-%m-%d %H:%M UTC")
    if found.begin > found.now:
        evidence = tr("the certificate is not valid before {day}", day=found.begin.strftime("%Y-%m-%d %H:%M UTC"))
        yield AuditFinding("begin", evidence, fix, AuditSeverity.CRITICAL)
    elif left <= timedelta():
        evidence = tr("the certificate expired on {day}", day=day)
        yield AuditFinding("certificate", evidence, fix, AuditSeverity.CRITICAL)
    else:
        evidence = tr("the certificate expires on {day}, in {time}", day=day, time=human_duration(left.total_seconds()))
        yield AuditFinding("certificate", evidence, fix)


def judge_trust(facts: Facts) -> Iterator[AuditFinding]:
    """A chain that this machine does not trust, unless the configuration says so of an internal service."""
    found = facts[CERTIFICATE]
    if found.untrusted and (found.place.verified or found.place.is_public):
        yield AuditFinding(
            "chain",
            tr("{reason}; issued by {issuer}", reason=found.untrusted, issuer=found.issuer),
            nginx(
                "ssl_certificate /etc/letsencrypt/live/NAME/fullchain.pem;",
                text=tr(
                    "Serve the full chain (fullchain.pem, not cert.pem) of a CA that clients trust. For a private CA,"
                    " install its certificate on this machine."
                ),
            ),
        )


def judge_name(facts: Facts) -> Iterator[AuditFinding]:
    """A certificate of another name, unless the configuration says that none is verified of an internal service."""
    found = facts[CERTIFICATE]
    name = found.place.name.lower().rstrip(".")
    if any(_covers(each, name) for each in found.names) or not (found.place.verified or found.place.is_public):
        return
    yield AuditFinding(
        name,
        tr("the certificate is for {names}", names=listed(found.names) or "-"),
        Fix(
            tr("Request a certificate that includes this name, and reload the web server."),
            commands=(f"certbot --nginx -d {name}",),
        ),
    )


def _covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate is for ``name`` (RFC 6125 6.4.3)."""
    pattern = pattern.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return pattern == name or (pattern.startswith("*.") and "." in name and pattern[1:] == name[name.find(".") :])
    return pattern == str(address)


def judge_key(facts: Facts) -> Iterator[AuditFinding]:
    """A key or a signature that can be broken."""
    found = facts[CERTIFICATE]
    if found.weak:
        yield AuditFinding(
            "key",
            tr("key {key}; too weak: {what}", key=found.key, what=found.weak),
            Fix(
                tr("Request a certificate with an ECDSA P-256 or RSA 2048 key, signed with SHA-256."),
                commands=("certbot renew --force-renewal --key-type ecdsa", "systemctl reload nginx"),
            ),
        )


_REFERENCE = "https://nginx.org/en/docs/http/configuring_https_servers.html"
CHECKS = (
    AuditCheck(
        "tls-certificate-expiry",
        AuditSeverity.HIGH,
        tr("the certificate expires soon"),
        tr("Browsers and clients refuse the service once it has expired."),
        (CERTIFICATE,),
        judge_expiry,
        "https://eff-certbot.readthedocs.io/en/stable/using.html#renewing-certificates",
    ),
    AuditCheck(
        "tls-certificate-trust",
        AuditSeverity.HIGH,
        tr("the certificate is not trusted"),
        tr("Clients refuse the service, or users learn to click warnings away."),
        (CERTIFICATE,),
        judge_trust,
        f"{_REFERENCE}#chains",
    ),
    AuditCheck(
        "tls-certificate-name",
        AuditSeverity.HIGH,
        tr("the certificate is for another name"),
        tr("Clients refuse a certificate that does not match the name."),
        (CERTIFICATE,),
        judge_name,
        f"{_REFERENCE}#certificate_with_several_names",
    ),
    AuditCheck(
        "tls-certificate-key",
        AuditSeverity.HIGH,
        tr("the key or signature of the certificate is weak"),
        tr("An attacker who breaks the key can impersonate the service. Current clients refuse such certificates."),
        (CERTIFICATE,),
        judge_key,
        "https://wiki.mozilla.org/Security/Server_Side_TLS",
    ),
)
