"""Mail over SMTP, encrypted with STARTTLS (RFC 3207) or from the first byte (RFC 8314)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.utils import format_datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from lilfox_tui.alerts.notifier import Notification, NotifierSetup, PartialDelivery, body, subject, tls_of
from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import Port, SecretRef
from lilfox_tui.config.yaml_nodes import quoted
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.hosts.http import tls_context
from lilfox_tui.redact import redact

if TYPE_CHECKING:
    from email.message import EmailMessage

    import aiosmtplib

Address = Annotated[str, Meta(min_length=3, max_length=254)]
_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
_REASON_CHARS = 300
_GOODBYE_S = 1.0


class Options(NotifierConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mail server that accepts mail from this machine. ``tls: none`` sends mail in clear text; it cannot be combined
    with a user, so that no password is sent unencrypted."""

    kind: str = "smtp"
    server: str
    port: Port | None = None
    """587 for STARTTLS, 465 for implicit, 25 for none when not given."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    ca: str | None = None
    """File with the certificates that the server's is checked with; the system's when not given."""
    user: str | None = None
    password: SecretRef | None = None
    from_: Address = msgspec.field(name="from")
    to: Annotated[tuple[Address, ...], Meta(min_length=1)]

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """See :meth:`NotifierConfig.problems`."""
        if self.user is not None and self.tls == "none":
            yield (
                ("tls",),
                _("the password would be sent unencrypted; write tls: starttls, or remove user and password"),
            )
        for key, address in (("from",), self.from_), *((("to", str(at)), one) for at, one in enumerate(self.to, 1)):
            try:
                HeaderAddress(addr_spec=address)
            except Exception:  # email raises many kinds, also IndexError
                what = _("{value} is not an email address; write one such as ops@example.net", value=quoted(address))
                yield key, what


class Mail:
    """Sends one mail per notification to all recipients, over a new connection each time."""

    tells_all = False

    def __init__(self, options: Options) -> None:
        self._options = options
        self._port = options.port or _PORTS[options.tls]
        self._where = f"{options.server}:{self._port}"

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        if self._options.user is not None and self._options.tls == "none":  # an error of the configuration, too
            raise LilFoxError(
                tr("{where}: refusing to send the password over an unencrypted connection", where=self._where),
                tr("Write tls: starttls, or remove user and password."),
            )
        message = await asyncio.to_thread(self._message, notice)
        password = await revealed_text(self._options.password or "")
        errors = await asyncio.to_thread(_errors)
        try:
            refused = await self._send(message, password)
        except (errors, OSError, UnicodeError, ValueError) as error:
            raise self._failed(error, password) from None
        if refused:
            who = listed(sorted(refused))
            raise PartialDelivery(tr("{where} refused these recipients: {who}", where=self._where, who=who))

    async def close(self) -> None:
        """See :meth:`Notifier.close`: nothing is kept open."""

    async def _send(self, message: EmailMessage, password: str) -> list[str]:
        """Send the mail; return the recipients that the server rejected."""
        import aiosmtplib

        options = self._options
        context = None if options.tls == "none" else await asyncio.to_thread(tls_context, tls_of(options.ca))
        client = aiosmtplib.SMTP(
            hostname=options.server,
            port=self._port,
            username=options.user,
            password=password or None,
            use_tls=options.tls == "implicit",
            start_tls=options.tls == "starttls",
            tls_context=context,
            timeout=None,  # who tells bounds it; its own may lose a cancellation (asyncio.wait_for)
        )
        try:
            await client.connect()
            refused, _said = await client.send_message(message, sender=options.from_, recipients=list(options.to))
            with suppress(aiosmtplib.SMTPException, OSError):  # it has taken the mail, however it says goodbye
                async with asyncio.timeout(_GOODBYE_S):
                    await client.quit()
        finally:
            client.close()
        return list(refused)

    def _message(self, notice: Notification) -> EmailMessage:
        from email.message import EmailMessage
        from email.policy import SMTP

        options = self._options
        message = EmailMessage(policy=SMTP)
        try:
            message["From"] = HeaderAddress("LilFox", addr_spec=options.from_)
            message["To"] = [HeaderAddress(addr_spec=one) for one in options.to]
            domain = HeaderAddress(addr_spec=options.from_).domain
        except Exception as error:  # email raises many kinds, also IndexError
            raise LilFoxError(
                tr("invalid address in from or to: {reason}", reason=type(error).__name__),
                tr("Write plain addresses such as ops@example.net."),
            ) from None
        message["Subject"] = subject(notice)
        message["Date"] = _date(notice.at)
        message["Message-ID"] = f"<{notice.id}@{domain}>"
        message["References"] = f"<{notice.thread}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body(notice), cte="quoted-printable")
        return message

    def _failed(self, error: Exception, password: str) -> LilFoxError:
        text = str(error) or type(error).__name__
        if password:
            text = text.replace(password, "***")
        reason = redact(" ".join(text.split()))[:_REASON_CHARS]
        hint = tr("Check server, port, tls, user and password of this notifier.")
        return LilFoxError(tr("{where}: sending the email failed: {reason}", where=self._where, reason=reason), hint)


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Mail:
    """Open the notifier; sends nothing yet."""
    return Mail(options)


def _date(at: datetime) -> str:
    return format_datetime(at.replace(microsecond=0))


def _errors() -> type[aiosmtplib.SMTPException]:
    """Return the library's exception class; imported here, in a thread, so that the import does not block the event
    loop."""
    import aiosmtplib

    return aiosmtplib.SMTPException
