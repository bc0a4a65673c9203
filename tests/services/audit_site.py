"""A site on a real nginx, as the audit of services sees it: careless or careful, and mended by what a fix says."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditFinding, Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.model import Config, ServiceConfig
from lilfox_tui.config.values import Seconds
from tests.services.nginx import Nginx

NAME = "shop.example.com"
"""A name of the public DNS; in the tests it leads to loopback."""
PAGE = "<!doctype html><title>shop</title><link rel=stylesheet href=/static/shop.css><p>" + "hello " * 400


class Authority:
    """An authority for certificates that the tests trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests' own authority")])
        made = self._builder(self._name, self._key.public_key(), timedelta(days=-1), timedelta(days=3650))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: Any, begin: timedelta, end: timedelta, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + end)
        )

    def issue(
        self,
        place: Path,
        *,
        names: tuple[str, ...] = (NAME,),
        begin: timedelta = timedelta(days=-30),
        end: timedelta = timedelta(days=60),
        rsa_bits: int = 0,
        own: bool = False,
    ) -> None:
        """Writes certificate.pem and key.pem to ``place``; ``own`` signs it with its own key."""
        key: Any = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._builder(subject, key.public_key(), begin, end, subject if own else None)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), False)
        made = builder.sign(key if own else self._key, hashes.SHA256())
        (place / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (place / "key.pem").write_bytes(private)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Site:
    """A server block of nginx: ``lines`` and ``locations`` as its configuration has them."""

    def __init__(self, folder: Path, authority: Authority, *, tls: bool = True) -> None:
        self.nginx = Nginx(folder)
        self.folder = folder
        self.tls = tls
        self.lines = list(CAREFUL)
        self.locations = {"/": f"root {folder}/www; index index.html;", "= /health": "return 200 'ok';"}
        self.service: dict[str, Any] = {}
        (folder / "www/static").mkdir(parents=True)
        (folder / "www/index.html").write_text(PAGE)
        (folder / "www/static/shop.css").write_text("p { color: #123456 }\n" * 100)
        if tls:
            authority.issue(folder)

    def _block(self) -> str:
        lines = [f"listen 127.0.0.1:{{port}}{' ssl' if self.tls else ''};", f"server_name {NAME};"]
        if self.tls:
            lines += [f"ssl_certificate {self.folder}/certificate.pem;", f"ssl_certificate_key {self.folder}/key.pem;"]
        text = "\n".join((*lines, *(_literal(line) for line in self.lines)))
        places = "\n".join(f"location {place} {{{{ {_literal(what)} }}}}" for place, what in self.locations.items())
        return f"server {{{{\n{text}\n{places}\n}}}}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serves as it is set up now."""
        self.nginx.servers = self._block()
        with self.nginx:
            yield

    async def audited(self, *checks: str, audit: AuditConfig | None = None, active: bool = False) -> Report:
        """The report of ``checks`` on it."""
        options = {"timeout": Seconds(10), "metrics": None, **self.service}
        service = ServiceConfig(url=f"http{'s' if self.tls else ''}://{NAME}:{self.nginx.port}", **options)
        return await audited(service, *checks, audit=audit, active=active)

    def apply(self, fix: Fix) -> None:
        """Puts the lines of a fix into the server block, in place of those with the same names."""
        for line in fix.lines:
            self.lines = [each for each in self.lines if _named(each) != _named(line)]
            self.lines.append(line)


CAREFUL = (
    "include /etc/nginx/mime.types;",
    "ssl_protocols TLSv1.2 TLSv1.3;",
    "server_tokens off;",
    "gzip on;",
    "gzip_types text/css application/javascript application/json;",
    'add_header Strict-Transport-Security "max-age=31536000" always;',
    'add_header X-Content-Type-Options "nosniff" always;',
    'add_header X-Frame-Options "SAMEORIGIN" always;',
    "add_header Content-Security-Policy \"default-src 'self'\" always;",
    'add_header Referrer-Policy "no-referrer" always;',
)
"""What a careful administrator has in the server block."""


def _literal(line: str) -> str:
    return line.replace("{", "{{").replace("}", "}}")


def _named(line: str) -> str:
    words = line.split("{")[0].split()
    return " ".join(words[:2] if words[0] in ("add_header", "location", "proxy_hide_header") else words[:1])


async def audited(
    service: ServiceConfig, *checks: str, audit: AuditConfig | None = None, active: bool = False
) -> Report:
    """The report of ``checks`` on a service."""
    config = Config(services={"shop": service}, audit=audit or AuditConfig())
    run = Audit(config, timeout_s=60, active=active)
    return await run.run(chosen(checks), targets_of(config, []))


def told(report: Report) -> dict[tuple[str, str], AuditFinding]:
    """The findings, by check and subject."""
    return {(each.check.id, each.finding.subject): each.finding for each in report.found}


@contextmanager
def resolving(*names: str, to: str = "127.0.0.1") -> Iterator[None]:
    """These names lead to an address of loopback."""
    original = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: asyncio.BaseEventLoop, host: Any, port: Any, **options: Any) -> Any:
        return await original(self, to if host in names else host, port, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
        yield
