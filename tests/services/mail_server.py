"""A real SMTP server on loopback with certificates of its own, and what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import email
import ssl
import subprocess
from collections.abc import AsyncIterator
from email import policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PASSWORD = "hunter2-mail"


class Box:
    """What arrived. ``refuse`` holds recipients that are not taken; ``busy`` makes it say 451 to every mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.refuse: set[str] = set()
        self.busy = False

    async def handle_RCPT(  # noqa: N802  the library has it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.busy:
            return "451 4.3.0 try again later"
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"


class Authority:
    """A CA of the test's own and a certificate for ``localhost`` that it has signed."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        key, request, certificate, names = (folder / name for name in ("key.pem", "request.pem", "cert.pem", "names"))
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        ca_key = folder / "ca-key.pem"
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        _openssl("req", "-x509", *new_key, "-keyout", str(ca_key), "-out", str(self.ca), "-subj", "/CN=test CA",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
        _openssl("req", *new_key[:-2], "-keyout", str(key), "-out", str(request), "-subj", "/CN=localhost")
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.ca), "-CAkey", str(ca_key), "-CAcreateserial",
                 "-days", "2", "-extfile", str(names), "-out", str(certificate))  # fmt: skip
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(certificate, key)


@contextlib.asynccontextmanager
async def mail_server(
    box: Box, tls: ssl.SSLContext | None, *, implicit: bool = False, login: bool = False
) -> AsyncIterator[int]:
    """The port of a server that offers STARTTLS with ``tls`` (or speaks TLS from the first byte)."""

    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object
    ) -> AuthResult:
        good = isinstance(given, LoginPassword) and given.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False)

    def session() -> SMTP:
        return SMTP(
            box,
            hostname="localhost",
            tls_context=None if implicit else tls,
            auth_required=login,
            auth_require_tls=not implicit,
            authenticator=authenticate if login else None,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls if implicit else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)
